"""What a pilot sample tells of the plug-in's error at other n."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import chdtri, ndtr

from entbench._validation import check_integer, check_positive, check_samples, check_seed
from entbench.mixture import GaussianMixture

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Method = Literal["sp", "sp-jackknife"]
METHODS: tuple[Method, ...] = ("sp", "sp-jackknife")

_FEWEST = 20
_DRAWS = 8
_ROWS, _QUICK_ROWS = 4000, 1000
# one-sided, of upper limits; and how many samples' worth of mass may be missing at that chance
_LIMIT = 0.95
_ONE_SIDED = 1.645
_MISSABLE = 3.0
_LEAST_GROWTH = 1e-3  # near enough to 0, whose formulas are limits
# own share in the mixture: 1 for a sample that stands alone, 1/2 where two are at one place
_ALONE = 0.75


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
    most_gained : float
        Upper 95 % limit of what n_eff gained from half of the pilot to all of it.
    growth : float
        Exponent with which n_eff may grow from there: that of a power law with that gain, less what
        the limit is above a gain of 0. 1 or more where the pilot sets no limit.
    most_deviation : float
        Upper 95 % limit of `deviation`, with a point of mass 3/n that the pilot need not show.
    alone : float
        Share of the pilot's samples whose own noise makes up more than 3/4 of the mixture around
        them.

    Notes
    -----
    The plug-in's error is ``(1/n) sum_i (D(N(S_i, sigma^2 I) || q) - mean) - D(qhat || q)``, an
    identity. The first part has variance V/n. The second has mean ``I_chi2/(2n)`` and variance at
    most ``I_chi2/(2n^2)`` to leading order (a weighted sum of chi-squares, weights at most 1); the
    mean is at most ``log(1 + I_chi2/n)`` at every n. The predicted error is the mean of ``|N(b,
    s^2)|`` with that mean and these variances.

    The upper limit of the error does not assume that I_chi2 is finite. The value rises from k to
    k + 1 samples by ``(n_eff(k) + k n_eff'(k) - 1) / (2 k^2)``: to leading order where every point
    is seen often, and exactly where none is seen twice. The bias is the sum of that from n on, with
    n_eff no more than the pilot's up to its size, and beyond it with gains that grow as a power:
    ``k n_eff'(k) = s (k/n)^growth``, s from `most_gained`. Between the pilot and its halves n_eff
    differs by half the number of points that only one half shows; that number is taken for a
    Poisson variable, so that the limit of a gain of 0 is 1.5.

    Known failure: mass of 3/n or less on very many points. No pilot excludes that.

    Cost: 16 densities of the mixture for each of at most 4000 rows.
    """

    n: int
    dim: int
    sigma: float
    n_eff: float
    chi_square_information: float
    deviation: float
    too_small: bool
    most_gained: float = 0.0
    growth: float = 0.0
    most_deviation: float = 0.0
    alone: float = 0.0

    @property
    def missing_mass(self) -> float:
        """Upper 95 % limit of the mass of S that the pilot does not show: Good and Turing's."""
        return min(1.0, _poisson_limit(self.alone * self.n) / self.n)

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

    def largest_error_at(self, n: int, method: Method = "sp") -> float:
        """Return the upper limit of the mean absolute error at `n` samples, in nats.

        inf where the pilot is too small, or sets no limit to the growth of n_eff; and for
        "sp-jackknife" below ``2 (1 + 2 n b)`` samples, b the largest bias of "sp".
        """
        n = check_integer("n", n, minimum=1)
        if self.too_small or self.growth >= 1.0:
            return math.inf
        bias = self._largest_bias(n)
        spread = math.sqrt((self.most_deviation**2 + bias) / n)
        if method == "sp":
            return _folded_mean(min(bias, math.log1p(2.0 * bias)), spread)
        settled = n * (1.0 - 4.0 * bias) >= 2.0
        return _folded_mean(self._left_by_jackknife(n), spread) if settled else math.inf

    @property
    def _slope(self) -> float:
        """Return the largest derivative of n_eff by log n at the pilot's size."""
        exponent = max(self.growth, _LEAST_GROWTH)
        return self.most_gained * exponent / -math.expm1(-exponent * math.log(2.0))

    def _largest_bias(self, n: int) -> float:
        """Return the sum of the largest rises of the value from `n` samples on."""
        exponent, slope = max(self.growth, _LEAST_GROWTH), self._slope
        before = max(0.0, 1.0 / n - 1.0 / self.n) * (self.n_eff + slope - 1.0)
        last = max(n, self.n)
        power = float((last / self.n) ** exponent)
        rest = slope / exponent * ((1.0 + exponent) / (1.0 - exponent) * power - 1.0)
        return 0.5 * (before + (self.n_eff - 1.0 + rest) / last)

    def _left_by_jackknife(self, n: int) -> float:
        """Return the derivative of n times that bias, which the jackknife leaves."""
        exponent, last = max(self.growth, _LEAST_GROWTH), max(n, self.n)
        power = float((last / self.n) ** exponent)
        return 0.5 * self._slope * (1.0 + exponent) / (1.0 - exponent) * power / last


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
    n = len(signal)
    whole, half = _log_ratios(signal, sigma, rng, n_jobs, rows)
    counts, half_counts = np.exp(whole), np.exp(half)
    n_eff = float(counts.mean())
    too_small = n_eff > 0.5 * n
    gained = n_eff - float(half_counts.mean())
    most_gained = _gain_limit(gained + _ONE_SIDED * _error_of_mean(counts - half_counts, n))
    variance, variance_error = _variance(whole)
    # both are A + B/n + ..., of which twice the value less that of half the samples leaves A;
    # neither n_eff can fall with n nor V below 0, but what is drawn can
    clusters = n_eff if too_small else n_eff + max(0.0, gained)
    limit = max(0.0, 2.0 * variance - _variance(half)[0])
    missing = -math.log(_MISSABLE / n) - float(whole.mean())
    most = limit + _ONE_SIDED * variance_error + _MISSABLE / n * missing**2
    return Pilot(
        n=n,
        dim=signal.shape[1],
        sigma=sigma,
        n_eff=n_eff,
        chi_square_information=max(0.0, clusters - 1.0),
        deviation=math.sqrt(limit),
        too_small=too_small,
        most_gained=most_gained,
        growth=_growth(n_eff, most_gained - _gain_limit(0.0)),
        most_deviation=math.sqrt(most),
        alone=float((counts.mean(axis=0) > _ALONE * n).mean()),
    )


