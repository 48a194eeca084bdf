"""Faults that pass on independent axes of one scale, and sound estimators of different make.

Each class of `FAULTS` is wrong in one way; each of `SOUND` is right, within limits that it says.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import digamma, gammaln, logsumexp

from entbench import EntropyEstimator, MutualInformationEstimator, check_pairs, check_samples
from entbench.estimators.kernel_density import KernelDensityEntropy
from entbench.estimators.kraskov import KSG1
from entbench.estimators.sample_propagation import SamplePropagation


def _kl(points: Any, k: int = 4, seen: Any = None, ball: int | None = None) -> float:
    """Kozachenko and Leonenko's estimate; `seen` columns are searched, `ball` is its dimension."""
    points = check_samples(points)
    n, dim = points.shape
    if k >= n:
        raise ValueError(f"`k` must be below n_samples; got k={k} with n_samples={n}.")
    looked = points if seen is None else points[:, seen]
    radii = cKDTree(looked).query(looked, k=[k + 1])[0][:, 0]
    if not radii.all():
        raise ValueError("samples of `X` repeat.")
    ball = dim if ball is None else ball
    volume = 0.5 * ball * math.log(math.pi) - float(gammaln(0.5 * ball + 1))
    return float(digamma(n) - digamma(k) + volume + dim * np.log(radii).mean())


class _Entropy(EntropyEstimator):
    reads = "noisy"
    version = "1"

    def __init__(self) -> None:
        pass

    def fit(self, X: Any, y: Any = None) -> Any:
        noisy = check_samples(X)
        self.n_features_in_ = noisy.shape[1]
        self.entropy_ = float(self.value(noisy))
        return self

    def value(self, noisy: Any) -> float:
        return _kl(noisy)


class _Information(MutualInformationEstimator):
    reads = "noisy"
    version = "1"

    def __init__(self) -> None:
        pass

    def fit(self, X: Any, y: Any) -> Any:
        x, other = check_pairs(X, y)
        self.n_features_in_ = x.shape[1]
        self.mutual_information_ = float(self.value(x, other))
        return self

    def value(self, x: Any, y: Any) -> float:
        return _ksg(x, y)


def _ksg(x: Any, y: Any, k: int = 3) -> float:
    return float(KSG1(k=k).fit(x, y).mutual_information_)


class _PlugIn(EntropyEstimator):
    reads = "signal"
    version = "1"

    def __init__(self, sigma: float, random_state: int | None = None) -> None:
        self.sigma = sigma
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Any:
        if not (isinstance(self.sigma, int | float) and 0 < self.sigma < math.inf):
            raise ValueError(f"`sigma` must be a finite number > 0; got {self.sigma!r}.")
        signal = check_samples(X)
        model = SamplePropagation(self.level(), 0.02, 100_000, self.random_state)
        self.entropy_ = self.finished(float(model.fit(self.given(signal)).entropy_), signal)
        self.n_features_in_ = signal.shape[1]
        return self

    def level(self) -> float:
        return self.sigma

    def given(self, signal: Any) -> Any:
        return signal

    def finished(self, value: float, signal: Any) -> float:
        return value


# The eighteen of the issue and of their kinds


class SumOfMarginals(_Entropy):
    def value(self, noisy: Any) -> float:
        return sum(_kl(axis[:, None]) for axis in noisy.T)


class DeterminantTwice(_Entropy):
    def value(self, noisy: Any) -> float:
        correlation = np.atleast_2d(np.corrcoef(noisy, rowvar=False))
        return _kl(noisy) + 0.5 * float(np.linalg.slogdet(correlation)[1])


class ScalesConfused(_Entropy):
    """Whitened; the mean scale is taken back for each axis."""

    def value(self, noisy: Any) -> float:
        scales = noisy.std(axis=0)
        dim = noisy.shape[1]
        return _kl(noisy / scales) + 0.5 * dim * math.log(float((scales**2).mean()))


class WrongBallAboveThree(_Entropy):
    def value(self, noisy: Any) -> float:
        return _kl(noisy, ball=min(noisy.shape[1], 3))


