from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import i0e, ndtri
from scipy.stats import chisquare

from entbench import Source
from entbench.mixture import GaussianMixture
from entbench.sources.constellations import BPSK, PAM, QAM
from entbench.sources.grid import UniformGrid
from entbench.sources.psk import PSK

# I(S; S+Z) in nats of one BPSK axis, an earlier computation by other code
BPSK_TABLE = {
    0.1: 0.693147180560,
    0.25: 0.693053645483,
    0.5: 0.632720193737,
    0.75: 0.472486107417,
    1.0: 0.336830820347,
    1.5: 0.182894770706,
    2.0: 0.111421482185,
    3.0: 0.052671636863,
}


@pytest.mark.parametrize("sigma", BPSK_TABLE)
def test_table_of_bpsk(sigma: float) -> None:
    facts = BPSK(1, sigma).facts()
    assert facts.mutual_information == pytest.approx(BPSK_TABLE[sigma], abs=6e-13)


@pytest.mark.parametrize(
    ("d", "sigma", "expected"),
    [
        (16, 0.5, 10.1235231),
        (16, 1.0, 5.38929313),
        (16, 2.0, 1.78274371),
        (32, 0.5, 20.2470462),
        (32, 1.0, 10.7785863),
        (32, 2.0, 3.56548743),
    ],
)
def test_table_of_the_cubes_corners(d: int, sigma: float, expected: float) -> None:
    """RM(4,4) and RM(5,5), all of the cube's corners; the table has 9 digits."""
    assert BPSK(d, sigma).facts().mutual_information == pytest.approx(expected, rel=6e-9)


@pytest.mark.parametrize(
    ("sigma", "bits"), [(0.05, 3.403), (0.1, 2.524), (0.2, 1.740), (0.5, 0.913), (1.0, 0.486)]
)
def test_table_of_the_best_pam(sigma: float, bits: float) -> None:
    """The largest I over k, in bits: a lower bound on the capacity under a peak limit."""
    found = [PAM(k, sigma).facts().mutual_information or 0.0 for k in range(2, 40)]
    assert max(found) / math.log(2.0) == pytest.approx(bits, abs=6e-4)
    assert found.index(max(found)) < len(found) - 1


@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
def test_bpsk_chi_square_information_is_that_of_the_tanh(sigma: float) -> None:
    """The posterior of S given T = t is (1 +- tanh(t/sigma^2))/2: I_chi2 = E tanh(T/sigma^2)^2."""

    def integrand(z: float) -> float:
        t = 1.0 + sigma * z  # given S = 1; the other half is its mirror image
        return math.tanh(t / sigma**2) ** 2 * math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)

    middle = -1.0 / sigma
    parts = (quad(integrand, a, b, epsabs=1e-13)[0] for a, b in ((-12, middle), (middle, 12)))
    assert BPSK(1, sigma).facts().chi_square_information == pytest.approx(sum(parts), abs=1e-12)


@pytest.mark.parametrize(("k", "sigma"), [(2, 0.5), (4, 0.25), (13, 0.02), (64, 0.5), (300, 0.01)])
def test_pam_is_a_grid_with_its_ends(k: int, sigma: float) -> None:
    ends = UniformGrid(1, k, sigma, ends=True)
    assert ends.reference().value == PAM(k, sigma).reference().value


@pytest.mark.parametrize(("k", "sigma"), [(2, 0.4), (3, 0.1), (10, 0.07)])
def test_cell_centres_are_the_end_points_drawn_in(k: int, sigma: float) -> None:
    shrink = 1.0 - 1.0 / k
    centres, ends = UniformGrid(1, k, sigma), PAM(k, sigma / shrink)
    assert centres.points == pytest.approx([-1.0 + (2 * j - 1) / k for j in range(1, k + 1)])
    expected = ends.reference().value + math.log(shrink)
    assert centres.reference().value == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize(
    "source",
    [
        UniformGrid(1, 5, 0.15),
        PAM(1000, 0.1),
        PAM(1000, 1e-3),  # 2 noise levels apart
        PAM(50, 1e-3),  # 41 apart
        UniformGrid(2, 3, 0.2),
        QAM(16, 0.25),
        QAM(64, 0.1),
        PSK(3, 0.5),
        PSK(8, 0.25),
        PSK(8, 0.02),
        PSK(200, 0.1),
    ],
)
def test_entropy_agrees_with_the_mixture_engine(source: Source) -> None:
    """Quadrature on a lattice of the line or the plane, which knows of neither axes nor circles.

    The engine's error bound is some 10 times its error; 1e-11 is its floor in the plane.
    """
    if isinstance(source, PSK):
        points = source.points
    else:
        axis = source.points  # type: ignore[attr-defined]
        grids = np.meshgrid(*[axis] * source.dim, indexing="ij")
        points = np.column_stack([grid.ravel() for grid in grids])
    mixture = GaussianMixture(points, source.sigma)
    found = mixture.entropy(1e-9, 10**7, np.random.default_rng(0))
    assert source.reference().value == pytest.approx(found.value, abs=1e-11)


@pytest.mark.parametrize("sigma", [0.05, 0.3, 1.0, 20.0])
def test_two_phases_are_bpsk_and_an_idle_axis(sigma: float) -> None:
    noise = 0.5 * math.log(2.0 * math.pi * math.e) + math.log(sigma)
    expected = BPSK(1, sigma).reference().value + noise
    assert PSK(2, sigma).reference().value == pytest.approx(
        expected, abs=2e-14 * (1 + abs(expected))
    )
    a, b = PSK(2, sigma).facts(), BPSK(1, sigma).facts()
    assert a.chi_square_information == pytest.approx(b.chi_square_information, abs=1e-13)