def _log_ratios(
    signal: NDArray[np.float64],
    sigma: float,
    rng: np.random.Generator,
    n_jobs: int | None,
    rows: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``log(phi(Z) / qhat(S_i + Z))``, shape (draws, rows), of all samples and of halves.

    Its exponential is n times the share of sample i in the density, its mean over Z the divergence
    of the sample's noise from the mixture. For the second, qhat is that of the half with sample i.
    """
    n, dim = signal.shape
    order = rng.permutation(n)
    chosen = order if rows >= n else rng.permutation(order)[:rows]
    first = np.zeros(n, bool)
    first[order[: n // 2]] = True
    z = rng.standard_normal((_DRAWS, len(chosen), dim))
    log_phi = -0.5 * (z**2).sum(axis=2) - dim * (0.5 * math.log(2.0 * math.pi) + math.log(sigma))
    points = signal[chosen] + sigma * z

    def log_density(centres: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
        mixture = GaussianMixture(centres, sigma, n_jobs=n_jobs)
        return mixture.log_density(at.reshape(-1, dim)).reshape(at.shape[:2])

    of_halves = np.empty(points.shape[:2])
    for side in (first, ~first):
        of_halves[:, side[chosen]] = log_density(signal[side], points[:, side[chosen]])
    return log_phi - log_density(signal, points), log_phi - of_halves


def _variance(log_ratios: NDArray[np.float64]) -> tuple[float, float]:
    """Return V of a sample's own mixture, and the standard error of that."""
    within = float(log_ratios.var(axis=0, ddof=1).mean()) / _DRAWS
    squares = (log_ratios.mean(axis=0) - log_ratios.mean()) ** 2
    rows = len(squares)
    between = float(squares.sum()) / (rows - 1)
    return between - within, float(squares.std()) / math.sqrt(rows)


def _error_of_mean(values: NDArray[np.float64], n: int) -> float:
    """Return the standard error of the mean of draws (draws, rows) for `n` fixed samples."""
    rows = values.shape[1]
    within = float(values.var(axis=0, ddof=1).mean()) / _DRAWS
    between = max(0.0, float(values.mean(axis=0).var(ddof=1)) - within)
    return math.sqrt(within / rows + between * (1.0 / rows - 1.0 / n))


def _poisson_limit(count: float) -> float:
    """Return the upper limit of the mean of a Poisson variable."""
    return 0.5 * float(chdtri(2.0 * count + 2.0, 1.0 - _LIMIT))


def _gain_limit(gained: float) -> float:
    """Return the upper limit of n_eff's gain, half the points that only one half shows."""
    return 0.5 * _poisson_limit(2.0 * max(0.0, gained))


def _growth(n_eff: float, gained: float) -> float:
    """Return the exponent of a power law that gains so much from half of the samples to all."""
    return math.log2(n_eff / (n_eff - gained)) if gained < n_eff else math.inf


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
    """Return the largest error at n samples and `sigma`; inf where the pilot is too small."""
    pilot = measure_pilot(samples, sigma, random_state=seed, n_jobs=n_jobs, rows=_QUICK_ROWS)
    return pilot.largest_error_at(n, method)