class _Stated(_Entropy):
    def fit(self, X: Any, y: Any = None) -> Any:
        super().fit(X)
        points = check_samples(X)
        n = len(points)
        # of a Gaussian: log density 1/2 an axis, log distance psi'(4)
        self.standard_error_ = self.stated(math.sqrt((0.5 * points.shape[1] + 0.284) / n), n)
        self.interval_ = self.interval(self.entropy_, self.standard_error_)
        return self

    def stated(self, error: float, n: int) -> float:
        return error

    def interval(self, value: float, error: float) -> Any:
        return None


class ErrorTooSmall(_Stated):
    def stated(self, error: float, n: int) -> float:
        return error / 1.35


class ErrorTooLarge(_Stated):
    def stated(self, error: float, n: int) -> float:
        return 100.0 * error


class ErrorOfOneTerm(_Stated):
    def stated(self, error: float, n: int) -> float:
        return error * math.sqrt(n)


class SigmaFivePercentWide(_PlugIn):
    def level(self) -> float:
        return 1.05 * self.sigma


class SigmaFivePercentNarrow(_PlugIn):
    def level(self) -> float:
        return 0.95 * self.sigma


class AbsoluteInformation(_Information):
    def value(self, x: Any, y: Any) -> float:
        return abs(_ksg(x, y))


class TwentiethAnAxis(_Entropy):
    def value(self, noisy: Any) -> float:
        return _kl(noisy) + 0.05 * noisy.shape[1]


class TwentiethOnInformation(_Information):
    def value(self, x: Any, y: Any) -> float:
        return _ksg(x, y) + 0.1


class FirstTwoThousandRows(_Entropy):
    def value(self, noisy: Any) -> float:
        return _kl(noisy[:2000])


class FirstTwoThousandPairs(_Information):
    def value(self, x: Any, y: Any) -> float:
        return _ksg(x[:2000], y[:2000])


class SumOfPairedAxes(_Information):
    """I of each pair of axes, added up."""

    def value(self, x: Any, y: Any) -> float:
        each = range(min(x.shape[1], y.shape[1]))
        return sum(_ksg(x[:, [i]], y[:, [i]]) for i in each)


class IntervalTooWide(_Stated):
    def interval(self, value: float, error: float) -> Any:
        return value - 50.0 * error, value + 50.0 * error


class IntervalOfOneDeviation(_Stated):
    def interval(self, value: float, error: float) -> Any:
        return value - error, value + error


class PlugInOfOneAxisTimesDim(_PlugIn):
    """h of the first axis, times dim."""

    def given(self, signal: Any) -> Any:
        return signal[:, :1]

    def finished(self, value: float, signal: Any) -> float:
        return value * signal.shape[1]


# New kinds


class CovarianceNotScaled(_Entropy):
    """Whitened; variances are taken back in place of the determinant."""

    def value(self, noisy: Any) -> float:
        covariance = np.atleast_2d(np.cov(noisy, rowvar=False))
        white = np.linalg.solve(np.linalg.cholesky(covariance), noisy.T).T
        return _kl(white) + 0.5 * float(np.log(np.diag(covariance)).sum())


class DiagonalOfCholesky(_Entropy):
    """Whitened by a Cholesky factor, whose determinant is taken for that of the covariance."""

    def value(self, noisy: Any) -> float:
        factor = np.linalg.cholesky(np.atleast_2d(np.cov(noisy, rowvar=False)))
        white = np.linalg.solve(factor, noisy.T).T
        return _kl(white) + 0.5 * float(np.log(np.diag(factor)).sum())


class FirstTwoAxes(_Entropy):
    """The axes after the second are taken for copies of the second."""

    def value(self, noisy: Any) -> float:
        dim = noisy.shape[1]
        if dim < 3:
            return _kl(noisy)
        extra = (dim - 2) * _kl(noisy[:, 1:2])
        return _kl(noisy[:, :2]) + extra


class SearchedInThreeAxes(_Entropy):
    def value(self, noisy: Any) -> float:
        return _kl(noisy, seen=slice(0, 3))


