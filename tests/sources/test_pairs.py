"""Sources of pairs: samplers against their own laws, truths by further ways."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.stats import kstest, multivariate_normal

from entbench.bounds import pam_information
from entbench.sources import (
    AdditiveUniform,
    BivariateNormal,
    BPSKChannel,
    DiscreteContinuous,
    GaussianChannel,
    PAMChannel,
    ZeroInflatedPoisson,
)

N = 20_000
# a Kolmogorov-Smirnov test at this level, on a fixed draw
LEVEL = 1e-4


def draw(source: Any, n: int = N) -> Any:
    return source.sample(n, np.random.default_rng(0))


@pytest.mark.parametrize("rho", [-0.999, -0.3, 0.0, 0.9])
def test_bivariate_normal(rho: float) -> None:
    pairs = draw(BivariateNormal(rho=rho))
    both = np.hstack([pairs.x, pairs.y])
    joint = multivariate_normal(cov=[[1, rho], [rho, 1]])
    # -log density averages to the entropy, with variance dim/2 = 1
    mean = -joint.logpdf(both).mean()
    assert mean == pytest.approx(joint.entropy(), abs=4.5 / math.sqrt(N))
    assert np.corrcoef(both.T)[0, 1] == pytest.approx(rho, abs=4.5 * (1 - rho**2) / math.sqrt(N))
    separate = 2 * multivariate_normal(cov=[[1.0]]).entropy()
    reference = BivariateNormal(rho=rho).reference()
    assert reference.value == pytest.approx(separate - joint.entropy(), abs=1e-12)


@pytest.mark.parametrize(("d_x", "d_y"), [(1, 1), (3, 3), (2, 5), (5, 2)])
def test_gaussian_channel(d_x: int, d_y: int) -> None:
    """The mean of log p(y|x)/p(y) over draws, by scipy's densities, is the information."""
    source = GaussianChannel(d_x=d_x, d_y=d_y, sigma=0.5, seed=3)
    pairs = draw(source)
    a = source.mixing
    assert np.linalg.norm(a, axis=1) == pytest.approx(np.ones(d_y), abs=1e-14)
    noise = multivariate_normal(cov=0.25 * np.eye(d_y))
    output = multivariate_normal(cov=a @ a.T + 0.25 * np.eye(d_y))
    density = noise.logpdf(pairs.y - pairs.x @ a.T) - output.logpdf(pairs.y)
    slack = 4.5 * density.std() / math.sqrt(N)
    assert density.mean() == pytest.approx(source.reference().value, abs=slack)


def test_one_dimensional_channel_is_a_correlation() -> None:
    channel = GaussianChannel(d_x=1, d_y=1, sigma=0.5)
    normal = BivariateNormal(rho=1 / math.sqrt(1.25))
    assert channel.reference().value == pytest.approx(normal.reference().value, abs=1e-14)


@pytest.mark.parametrize("epsilon", [0.01, 0.3, 0.5, 2.0])
def test_additive_uniform(epsilon: float) -> None:
    pairs = draw(AdditiveUniform(epsilon=epsilon))
    assert kstest(pairs.x[:, 0], "uniform").pvalue > LEVEL
    noise = (pairs.y - pairs.x)[:, 0]
    assert kstest(noise, "uniform", args=(-epsilon, 2 * epsilon)).pvalue > LEVEL
    assert abs(np.corrcoef(noise, pairs.x[:, 0])[0, 1]) < 4.5 / math.sqrt(N)


def test_additive_uniform_by_a_double_integral() -> None:
    epsilon = 0.3

    def integrand(y: float, x: float) -> float:
        overlap = min(1.0, y + epsilon) - max(0.0, y - epsilon)
        return math.log(1.0 / overlap) / (2 * epsilon)

    value = dblquad(integrand, 0, 1, lambda x: x - epsilon, lambda x: x + epsilon)[0]
    assert AdditiveUniform(epsilon=epsilon).reference().value == pytest.approx(value, abs=1e-7)


def test_discrete_continuous() -> None:
    pairs = draw(DiscreteContinuous(m=4))
    values, counts = np.unique(pairs.x, return_counts=True)
    assert values.tolist() == [0, 1, 2, 3]
    assert counts == pytest.approx(np.full(4, N / 4), abs=4.5 * math.sqrt(N * 3 / 16))
    assert kstest((pairs.y - pairs.x)[:, 0], "uniform", args=(0, 2)).pvalue > LEVEL
    # p(y|x) = 1/2; p(y) = 1/8 in the outer intervals and 1/4 inside: half of the ends' mass
    gain = np.where((pairs.y < 1) | (pairs.y > 4), math.log(4), math.log(2))
    slack = 4.5 * gain.std() / math.sqrt(N)
    assert gain.mean() == pytest.approx(DiscreteContinuous(m=4).reference().value, abs=slack)


