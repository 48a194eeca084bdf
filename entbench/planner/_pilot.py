"""What a pilot sample tells of the plug-in's error at other n."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import ndtr

from entbench._validation import check_integer, check_positive, check_samples, check_seed
from entbench.mixture import GaussianMixture

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Method = Literal["sp", "sp-jackknife"]
METHODS: tuple[Method, ...] = ("sp", "sp-jackknife")

_FEWEST = 20
_DRAWS = 8
_ROWS, _QUICK_ROWS = 4000, 1000


@dataclass(frozen=True)
class Pilot:
    """The plug-in's leading errors for one source and sigma, estimated from samples of S.

    Attributes
    ----------
    n, dim : int
        Shape of the pilot.
    sigma : float
        Standard deviation of the noise.
    n_eff : float
        How many of the pilot's samples the noise lets one tell apart, at most n.
    chi_square_information : float
        I_chi2(S; S+Z): ``n_eff - 1``, extrapolated to large n from the pilot and its halves.
    deviation : float
        ``sqrt(V)``, V the variance of D(N(S, sigma^2 I) || q) over S, extrapolated likewise: of
        the mean of n such terms comes the fluctuation.
    too_small : bool
        Whether n_eff > n/2. What is said of n is then a lower bound, from n_eff as it is.

    Notes
    -----
    The plug-in's error is ``(1/n) sum_i (D(N(S_i, sigma^2 I) || q) - mean) - D(qhat || q)``, an
    identity. The first part has variance V/n. The second has mean ``I_chi2/(2n)`` and variance at
    most ``I_chi2/(2n^2)`` to leading order (a weighted sum of chi-squares, weights at most 1); the
    mean is at most ``log(1 + I_chi2/n)`` at every n. The predicted error is the mean of ``|N(b,
    s^2)|`` with that mean and these variances.

    Bias: n_eff and V are those of the pilot's own mixture, off by terms of order 1/n that the
    halves remove to first order. Known failure: sources of which a pilot cannot see the rare parts
    pass for simpler than they are, and n comes out too small.

    Measured on ten truncated mixtures (d from 1 to 10, I_chi2 from 1 to 705), pilots of 2000,
    errors of 0.1 and 0.02 asked, 40 trials: ``sp`` came to 0.7 to 1.1 of the error asked,
    ``sp-jackknife`` to 0.1 to 1.1 (0.1 where its n is ``2 (1 + I_chi2)``, below which none is
    tried). Pilots of 300 not found too small: ``sp`` 0.7 to 1.5.

    Cost: 16 densities of the mixture for each of at most 4000 rows.
    """

    n: int
    dim: int
    sigma: float
    n_eff: float
    chi_square_information: float
    deviation: float
    too_small: bool

    def error_at(self, n: int, method: Method = "sp") -> float:
        """Return the mean absolute error in nats predicted at `n` samples.

        Of "sp-jackknife" it is the fluctuation alone, its bias being of order 1/n^2: inf below
        ``2 (1 + I_chi2)`` samples, where that order does not show. Where the pilot is too small it
        is the bias of the plug-in by n_eff alone; of the jackknife nothing can be said: inf.
        """
        n = check_integer("n", n, minimum=1)
        share = self.chi_square_information / n
        bias = min(0.5 * share, math.log1p(share))
        if self.too_small:
            return bias if method == "sp" else math.inf
        spread = math.sqrt(self.deviation**2 / n + 0.5 * share / n)
        if method == "sp-jackknife":
            settled = n >= 2.0 * (1.0 + self.chi_square_information)
            return _folded_mean(0.0, spread) if settled else math.inf
        return _folded_mean(bias, spread)


def measure_pilot(
    samples: ArrayLike,
    sigma: float,
    *,
    random_state: int | np.random.Generator | None = 0,
    n_jobs: int | None = None,
    rows: int = _ROWS,
) -> Pilot:
    """Return what a pilot sample of S tells of the plug-in's error.

    Parameters
    ----------
    samples : array-like of shape (n_samples, dim)
        Samples of S, at least 20.
    sigma : float
        Standard deviation of the noise.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the noise and of the halves.
    n_jobs : int or None, default=None
        Threads; -1 for all cores. The result does not depend on it.
    rows : int, default=4000
        Most samples at which densities are evaluated.

    Returns
    -------
    Pilot
    """
    signal = check_samples(samples, name="samples", minimum=_FEWEST)
    sigma = check_positive("sigma", sigma)
    check_seed(random_state)
    rng = np.random.default_rng(random_state)
    order = rng.permutation(len(signal))
    halves = (signal[order[: len(signal) // 2]], signal[order[len(signal) // 2 :]])
    n_eff, variance = _moments(signal, sigma, rng, n_jobs, rows)
    parts = [_moments(half, sigma, rng, n_jobs, -(-rows // 2)) for half in halves]
    half_n_eff, half_variance = (float(np.mean(column)) for column in zip(*parts, strict=True))
    too_small = n_eff > 0.5 * len(signal)
    # both are A + B/n + ..., of which twice the value less that of half the samples leaves A;
    # neither n_eff can fall with n nor V below 0, but what is drawn can
    clusters = n_eff if too_small else max(n_eff, 2.0 * n_eff - half_n_eff)
    return Pilot(
        n=len(signal),
        dim=signal.shape[1],
        sigma=sigma,
        n_eff=n_eff,
        chi_square_information=max(0.0, clusters - 1.0),
        deviation=math.sqrt(max(0.0, 2.0 * variance - half_variance)),
        too_small=too_small,
    )


def _moments(
    signal: NDArray[np.float64],
    sigma: float,
    rng: np.random.Generator,
    n_jobs: int | None,
    rows: int,
) -> tuple[float, float]:
    """Return n_eff and V of the samples' own mixture, both from ``log(phi(Z) / qhat(S_i + Z))``.

    Its exponential is n times the share of sample i in the density, its mean over Z the divergence
    of the sample's noise from the mixture.
    """
    n, dim = signal.shape
    chosen = rng.choice(n, size=rows, replace=False) if rows < n else np.arange(n)
    z = rng.standard_normal((_DRAWS, len(chosen), dim))
    points = (signal[chosen] + sigma * z).reshape(-1, dim)
    log_q = GaussianMixture(signal, sigma, n_jobs=n_jobs).log_density(points)
    log_phi = -0.5 * (z**2).sum(axis=2) - dim * (0.5 * math.log(2.0 * math.pi) + math.log(sigma))
    log_ratio = log_phi - log_q.reshape(_DRAWS, -1)
    within = float(log_ratio.var(axis=0, ddof=1).mean()) / _DRAWS
    between = float(log_ratio.mean(axis=0).var(ddof=1))
    return float(np.exp(log_ratio).mean()), between - within


def _folded_mean(mean: float, spread: float) -> float:
    """Return E |X| for X ~ N(mean, spread^2), mean >= 0."""
    if spread == 0.0:
        return mean
    ratio = mean / spread
    density = math.exp(-0.5 * ratio**2) * math.sqrt(2.0 / math.pi)
    return spread * density + mean * (1.0 - 2.0 * float(ndtr(-ratio)))


def pilot_scale(samples: NDArray[np.float64]) -> float:
    """Return the root mean square deviation of a pilot's coordinates; 1 where all are equal."""
    scale = float(samples.std(axis=0).mean())
    return scale if scale > 0.0 else 1.0


def resolved_error(
    samples: NDArray[np.float64],
    n: int,
    method: Method,
    sigma: float,
    *,
    seed: int,
    n_jobs: int | None,
) -> float:
    """Return the error predicted at n samples and `sigma`; inf where the pilot is too small."""
    pilot = measure_pilot(samples, sigma, random_state=seed, n_jobs=n_jobs, rows=_QUICK_ROWS)
    return math.inf if pilot.too_small else pilot.error_at(n, method)