@pytest.mark.parametrize("sigma", [0.05, 0.3, 1.0, 20.0])
def test_four_phases_are_two_bpsk_axes(sigma: float) -> None:
    """Turned by 45 degrees, QPSK has the corners of a square of half side 1/sqrt(2)."""
    axes = BPSK(2, sigma * math.sqrt(2.0))
    expected = axes.reference().value - math.log(2.0)
    assert PSK(4, sigma).reference().value == pytest.approx(expected, abs=5e-14)
    a, b = PSK(4, sigma).facts(), axes.facts()
    assert a.chi_square_information == pytest.approx(b.chi_square_information, abs=1e-13)


@pytest.mark.parametrize("sigma", [0.2, 0.5, 2.0])
def test_many_phases_are_the_whole_circle(sigma: float) -> None:
    """The ring's density is exp(-(r - R)^2/2) I_0e(r R) / (2 pi) in units of sigma.

    k points differ from it by I_k(r R)/I_0(r R), about exp(-k^2 / (2 r R)): nothing for k = 64.
    """
    radius = 1.0 / sigma

    def integrand(r: float) -> float:
        q = math.exp(-0.5 * (r - radius) ** 2) * i0e(r * radius) / (2.0 * math.pi)
        return -2.0 * math.pi * r * q * math.log(q)

    low = max(0.0, radius - 12.0)
    ends = (low, radius, radius + 12.0)
    total = sum(quad(integrand, a, b, epsabs=1e-13)[0] for a, b in itertools.pairwise(ends))
    expected = total + 2.0 * math.log(sigma)
    assert PSK(64, sigma).reference().value == pytest.approx(expected, abs=1e-12)
    assert PSK(1000, sigma).reference().value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("k", "sigma"), [(200, 0.05), (1000, 0.02), (1000, 0.003), (16, 0.05)])
def test_neighbours_on_the_circle_are_enough(k: int, sigma: float) -> None:
    """The sum over a window of points against the sum over all of them, coordinates and all."""
    radius = 1.0 / sigma
    radii = radius + np.array([-13.0, -4.0, 0.0, 5.0, 13.0])
    angles = np.linspace(0.0, math.pi / k, 4)
    log_sum, sharpness = PSK(k, sigma)._circle._sums(radii, angles)
    place = radii[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    gaps = place[:, :, None, :] - radius * PSK(k, sigma).points
    terms = -0.5 * (gaps**2).sum(axis=-1)
    expected = np.logaddexp.reduce(terms, axis=-1)
    assert log_sum - 0.5 * (radii[:, None] - radius) ** 2 == pytest.approx(expected, abs=1e-10)
    posterior = np.exp(terms - expected[:, :, None])
    assert sharpness == pytest.approx((posterior**2).sum(axis=-1), rel=1e-10)


@pytest.mark.parametrize("sigma", [1e-3, 0.01])
def test_separate_points_tell_everything(sigma: float) -> None:
    for source, k in ((PSK(8, sigma), 8), (QAM(16, sigma), 16), (UniformGrid(3, 3, sigma), 27)):
        facts = source.facts()
        assert facts.mutual_information == pytest.approx(math.log(k), abs=1e-13)
        assert facts.chi_square_information == pytest.approx(k - 1.0, rel=1e-13)


@pytest.mark.parametrize(("eps", "sigma"), [(0.01, 0.1), (0.05, 0.05)])
@pytest.mark.parametrize("d", [1, 3, 12])
def test_witness_of_theorem_6_bears_out_fano(eps: float, sigma: float, d: int) -> None:
    """I >= d (1 - eps) log k - H_b(eps) for the k of the theorem."""
    quantile = -float(ndtri(0.5 * (1.0 - (1.0 - eps) ** (1.0 / d))))
    k = math.floor(1.0 / (sigma * quantile))
    assert k >= 2
    binary = -eps * math.log(eps) - (1.0 - eps) * math.log1p(-eps)
    information = UniformGrid(d, k, sigma).facts().mutual_information
    assert information is not None
    assert d * (1.0 - eps) * math.log(k) - binary <= information <= d * math.log(k)


@pytest.mark.parametrize("k", [2, 3, 8, 17])
def test_psk_takes_every_point_equally_often(k: int) -> None:
    """Pearson's chi-square at level 1e-4; each sample is a point of the unit circle."""
    samples = PSK(k).sample(20_000, np.random.default_rng(0))
    assert np.hypot(*samples.T) == pytest.approx(np.ones(len(samples)), abs=1e-15)
    assert np.abs(samples).max() <= 1.0
    turns = np.arctan2(samples[:, 1], samples[:, 0]) * k / (2.0 * math.pi)
    counts = np.bincount(np.rint(turns).astype(int) % k, minlength=k)
    assert np.abs(turns - np.rint(turns)).max() < 1e-12
    assert chisquare(counts).pvalue > 1e-4


def test_powers_are_as_stated() -> None:
    for m in (2, 4, 8):
        power = float((QAM(m * m).points ** 2).mean())
        assert 2.0 * power == pytest.approx(2.0 * (m + 1) / (3.0 * (m - 1)))
        assert QAM(m * m).facts().subgaussian_constant == pytest.approx(math.sqrt(power))
