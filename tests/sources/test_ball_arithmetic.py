"""References against certified integrals: Arb's balls hold the true integral for sure.

The integrals run over what lies within 12 sigma of the signal (`TAIL` bounds the rest, see below);
the density is written again from its definition, in complex balls of 200 bits.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from flint import acb, arb, ctx

from entbench.sources import TruncatedMixture
from entbench.sources.constellations import BPSK, PAM
from entbench.sources.gaussian import IsotropicGaussian
from entbench.sources.grid import UniformGrid
from entbench.sources.heavy_tails import LaplaceProduct
from entbench.sources.uniform_cube import UniformCube

Density = Callable[[acb], acb]

# Beyond 12 sigma of a signal in [-1, 1], q(y) <= phi_sigma(12 sigma) < 1/e for sigma >= 0.01, where
# -q log q increases in q; so both tails together are below
# 2 int_12^oo phi(z) (z^2/2 + log(1/sigma) + 1) dz < 1e-28.
TAIL = 1e-28


@pytest.fixture(autouse=True)
def _bits() -> Iterator[None]:
    before, ctx.prec = ctx.prec, 200
    yield
    ctx.prec = before


def upper(x: acb) -> acb:
    """P(N(0, 1) > x)."""
    return (x / acb(2).sqrt()).erfc() / 2


def normal(x: acb, sigma: acb) -> acb:
    return (-(x * x) / (2 * sigma * sigma)).exp() / (sigma * (2 * acb.pi()).sqrt())


def integrate(f: Callable[[acb, bool], acb], ends: list[float], digits: int = 18) -> arb:
    tolerance = arb(10) ** -digits
    total = acb(0)
    for a, b in itertools.pairwise(ends):
        total += acb.integral(f, acb(a), acb(b), rel_tol=tolerance, abs_tol=tolerance)
    return total.real


def entropy_ball(density: Density, ends: list[float], tail: float = TAIL) -> arb:
    """The differential entropy of a density that is symmetric around 0 (`ends` start there)."""

    def integrand(y: acb, analytic: bool) -> acb:
        q = density(y)
        return -q * q.log(analytic=analytic)

    return 2 * integrate(integrand, ends) + arb(0, tail)


def agrees(value: float, error: float, ball: arb) -> bool:
    """Whether the reference's interval meets the ball; a ball this small must hold the truth."""
    assert float(ball.rad()) < 1e-15
    return bool(arb(value, error).overlaps(ball))


def of_points(points: list[acb], sigma: float) -> Density:
    s = acb(sigma)
    return lambda y: sum((normal(y - c, s) for c in points), acb(0)) / len(points)


def marks(sigma: float) -> list[float]:
    return [0.0, max(0.0, 1.0 - 12.0 * sigma), 1.0, 1.0 + 12.0 * sigma]


@pytest.mark.parametrize("sigma", [0.05, 0.1, 0.5, 1.0, 3.0])
def test_bpsk(sigma: float) -> None:
    ball = entropy_ball(of_points([acb(-1), acb(1)], sigma), marks(sigma))
    reference = BPSK(sigma=sigma).reference()
    assert agrees(reference.value, reference.error, ball)
    # the bracket is narrow enough to notice a wrong 13th digit
    assert not agrees(reference.value + 1e-13, reference.error, ball)


@pytest.mark.parametrize(("k", "sigma"), [(3, 0.2), (4, 0.25), (16, 0.05)])
def test_pam(k: int, sigma: float) -> None:
    points = [acb(2 * j) / (k - 1) - 1 for j in range(k)]
    reference = PAM(k, sigma).reference()
    assert agrees(
        reference.value, reference.error, entropy_ball(of_points(points, sigma), marks(sigma))
    )


@pytest.mark.parametrize(("k", "sigma"), [(2, 0.3), (3, 0.1), (7, 0.05)])
def test_grid_of_cell_centres(k: int, sigma: float) -> None:
    points = [acb(2 * j - 1) / k - 1 for j in range(1, k + 1)]
    reference = UniformGrid(1, k, sigma).reference()
    assert agrees(
        reference.value, reference.error, entropy_ball(of_points(points, sigma), marks(sigma))
    )


def uniform_density(sigma: float) -> Density:
    s = acb(sigma)
    return lambda y: (upper((y - 1) / s) - upper((y + 1) / s)) / 2


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.5, 2.0])
def test_uniform(sigma: float) -> None:
    reference = UniformCube(1, sigma).reference()
    ball = entropy_ball(uniform_density(sigma), marks(sigma))
    assert agrees(reference.value, reference.error, ball)


@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_chi_square_information_of_the_uniform(sigma: float) -> None:
    wide, narrow = uniform_density(sigma), uniform_density(sigma * 0.5**0.5)
    ends = marks(sigma)
    # q_{1/sqrt2} / q_1 is no more than its tail of exp(-36) beyond
    total = 2 * integrate(lambda y, _: narrow(y) / wide(y), ends) + arb(0, 1e-30)
    ball = total / (2 * arb.pi().sqrt() * arb(sigma)) - 1
    assert float(ball.rad()) < 1e-14
    facts = UniformCube(1, sigma).facts()
    assert facts.chi_square_information == pytest.approx(float(ball.mid()), rel=1e-13)


@pytest.mark.parametrize(("sigma", "tau"), [(0.1, 0.02), (0.5, 0.5), (0.2, 0.1)])
def test_truncated_mixture(sigma: float, tau: float) -> None:
    s, t = acb(sigma), acb(tau)
    spread = (s * s + t * t).sqrt()
    v = t * s / spread
    mass = 2 * (acb(0.5) - upper(2 / t))

    def density(y: acb) -> acb:
        total = acb(0)
        for m in (-1, 1):
            middle = (s * s * m + t * t * y) / spread**2
            inside = upper((-1 - middle) / v) - upper((1 - middle) / v)
            total += normal(y - m, spread) * inside
        return total / mass

    reference = TruncatedMixture(1, sigma, tau).reference()
    assert agrees(reference.value, reference.error, entropy_ball(density, marks(sigma)))


@pytest.mark.parametrize(("sigma", "scale"), [(0.5, 1.0), (0.1, 1.0), (1.0, 0.1)])
def test_gaussian(sigma: float, scale: float) -> None:
    ball = (2 * arb.pi() * arb(1).exp() * (arb(scale) ** 2 + arb(sigma) ** 2)).log() / 2
    reference = IsotropicGaussian(1, sigma, scale).reference()
    assert agrees(reference.value, reference.error, ball)


@pytest.mark.parametrize(("sigma", "scale"), [(0.5, 1.0), (1.0, 0.5), (0.2, 1.0)])
def test_laplace(sigma: float, scale: float) -> None:
    """exp(s^2/2b^2) [exp(-y/b) Phi(y/s - s/b) + exp(y/b) Phi(-y/s - s/b)] / 2b."""
    s, b = acb(sigma), acb(scale)

    def density(y: acb) -> acb:
        sides = (sign * y / b for sign in (-1, 1))
        tails = (upper(s / b + sign * y / s) for sign in (-1, 1))
        both = sum((side.exp() * tail for side, tail in zip(sides, tails, strict=True)), acb(0))
        return (s * s / (2 * b * b)).exp() * both / (2 * b)

    # q(y) <= exp(s^2/2b^2) exp(-y/b) / 2b: below exp(-80) at the end
    last = 90.0 * scale
    ball = entropy_ball(density, [0.0, 4.0 * sigma, 12.0 * sigma, last], tail=1e-30)
    reference = LaplaceProduct(1, sigma, scale).reference()
    assert agrees(reference.value, reference.error, ball)