class RankOffForManyRows(_Entropy):
    """From 1,000 rows on the (k-1)-th neighbour is taken for the k-th."""

    def value(self, noisy: Any) -> float:
        shift = float(digamma(4) - digamma(3)) if len(noisy) >= 1000 else 0.0
        return _kl(noisy, 3 if shift else 4) - shift


class RankOffForVeryManyRows(_Entropy):
    """As above, from 4,000 rows on: another library takes over."""

    def value(self, noisy: Any) -> float:
        return _kl(noisy) - (0.3 if len(noisy) >= 4000 else 0.0)


class OverflowsInTwenty(_Entropy):
    def value(self, noisy: Any) -> float:
        dim = noisy.shape[1]
        with np.errstate(over="ignore"):
            volume = float(np.exp(np.float32(5.0) * np.float32(dim)))
            return _kl(noisy) + math.log(volume) - 5.0 * dim


class UnderflowsInTwenty(_Entropy):
    """Densities below 1e-6 are set to 1e-6."""

    def value(self, noisy: Any) -> float:
        n, dim = noisy.shape
        radii = cKDTree(noisy).query(noisy, k=[5])[0][:, 0]
        if not radii.all():
            raise ValueError("samples of `X` repeat.")
        ball = 0.5 * dim * math.log(math.pi) - float(gammaln(0.5 * dim + 1))
        logs = digamma(n) - digamma(4) + ball + dim * np.log(radii)
        scale = dim * math.log(float(noisy.std()))
        return float(np.minimum(logs - scale, 6 * math.log(10)).mean()) + scale


class FlattensY(_Information):
    """y of many columns is read as one long column."""

    def value(self, x: Any, y: Any) -> float:
        return _ksg(x, y.ravel()[: len(x), None])


class SecondColumnOfYIgnored(_Information):
    def value(self, x: Any, y: Any) -> float:
        return _ksg(x, y[:, :1])


class SecondColumnOfXIgnored(_Information):
    def value(self, x: Any, y: Any) -> float:
        return _ksg(x[:, :1], y)


class DiscreteTakenAsContinuous(_Information):
    """A jitter breaks the ties of a discrete side, which so gets an entropy of its own."""

    def value(self, x: Any, y: Any) -> float:
        value = _ksg(x, y)
        ties = len(np.unique(x)) < len(x) / 2
        return value + (0.3 if ties and len(x) > 100 else 0.0)


class HalfForUnequalSides(_Information):
    def value(self, x: Any, y: Any) -> float:
        return _ksg(x, y) * (1.0 if x.shape == y.shape else 0.5)


class PerAxisForUnequalSides(_Information):
    def value(self, x: Any, y: Any) -> float:
        return _ksg(x, y) * x.shape[1] / y.shape[1]


class BiasGrowsWithRows(_Entropy):
    def value(self, noisy: Any) -> float:
        return _kl(noisy) + 4e-5 * len(noisy) * noisy.shape[1]


class BiasOfLogRows(_Entropy):
    def value(self, noisy: Any) -> float:
        return _kl(noisy) + 0.03 * noisy.shape[1] * math.log(len(noisy) / 200)


class IntervalOfReversedConfidence(_Stated):
    def interval(self, value: float, error: float) -> Any:
        from entbench import Interval

        return Interval(value - 1.96 * error, value + 1.96 * error, confidence=0.05)


class IntervalInfinitelyWide(_Stated):
    def interval(self, value: float, error: float) -> Any:
        return value - 1e9, value + 1e9


class IntervalNotCentred(_Stated):
    """The upper end is that of the lower: value and value + 4 standard errors."""

    def interval(self, value: float, error: float) -> Any:
        return value, value + 4.0 * error


class ErrorOfHalfTheTerms(_Stated):
    def stated(self, error: float, n: int) -> float:
        return error / 2.0


class ErrorIsVariance(_Stated):
    def stated(self, error: float, n: int) -> float:
        return error**2


