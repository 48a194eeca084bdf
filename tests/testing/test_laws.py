"""The truths that the kit compares with, by a second route."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from entbench.testing import _laws
from entbench.testing._laws import Law

LAWS = [_laws.gaussian(0.5), _laws.gaussian(1.5), _laws.uniform(0.1), _laws.atoms(0.5)]


def mixture_density(t: float, law: Law) -> float:
    """Density of S+Z by integration over S, or by its sum."""
    if law.name == "two atoms":
        return float(np.mean([stats.norm.pdf(t, atom, law.sigma) for atom in (-1, 1)]))
    if law.name == "uniform":
        near = np.clip([t - 8 * law.sigma, t + 8 * law.sigma], 0, 1)
        return integrate.quad(lambda s: stats.norm.pdf(t, s, law.sigma), *near, epsabs=1e-13)[0]
    return float(stats.norm.pdf(t, 0, math.sqrt(1 + law.sigma**2)))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: f"{law.name}-{law.sigma}")
def test_surprise_and_entropy(law: Law) -> None:
    assert law.surprise is not None
    for t in (-1.3, 0.05, 0.5, 2.0):
        density = mixture_density(t, law)
        if density > 1e-10:
            assert math.exp(-law.surprise(np.array(t))) == pytest.approx(density, rel=1e-9)
    ends = (-1 - 10 * law.sigma, 2 + 10 * law.sigma) if law.name != "Gaussian" else (-25, 25)

    def integrand(t: float) -> float:
        surprise = float(law.surprise(np.array(t)))  # type: ignore[misc]
        return math.exp(-surprise) * surprise

    value = integrate.quad(integrand, *ends, epsabs=1e-12, limit=400, points=(-1, 0, 1))[0]
    assert law.entropy == pytest.approx(value, abs=1e-10)
    noise = stats.norm(scale=law.sigma).entropy()
    assert law.information == pytest.approx(value - noise, abs=1e-10)


def test_two_stages_is_a_binary_channel() -> None:
    # theory: I of a binary input at noise 0.5, here split in inner noise 0.3 and noise 0.4
    assert _laws.two_stage(0.4, inner=0.3).information == pytest.approx(0.632720193737, abs=1e-11)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: f"{law.name}-{law.sigma}")
@pytest.mark.parametrize("reads_signal", [True, False])
@pytest.mark.parametrize("pairs", [True, False])
def test_luck_has_mean_zero(law: Law, reads_signal: bool, pairs: bool) -> None:
    """Else taking it off would move the mean error."""
    samples = [law.sample(seed, 500, 2) for seed in range(100)]
    luck = np.array([law.luck(s, reads_signal=reads_signal, pairs=pairs) for s in samples])
    spread = luck.std(ddof=1)
    # by symmetry every S of the two atoms is as lucky as another
    assert (spread < 1e-12) == (law.name == "two atoms" and reads_signal)
    # 4.5 standard errors over 100 seeds: false alarm 7e-6; 1e-6 is the quadrature's own error
    assert abs(luck.mean()) <= 4.5 * spread / 10 + 1e-5


def test_sample_keeps_its_parts_together() -> None:
    sample = _laws.gaussian(0.5).sample(0, 50, 2)
    assert np.array_equal(sample.noisy, sample.signal + sample.noise)
    assert sample.scaled(4.0).sigma == 2.0
    assert np.array_equal(sample.scaled(4.0).noisy, 4.0 * sample.noisy)
    rounded = sample.rounded()
    assert np.abs(rounded.noisy - sample.noisy).max() <= 2.0**-20
    assert np.array_equal(rounded.shifted(2.0**20).noisy - 2.0**20, rounded.noisy)
    order = np.arange(50)[::-1]
    assert np.array_equal(sample.rows(order).noisy, sample.noisy[::-1])


DEPENDENT = [_laws.correlated(), _laws.unequal(), _laws.dense(5), _laws.line(), _laws.sides(1, 10)]


@pytest.mark.parametrize("law", DEPENDENT, ids=lambda law: f"{law.name}-{law.shape}")
@pytest.mark.parametrize("reads_signal", [True, False])
def test_dependent_laws_by_their_samples(law: Law, reads_signal: bool) -> None:
    """Their mean -log density is the entropy: 4.5 standard errors, 7e-6; 1e-5 is the quadrature."""
    assert law.surprise is not None
    sample = law.sample(0, 20_000, 1)
    terms = law._smooth(sample.signal) if reads_signal else law.surprise(sample.noisy)
    assert abs(terms.mean() - law.entropy) <= 4.5 * terms.std() / math.sqrt(len(terms)) + 1e-5


@pytest.mark.parametrize("law", DEPENDENT, ids=lambda law: f"{law.name}-{law.shape}")
def test_dependent_densities(law: Law) -> None:
    """Of S+Z at some points, by the mean over 400,000 signals, 4.5 standard errors."""
    assert law.surprise is not None
    point = law.sample(1, 3, 1).noisy[:1]
    signal = law.sample(2, 400_000, 1).signal
    dim = signal.shape[1]
    exponents = -0.5 * ((point - signal) ** 2).sum(axis=1) / law.sigma**2
    kernels = np.exp(exponents) / (math.sqrt(2 * math.pi) * law.sigma) ** dim
    error = 4.5 * kernels.std() / math.sqrt(len(kernels))
    assert abs(kernels.mean() - math.exp(-float(law.surprise(point)[0]))) <= error


@pytest.mark.parametrize("law", DEPENDENT, ids=lambda law: f"{law.name}-{law.shape}")
def test_information_of_dependent_laws(law: Law) -> None:
    """By determinants of the joint covariance, where the law is normal; else h(T) - h(Z)."""
    of_x, of_y = law.shape or (0, 0)
    noise = of_y * stats.norm(scale=law.sigma).entropy()
    assert law.information == pytest.approx(law.entropy - noise, abs=1e-10)
    if law.covariance is not None:
        joint = law.covariance
        parts = joint[:of_x, :of_x], joint[of_x:, of_x:], joint
        logs = [float(np.linalg.slogdet(part)[1]) for part in parts]
        assert law.information == pytest.approx(0.5 * (logs[0] + logs[1] - logs[2]), abs=1e-8)
