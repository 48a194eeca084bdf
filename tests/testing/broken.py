"""Honest estimators written plainly, and each mistake that the kit must name.

A class that starts with "Honest" is right; every other one has the mistake of its first line.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import digamma, gammaln, logsumexp

from entbench import (
    EntropyEstimator,
    MutualInformationEstimator,
    check_pairs,
    check_samples,
)


class HonestNeighbours(EntropyEstimator):
    """Kozachenko-Leonenko."""

    reads = "noisy"
    version = "1"

    def __init__(self, k: int = 4) -> None:
        self.k = k

    def fit(self, X: Any, y: Any = None) -> Any:
        noisy = self.prepared(X)
        n, dim = noisy.shape
        if self.k >= n:
            raise ValueError(f"`k` must be below n_samples; got k={self.k} with n_samples={n}.")
        radii = self.radii(noisy, self.k)
        mean_log = float(self.logs(radii).mean())
        value = digamma(n) - digamma(self.k) + self.log_ball(dim) + self.factor(dim) * mean_log
        self.n_features_in_ = dim
        self.entropy_ = self.finished(float(value))
        return self

    def prepared(self, X: Any) -> Any:
        return check_samples(X)

    def radii(self, noisy: Any, k: int) -> Any:
        return cKDTree(noisy).query(noisy, k=[k + 1])[0][:, 0]

    def logs(self, radii: Any) -> Any:
        if not radii.all():
            raise ValueError("samples of `X` repeat.")
        return np.log(radii)

    def log_ball(self, dim: int) -> float:
        return 0.5 * dim * math.log(math.pi) - float(gammaln(0.5 * dim + 1))

    def factor(self, dim: int) -> float:
        return dim

    def finished(self, value: float) -> float:
        return value


class HonestLine(HonestNeighbours):
    """In one dimension only."""

    def prepared(self, X: Any) -> Any:
        noisy = check_samples(X)
        if noisy.shape[1] != 1:
            raise ValueError(f"`X` must have one column (dim 1); got {noisy.shape[1]}.")
        return noisy


class LogBaseTwo(HonestNeighbours):
    def finished(self, value: float) -> float:
        return value / math.log(2)


class ForgottenDimension(HonestNeighbours):
    def factor(self, dim: int) -> float:
        return 1


class WrongBall(HonestNeighbours):
    def log_ball(self, dim: int) -> float:
        return dim * math.log(2)


class NoBall(HonestNeighbours):
    def log_ball(self, dim: int) -> float:
        return 0.0


class ClippedAtZero(HonestNeighbours):
    def finished(self, value: float) -> float:
        return max(0.0, value)


class GlobalSeed(HonestNeighbours):
    def prepared(self, X: Any) -> Any:
        np.random.seed(0)
        noisy = check_samples(X)
        return noisy + 1e-10 * noisy.std() * np.random.standard_normal(noisy.shape)


class GlobalDraws(HonestNeighbours):
    def prepared(self, X: Any) -> Any:
        noisy = check_samples(X)
        return noisy + 1e-3 * noisy.std() * np.random.standard_normal(noisy.shape)


class SortsInPlace(HonestNeighbours):
    def fit(self, X: Any, y: Any = None) -> Any:
        super().fit(X)
        if isinstance(X, np.ndarray) and X.flags.writeable:
            X.sort(axis=0)
        return self


class WritesToInput(HonestNeighbours):
    def prepared(self, X: Any) -> Any:
        noisy = check_samples(X)
        noisy -= noisy.mean(axis=0)
        return noisy


class RankOffByOne(HonestNeighbours):
    def radii(self, noisy: Any, k: int) -> Any:
        return cKDTree(noisy).query(noisy, k=[k + 2])[0][:, 0]

    def fit(self, X: Any, y: Any = None) -> Any:
        if len(check_samples(X)) == self.k + 1:
            X = np.concatenate([X, 2 * np.asarray(X)[:1] + 1])
        return super().fit(X)


class SelfIsNeighbour(HonestNeighbours):
    def radii(self, noisy: Any, k: int) -> Any:
        return cKDTree(noisy).query(noisy, k=[k])[0][:, 0]


class KeepsState(HonestNeighbours):
    def logs(self, radii: Any) -> Any:
        self.all_logs_ = [*getattr(self, "all_logs_", []), *super().logs(radii)]
        return np.array(self.all_logs_)


class NaNOnTies(HonestNeighbours):
    def logs(self, radii: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(radii)


class AddedConstant(HonestNeighbours):
    def logs(self, radii: Any) -> Any:
        return np.log(radii + 1e-10)


class SinglePrecision(HonestNeighbours):
    def radii(self, noisy: Any, k: int) -> Any:
        single = (noisy - noisy.mean(axis=0)).astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = ((single[:, None] - single) ** 2).sum(axis=2)
        return np.sqrt(np.sort(squares, axis=1)[:, k].astype(float))


class SinglePrecisionFarAway(HonestNeighbours):
    def radii(self, noisy: Any, k: int) -> Any:
        single = noisy.astype(np.float32).astype(float)
        radii = cKDTree(single).query(single, k=[k + 1])[0][:, 0]
        return np.maximum(radii, 1e-30 * noisy.std())


class FortranOrder(HonestNeighbours):
    def prepared(self, X: Any) -> Any:
        array = np.asarray(X)
        return check_samples(array.ravel("K").reshape(array.shape))


class ConsecutiveRows(HonestNeighbours):
    def radii(self, noisy: Any, k: int) -> Any:
        blocks = np.array_split(noisy, 3) if len(noisy) > 30 else [noisy]
        return np.concatenate([cKDTree(b).query(b, k=[k + 1])[0][:, 0] for b in blocks])


class NothingChecked(HonestNeighbours):
    def prepared(self, X: Any) -> Any:
        return np.nan_to_num(np.asarray(X, dtype=float))


class ReturnsNothing(HonestNeighbours):
    def fit(self, X: Any, y: Any = None) -> Any:
        super().fit(X)


class ConvertsInInit(HonestNeighbours):
    def __init__(self, k: Any = 4) -> None:
        self.k = int(k)
        self.cache = {}


class ForgottenCount(HonestNeighbours):
    def fit(self, X: Any, y: Any = None) -> Any:
        super().fit(X)
        self.entropy_ -= float(digamma(len(np.asarray(X))))
        return self


class ThreadsMatter(HonestNeighbours):
    def __init__(self, k: int = 4, n_jobs: int | None = None) -> None:
        self.k = k
        self.n_jobs = n_jobs

    def finished(self, value: float) -> float:
        return value * (1 + 1e-15 * (self.n_jobs or 1))


class FixedRange(EntropyEstimator):
    """A histogram on [-20, 20]."""

    reads = "noisy"
    version = "1"

    def __init__(self, n_bins: int = 100) -> None:
        self.n_bins = n_bins

    def fit(self, X: Any, y: Any = None) -> Any:
        noisy = check_samples(X)
        if noisy.shape[1] > 1:
            raise ValueError("`X` must have dim 1.")
        counts = np.histogram(np.clip(noisy, -20, 20), self.n_bins, (-20, 20))[0]
        shares = counts[counts > 0] / len(noisy)
        self.n_features_in_ = 1
        self.entropy_ = float(-(shares * np.log(shares)).sum() + math.log(40 / self.n_bins))
        return self


class HonestPlugIn(EntropyEstimator):
    """The plug-in h(Phat_n * N(0, sigma^2 I)) by plain Monte Carlo."""

    reads = "signal"
    version = "1"

    def __init__(self, sigma: float, n_draws: int = 200, random_state: int | None = None) -> None:
        self.sigma = sigma
        self.n_draws = n_draws
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Any:
        if not (isinstance(self.sigma, int | float) and 0 < self.sigma < math.inf):
            raise ValueError(f"`sigma` must be a finite number > 0; got {self.sigma!r}.")
        signal = check_samples(X)
        rng, level = self.generator(), self.level()
        n, dim = signal.shape
        centres = signal[rng.integers(n, size=self.n_draws)]
        draws = centres + level * rng.standard_normal((self.n_draws, dim))
        scaled = (draws[:, None] - signal) / level
        logs = logsumexp(-0.5 * (scaled**2).sum(axis=2), axis=1) - math.log(n)
        terms = 0.5 * dim * math.log(2 * math.pi) + dim * math.log(level) - logs
        self.n_features_in_ = dim
        self.entropy_ = float(terms.mean())
        self.numerical_error_ = self.stated(terms)
        return self

    def generator(self) -> Any:
        return np.random.default_rng(self.random_state)

    def level(self) -> float:
        return self.sigma

    def stated(self, terms: Any) -> float:
        return float(terms.std() / math.sqrt(len(terms)))


class _WithErrors(HonestNeighbours):
    """Nearest neighbours, whose terms scatter by some more than the value does, with errors."""

    def fit(self, X: Any, y: Any = None) -> Any:
        super().fit(X)
        n = len(np.asarray(X))
        self.standard_error_ = 1.6 / math.sqrt(n)
        self.interval_ = self.interval(self.entropy_, self.standard_error_)
        return self

    def interval(self, value: float, error: float) -> Any:
        return value - 4 * error, value + 4 * error


class SmallStandardError(_WithErrors):
    def fit(self, X: Any, y: Any = None) -> Any:
        super().fit(X)
        self.standard_error_ /= math.sqrt(len(np.asarray(X)))
        return self


class IntervalOfNumericalError(_WithErrors):
    def interval(self, value: float, error: float) -> Any:
        return value - 1e-3, value + 1e-3


class IntervalBesideTheTruth(_WithErrors):
    def interval(self, value: float, error: float) -> Any:
        return value + error, value + 4 * error


class ShortInterval(_WithErrors):
    def interval(self, value: float, error: float) -> Any:
        return value - 0.8 * error, value + 0.8 * error


class SmallNumericalError(HonestPlugIn):
    def stated(self, terms: Any) -> float:
        return float(terms.std() / len(terms))


class RandomStateIgnored(HonestPlugIn):
    def generator(self) -> Any:
        return np.random.default_rng()


class VarianceForDeviation(HonestPlugIn):
    def level(self) -> float:
        return self.sigma**2


class SigmaIgnored(HonestPlugIn):
    def level(self) -> float:
        return 0.5


class SignalTakenAsNoisy(HonestNeighbours):
    reads = "signal"

    def __init__(self, sigma: float, k: int = 4) -> None:
        self.sigma = sigma
        self.k = k

    def prepared(self, X: Any) -> Any:
        if not 0 < self.sigma < math.inf:
            raise ValueError("`sigma` must be a finite number > 0.")
        return check_samples(X)


class NoiseTwice(HonestPlugIn):
    reads = "noisy"


class Unread(HonestNeighbours):
    reads = "both"  # type: ignore[assignment]


class NeedsRank(HonestNeighbours):
    """Its `k` must be given."""

    def __init__(self, k: int) -> None:
        self.k = k


class Warns(HonestNeighbours):
    def prepared(self, X: Any) -> Any:
        warnings.warn("the moon is full.", stacklevel=2)
        return check_samples(X)


class LowerAsUpper(HonestNeighbours):
    role = "upper bound"

    def finished(self, value: float) -> float:
        return value - 2.0


class HonestPairs(MutualInformationEstimator):
    """KSG, first algorithm, by scipy's trees."""

    reads = "noisy"
    version = "1"

    def __init__(self, k: int = 3) -> None:
        self.k = k

    def fit(self, X: Any, y: Any) -> Any:
        x, other = self.prepared(*check_pairs(X, y))
        n = len(x)
        if self.k >= n:
            raise ValueError(f"`k` must be below n_samples; got k={self.k} with n_samples={n}.")
        both = np.hstack([x, other])
        radii = cKDTree(both).query(both, [self.rank() + 1], p=np.inf)[0][:, 0]
        counts = [_nearer(side, radii) for side in (x, other)]
        terms = [float(digamma(self.counted(count)).mean()) for count in counts]
        value = float(digamma(self.k) + digamma(n)) - terms[0] - terms[1]
        self.n_features_in_ = x.shape[1]
        self.mutual_information_ = self.finished(value)
        return self

    def prepared(self, x: Any, y: Any) -> Any:
        return x, y

    def rank(self) -> int:
        return self.k

    def counted(self, count: Any) -> Any:
        return count + 1

    def finished(self, value: float) -> float:
        return value