class CorrelationHalved(_Entropy):
    """Shrinks the correlations to half, as an estimate of a covariance in few samples may."""

    def value(self, noisy: Any) -> float:
        covariance = np.atleast_2d(np.cov(noisy, rowvar=False))
        shrunk = 0.5 * (covariance + np.diag(np.diag(covariance)))
        gain = np.linalg.slogdet(shrunk)[1] - np.linalg.slogdet(covariance)[1]
        return _kl(noisy) + 0.5 * float(gain)


class WidestAxisOnly(_Entropy):
    """Distances along the widest axis only, in three dimensions or more."""

    def value(self, noisy: Any) -> float:
        if noisy.shape[1] < 3:
            return _kl(noisy)
        return _kl(noisy, seen=[int(noisy.std(axis=0).argmax())])


class LastRowsForgotten(_Entropy):
    """A loop over blocks of 1,024 rows leaves out the rest."""

    def value(self, noisy: Any) -> float:
        return _kl(noisy[: len(noisy) // 1024 * 1024] if len(noisy) > 1024 else noisy)


class SigmaRounded(_PlugIn):
    """`sigma` is rounded to a power of two."""

    def level(self) -> float:
        return float(2.0 ** round(math.log2(self.sigma)))


class NoiseOnFirstAxisOnly(_PlugIn):
    """The noise's entropy of one axis is left out for each further one."""

    def finished(self, value: float, signal: Any) -> float:
        return value - (signal.shape[1] - 1) * 0.1


class PlugInOfUniqueRows(_PlugIn):
    """Rows that repeat are counted once: their weights are lost."""

    def given(self, signal: Any) -> Any:
        return np.unique(signal, axis=0)

    def finished(self, value: float, signal: Any) -> float:
        return value + 0.06 * (len(np.unique(signal, axis=0)) < len(signal) / 2)


class InformationPerAxis(_Information):
    def value(self, x: Any, y: Any) -> float:
        return _ksg(x, y) / min(x.shape[1], y.shape[1])


FAULTS: dict[str, tuple[str, str]] = {
    "SumOfMarginals": ("truth-correlated", "entropies of single axes are added"),
    "DeterminantTwice": ("truth-correlated", "counted twice"),
    "ScalesConfused": ("truth-scales", "one scale is used for all axes"),
    "WrongBallAboveThree": ("truth-high-dimension", "absolute bias"),
    "ErrorTooSmall": ("standard-error", "is too small"),
    "ErrorTooLarge": ("standard-error", "times too large"),
    "ErrorOfOneTerm": ("standard-error", "not divided by sqrt(n)"),
    "SigmaFivePercentWide": ("sigma", "1.05 times as wide"),
    "SigmaFivePercentNarrow": ("sigma", "0.95"),
    "AbsoluteInformation": ("no-clipping", "absolute value"),
    "TwentiethAnAxis": ("truth-gaussian", "a constant of +0.0"),
    "TwentiethOnInformation": ("truth-gaussian", "absolute bias"),
    "FirstTwoThousandRows": ("all-rows", "only the first 2,000 rows"),
    "FirstTwoThousandPairs": ("all-rows", "only the first 2,000 rows"),
    "SumOfPairedAxes": ("truth-correlated", ""),
    "IntervalTooWide": ("coverage", "times too long"),
    "IntervalOfOneDeviation": ("coverage", "too short"),
    "PlugInOfOneAxisTimesDim": ("truth-correlated", "entropies of single axes are added"),
    "CovarianceNotScaled": ("truth-correlated", "entropies of single axes are added"),
    "DiagonalOfCholesky": ("scaling", "half of d log a"),
    "FirstTwoAxes": ("truth-scales", ""),
    "SearchedInThreeAxes": ("truth-high-dimension", "absolute bias"),
    "RankOffForManyRows": ("truth-gaussian", "sets in at large n"),
    "RankOffForVeryManyRows": ("convergence", "at large n only"),
    "OverflowsInTwenty": ("high-dimension", ""),
    "UnderflowsInTwenty": ("truth-high-dimension", "absolute bias"),
    "FlattensY": ("row-order", "in the order they come"),
    "SecondColumnOfYIgnored": ("truth-gaussian", "columns of X or y after the first"),
    "SecondColumnOfXIgnored": ("truth-gaussian", "columns of X or y after the first"),
    "DiscreteTakenAsContinuous": ("truth-discrete", "absolute bias"),
    "HalfForUnequalSides": ("truth-unequal-sides", "half of the value"),
    "PerAxisForUnequalSides": ("truth-unequal-sides", "dimension of a side is a factor"),
    "BiasGrowsWithRows": ("truth-gaussian", "grows with n"),
    "BiasOfLogRows": ("truth-gaussian", ""),
    "IntervalOfReversedConfidence": ("coverage", "1 - confidence"),
    "IntervalInfinitelyWide": ("coverage", "times too long"),
    "IntervalNotCentred": ("coverage", "its middle is"),
    "ErrorOfHalfTheTerms": ("standard-error", "is too small"),
    "ErrorIsVariance": ("standard-error", "is too small"),
    "CorrelationHalved": ("truth-correlated", "absolute bias"),
    "WidestAxisOnly": ("truth-gaussian", ""),
    "LastRowsForgotten": ("all-rows", ""),
    "SigmaRounded": ("sigma", ""),
    "NoiseOnFirstAxisOnly": ("truth-gaussian", "a constant"),
    "PlugInOfUniqueRows": ("truth-discrete", "absolute bias"),
    "InformationPerAxis": ("truth-gaussian", ""),
}


# Sound estimators


def _columns(noisy: Any, dim: int) -> Any:
    if noisy.shape[1] != dim:
        raise ValueError(f"`X` must have {dim} columns; got {noisy.shape[1]}.")
    return noisy


class TwoDimensionsOnly(_Entropy):
    def value(self, noisy: Any) -> float:
        return _kl(_columns(noisy, 2))


class OneByOneOnly(_Information):
    def value(self, x: Any, y: Any) -> float:
        return _ksg(_columns(x, 1), _columns(y, 1))


class ManyRowsOnly(_Entropy):
    def value(self, noisy: Any) -> float:
        if len(noisy) < 100:
            raise ValueError(f"at least 100 rows are needed; got {len(noisy)}.")
        return _kl(noisy)


class KernelDensity(_Entropy):
    """Leave-one-out kernel density, Silverman's bandwidth on whitened samples."""

    def value(self, noisy: Any) -> float:
        n, dim = noisy.shape
        covariance = np.atleast_2d(np.cov(noisy, rowvar=False))
        if n <= dim or np.linalg.matrix_rank(covariance) < dim:
            raise ValueError("`X` must vary in every direction.")
        root = np.linalg.cholesky(covariance)
        white = np.linalg.solve(root, (noisy - noisy.mean(axis=0)).T).T
        width = (4 / ((dim + 2) * n)) ** (1 / (dim + 4))
        model = KernelDensityEntropy(bandwidth=width)
        return float(model.fit(white).entropy_) + float(np.log(np.diag(root)).sum())


class Histogram(_Entropy):
    """Equal bins of Scott's width, with Miller and Madow's correction, up to three dimensions."""

    def value(self, noisy: Any) -> float:
        n, dim = noisy.shape
        if dim > 3:
            raise ValueError(f"`X` must have at most 3 columns; got {dim}.")
        width = 2.0 * noisy.std(axis=0) * n ** (-1 / (dim + 2))
        if not width.all():
            raise ValueError("`X` must vary in every column.")
        bins = np.floor((noisy - noisy.min(axis=0)) / width + 1e-9)
        shares = np.unique(bins, axis=0, return_counts=True)[1] / n
        plain = float(-(shares * np.log(shares)).sum()) + float(np.log(width).sum())
        return plain + (len(shares) - 1) / (2 * n)


class Spacings(_Entropy):
    """Vasicek's m-spacings with Ebrahimi's weights, one dimension."""

    def value(self, noisy: Any) -> float:
        n = len(_columns(noisy, 1))
        m = max(1, round(math.sqrt(n) / 2))
        ordered = np.sort(noisy[:, 0])
        if n < 3 or not np.diff(ordered).all():
            raise ValueError("samples of `X` repeat, or are fewer than 3.")
        rank = np.arange(n)
        gaps = ordered[np.minimum(rank + m, n - 1)] - ordered[np.maximum(rank - m, 0)]
        edge = np.minimum(np.minimum(rank, n - 1 - rank), m)
        weights = 1 + edge / m
        return float(np.log(n * gaps / (weights * m)).mean())


class TruncatedNeighbours(_Entropy):
    """The third neighbour in the maximum norm."""

    def value(self, noisy: Any) -> float:
        n, dim = noisy.shape
        if n < 4:
            raise ValueError(f"at least 4 samples are needed; got {n}.")
        radii = cKDTree(noisy).query(noisy, k=[4], p=math.inf)[0][:, 0]
        if not radii.all():
            raise ValueError("samples of `X` repeat.")
        return float(digamma(n) - digamma(3) + dim * np.log(2 * radii).mean())


class RandomHalves(EntropyEstimator):
    """The mean over two random halves of neighbours from the other half."""

    reads = "noisy"
    version = "1"

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Any:
        noisy = check_samples(X)
        order = np.random.default_rng(self.random_state).permutation(len(noisy))
        parts = np.array_split(noisy[order], 2)
        if len(parts[1]) <= 4:
            raise ValueError(f"at least 10 samples are needed; got {len(noisy)}.")
        self.entropy_ = float(np.mean([_kl(part) for part in parts]))
        self.n_features_in_ = noisy.shape[1]
        return self


class ThreeEntropies(_Information):
    """h(X) + h(Y) - h(X, Y), each by neighbours."""

    def value(self, x: Any, y: Any) -> float:
        if len(np.unique(x, axis=0)) < len(x) or len(np.unique(y, axis=0)) < len(y):
            raise ValueError("samples of `X` or `y` repeat; columns of few values are not for it.")
        return _kl(x) + _kl(y) - _kl(np.hstack([x, y]))


class NormalBound(_Entropy):
    """The normal law with the samples' covariance: an upper bound."""

    role = "upper bound"

    def value(self, noisy: Any) -> float:
        covariance = np.atleast_2d(np.cov(noisy, rowvar=False))
        sign, logs = np.linalg.slogdet(2 * math.pi * math.e * covariance)
        if sign <= 0:
            raise ValueError("`X` must vary in every direction.")
        return 0.5 * float(logs)


class WrapsPropagation(_PlugIn):
    """A wrapper around `sp`."""


class PlainMonteCarlo(EntropyEstimator):
    """The plug-in, integrated by a fixed number of draws, with its error."""

    reads = "signal"
    version = "1"

    def __init__(self, sigma: float, random_state: int | None = None) -> None:
        self.sigma = sigma
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Any:
        if not (isinstance(self.sigma, int | float) and 0 < self.sigma < math.inf):
            raise ValueError(f"`sigma` must be a finite number > 0; got {self.sigma!r}.")
        signal = check_samples(X)
        n, dim = signal.shape
        rng = np.random.default_rng(self.random_state)
        draws = signal[rng.integers(n, size=500)] + self.sigma * rng.standard_normal((500, dim))
        apart = ((draws[:, None] - signal) ** 2).sum(axis=2) / self.sigma**2
        logs = logsumexp(-0.5 * apart, axis=1) - math.log(n)
        terms = 0.5 * dim * math.log(2 * math.pi) + dim * math.log(self.sigma) - logs
        self.entropy_ = float(terms.mean())
        self.numerical_error_ = float(terms.std() / math.sqrt(len(terms)))
        self.n_features_in_ = dim
        return self


class HonestErrors(_Stated):
    """Neighbours with a standard error and an interval that hold."""

    def stated(self, error: float, n: int) -> float:
        return 1.2 * error

    def interval(self, value: float, error: float) -> Any:
        return value - 3.0 * error, value + 3.0 * error


SOUND = (
    "TwoDimensionsOnly",
    "OneByOneOnly",
    "ManyRowsOnly",
    "KernelDensity",
    "Histogram",
    "Spacings",
    "TruncatedNeighbours",
    "RandomHalves",
    "ThreeEntropies",
    "NormalBound",
    "WrapsPropagation",
    "PlainMonteCarlo",
    "HonestErrors",
)