@pytest.mark.parametrize("p", [0.0, 0.15, 0.9])
def test_zero_inflated_poisson(p: float) -> None:
    pairs = draw(ZeroInflatedPoisson(p=p))
    x, y = pairs.x[:, 0], pairs.y[:, 0]
    assert kstest(x, "expon").pvalue > LEVEL
    zeros = p + (1 - p) / 2
    assert (y == 0).mean() == pytest.approx(zeros, abs=4.5 * math.sqrt(zeros * (1 - zeros) / N))
    # log p(y|x)/p(y), averaged over the draws
    log_factorial = np.array([math.lgamma(k + 1) for k in y])
    poisson = np.exp(y * np.log(x) - x - log_factorial)
    conditional = (1 - p) * poisson + p * (y == 0)
    marginal = (1 - p) * 2.0 ** -(y + 1) + p * (y == 0)
    gain = np.log(conditional / marginal)
    slack = 4.5 * gain.std() / math.sqrt(N)
    assert gain.mean() == pytest.approx(ZeroInflatedPoisson(p=p).reference().value, abs=slack)


def test_zeros_that_cannot_be_told_apart_cost_information() -> None:
    """0.3012 without inflation, as published; with it less than the (1-p) 0.3012 of the paper."""
    plain = ZeroInflatedPoisson(p=0).reference().value
    k = np.arange(1, 200)
    series = float((np.log(k) * 2.0**-k).sum())
    assert plain == pytest.approx(2 * math.log(2) - np.euler_gamma - series, abs=1e-11)
    assert ZeroInflatedPoisson(p=0.15).reference().value < 0.85 * plain - 0.02


@pytest.mark.parametrize(
    ("k", "sigma"), [(2, 0.1), (2, 1), (4, 0.25), (7, 0.05), (16, 1e-3), (5, 20)]
)
def test_amplitudes(k: int, sigma: float) -> None:
    """The value is that of the bound's own quadrature, which has another integrand."""
    source = PAMChannel(k=k, d=3, sigma=sigma)
    assert source.reference().value == pytest.approx(3 * pam_information(k, sigma), abs=1e-11)
    pairs = draw(source)
    values, counts = np.unique(pairs.x, return_counts=True)
    assert values == pytest.approx(np.linspace(-1, 1, k))
    slack = 4.5 * math.sqrt(3 * N / k)
    assert counts == pytest.approx(np.full(k, 3 * N / k), abs=slack)
    assert np.array_equal(pairs.x, pairs.signal)


@pytest.mark.parametrize(
    ("sigma", "known"), [(0.25, 0.693053645483), (0.5, 0.632720193737), (2, 0.111421482185)]
)
def test_binary_signalling(sigma: float, known: float) -> None:
    """Known to 12 digits; half of `known` in bits is in every textbook on communication."""
    assert BPSKChannel(d=2, sigma=sigma).reference().value == pytest.approx(2 * known, abs=2e-12)
    four = PAMChannel(k=2, d=2, sigma=sigma)
    assert BPSKChannel(d=2, sigma=sigma).reference().value == four.reference().value


@pytest.mark.parametrize(
    ("source", "params", "message"),
    [
        (BivariateNormal, {"rho": 1}, "`rho` must lie between -1 and 1"),
        (BivariateNormal, {"rho": math.nan}, "`rho` must be a finite number"),
        (GaussianChannel, {"sigma": 0}, "`sigma` must be a finite number > 0"),
        (GaussianChannel, {"d_x": 0}, "`d_x` must be an integer >= 1"),
        (AdditiveUniform, {"epsilon": -1}, "`epsilon` must be a finite number > 0"),
        (DiscreteContinuous, {"m": 1}, "`m` must be an integer >= 2"),
        (ZeroInflatedPoisson, {"p": 1.0}, "`p` must be a number in"),
        (PAMChannel, {"k": 1}, "`k` must be an integer in"),
        (BPSKChannel, {"d": 1.5}, "`d` must be an integer >= 1"),
    ],
)
def test_bad_parameters(source: Any, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        source(**params)