def _nearer(points: Any, radii: Any) -> Any:
    """Count the other points strictly within the radii, in the maximum norm."""
    within = cKDTree(points).query_ball_point(
        points, np.nextafter(radii, 0.0), p=np.inf, return_length=True
    )
    return np.maximum(within - 1, 0)


class InformationClipped(HonestPairs):
    def finished(self, value: float) -> float:
        return max(0.0, value)


class InformationInBits(HonestPairs):
    def finished(self, value: float) -> float:
        return value / math.log(2)


class NotPaired(HonestPairs):
    def prepared(self, x: Any, y: Any) -> Any:
        return np.sort(x, axis=0), np.sort(y, axis=0)


class CountsItself(HonestPairs):
    def counted(self, count: Any) -> Any:
        return count + 2


class InformationRankOffByOne(HonestPairs):
    def rank(self) -> int:
        return self.k - 1


class HalfInformation(HonestPairs):
    def finished(self, value: float) -> float:
        return 0.5 * value


# the check that must find each, and words of the cause
FAULTS: dict[str, tuple[str, str]] = {
    "Unread": ("contract", '`reads` must be "signal" or "noisy"'),
    "ReturnsNothing": ("contract", "`return self` is missing"),
    "ConvertsInInit": ("parameters", "must set `self.NAME = NAME`"),
    "SortsInPlace": ("input-untouched", "sorted in place"),
    "WritesToInput": ("input-untouched", "writes to its input"),
    "GlobalSeed": ("global-random-state", "a global seed is set"),
    "GlobalDraws": ("global-random-state", "draws come from the global generator"),
    "RandomStateIgnored": ("random-state", "`random_state` is ignored"),
    "ThreadsMatter": ("random-state", "the order in which threads finish"),
    "KeepsState": ("no-memory", "state is kept between fits"),
    "FortranOrder": ("layout", "memory is read as if in C order"),
    "ConsecutiveRows": ("row-order", "in the order they come"),
    "NotPaired": ("pairs", "X and y are not paired"),
    "NothingChecked": ("bad-input", "nothing checks the input"),
    "NaNOnTies": ("ties", "the distance to a neighbour is 0"),
    "SigmaIgnored": ("sigma", "`sigma` is ignored"),
    "SignalTakenAsNoisy": ("sigma", "S is taken for S+Z"),
    "VarianceForDeviation": ("sigma", "the variance sigma^2 is used as the standard deviation"),
    "ClippedAtZero": ("no-clipping", "clipped at 0"),
    "InformationClipped": ("no-clipping", "clipped at 0"),
    "SinglePrecisionFarAway": ("shift", "precision is lost far from the origin"),
    "FixedRange": ("shift", "a range, grid or prior is fixed"),
    "LogBaseTwo": ("scaling", "log base 2"),
    "ForgottenDimension": ("scaling", "the factor d is missing"),
    "AddedConstant": ("extreme-scale", "a constant such as 1e-10"),
    "SinglePrecision": ("extreme-scale", "float32 inside"),
    "RankOffByOne": ("neighbour-rank", "k is off by one"),
    "SelfIsNeighbour": ("neighbour-rank", "k is off by one"),
    "InformationRankOffByOne": ("neighbour-rank", "k is off by one"),
    "CountsItself": ("neighbour-rank", "n_x and n_y count the sample itself"),
    "WrongBall": ("truth-gaussian", "that of the maximum norm"),
    "NoBall": ("truth-gaussian", "the unit ball is left out"),
    "ForgottenCount": ("truth-gaussian", "log n is left out"),
    "NoiseTwice": ("truth-gaussian", "the noise is added twice"),
    "InformationInBits": ("truth-gaussian", "log base 2"),
    "HalfInformation": ("truth-gaussian", "half of the value is left out"),
    "LowerAsUpper": ("bound-side", "upper and lower are exchanged"),
    "SmallNumericalError": ("numerical-error", "`numerical_error_` is too small"),
    "SmallStandardError": ("standard-error", "`standard_error_` is too small"),
    "IntervalOfNumericalError": ("coverage", "numerical error only"),
    "IntervalBesideTheTruth": ("coverage", "bias left out"),
    "ShortInterval": ("coverage", "too short"),
}
