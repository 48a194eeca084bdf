"""The plug-in estimator of h(S+Z), integrated as Goldfeld et al. (2019) do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from entbench._base import EntropyEstimator
from entbench._validation import (
    check_confidence,
    check_integer,
    check_jobs,
    check_positive,
    check_samples,
    check_seed,
)
from entbench.estimators._bracket import (
    FEW,
    End,
    bracket_interval,
    influences_over_samples,
    over_samples,
)
from entbench.mixture import QUANTILE, GaussianMixture, error_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Far below any Monte-Carlo error, and no dearer than 1e-6: from there down it is double precision.
_KERNEL = 1e-10
# What only puts components in order may be off by this: any order will do that sees no draw.
_ORDER_KERNEL = 1e-3
# Points are made and forgotten some 16 MB at a time.
_CHUNK_NUMBERS = 2**21
_LEAST_CHUNK = 1024


class MonteCarloPropagation(EntropyEstimator):
    """Differential entropy of S+Z by sample propagation, integrated by plain Monte Carlo.

    As `SamplePropagation`, it estimates ``h(Phat_n * N(0, sigma^2 I))``, Phat_n the empirical law
    of the samples of S, whose density g is the mean of n Gaussians. It averages ``-log g`` over
    `draws` points from each of the n components: the estimator whose mean squared error Theorem 7
    of Goldfeld et al. (2019) bounds.

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise Z, in the unit of the samples.
    draws : int, default=10
        Points to draw from each component, the paper's n_MC.
    control_variate : bool, default=False
        Add ``dim/2 - |Z|^2 / (2 sigma^2)``, of mean 0, to each ``-log g(S_i + Z)``. Not in the
        paper; on average the value is the same. The scatter is less where sigma is small against
        the distances between samples or large against all of them, and more in between, where g
        is flat on the scale of sigma.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the draws. None draws differently at every fit.
    n_jobs : int or None, default=None
        Threads; -1 for all cores. None for as many as the environment sets: one in the workers of
        a suite. The result does not depend on it.
    confidence : float, default=0.95
        Of the interval.

    Attributes
    ----------
    entropy_ : float
        Differential entropy in nats. Never clipped.
    numerical_error_ : float
        Numerical error of the integration in nats: the value is off by more than 1.96 times as
        much in at most 5 % of cases, and by more than 4.5 times as much in at most 7e-6. It is made
        of the scatter within components, what no draw has met, and ``kernel_error``. It does not
        contain the error of the plug-in.
    standard_error_ : float
        Standard deviation of the value over samples, see `SamplePropagation`.
    interval_ : Interval or None
        Its lower end only: the value less its standard error times Student's quantile. An upper end
        takes the leave-one-out value of `SamplePropagation`.
    diagnostics_ : dict
        ``n_draws``, n times `draws`; ``scatter``, the part of the error in nats that the draws
        show: ``sqrt(sum_i s_i^2 / draws) / n``, the squares unbiased. One draw a component shows no
        such scatter: with ``draws=1`` it comes from the differences between components whose
        centres are next to each other in density, and its square is too large on average, by what
        their means differ. ``kernel_error``, a bound in nats of what leaving out and rounding
        kernels did to the value.

    Notes
    -----
    The integration is unbiased. What it integrates is the plug-in, low-biased for every law and
    every n as `SamplePropagation` is: more draws do not help against that.

    With ``m = n * draws``, and the samples given, the integration's mean squared error is at most

    - ``2 dim (2 + sigma^2) / (sigma^2 m)`` where S lies in [-1, 1]^dim, (20) of the paper;
    - ``[9 dim sigma^2 + 8 (2 + sigma sqrt dim) M + 3 (11 sigma sqrt dim + 1) sqrt M]/(sigma^2 m)``
      where M is the mean squared norm of the samples, (21) of the paper;
    - ``dim / m`` for any samples and sigma, by Poincare's inequality within each component; where
      components are far apart, the error itself is ``dim / (2 m)``;
    - ``mmse(C | C+Z) / (sigma^2 m)`` with the control variate, C one of the samples at random: at
      most ``dim / m``, and near 0 where components are far apart, or all in one place.

    They are `monte_carlo_mse_theorem_7`, `monte_carlo_mse_theorem_7_moment`,
    `monte_carlo_mse_bound` and `monte_carlo_mse_control_variate` in `entbench.bounds`. The first
    two are the paper's and loose: (20) is ``2 + 4/sigma^2`` times ``dim / m``.

    Rare draws between components that nearly stand apart can carry all the variance. A draw may
    add what a component's term has room for: from log 1/n, its own part of g, up to events rarer
    than any draw. Of that, times 2.8 over the draws, `numerical_error_` is at least; with few draws
    it is mostly that.

    Prefer `SamplePropagation` unless it is this integration that is studied: it stops at the error
    asked for, and mostly comes to it with fewer draws, by strata and a fitted control variate.

    Cost: O(n dim log n) to sort the samples, and ``n * draws`` densities of an n-component
    mixture: O(n^2 draws dim) where all samples are within reach of each other, far less where they
    are clustered or spread out. ``draws=1`` takes n densities more, for the standard error. Storage
    is O(n dim) and a few numbers a draw.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, supplement,
    estimator (18) and Theorem 7, (20) and (21); the print of the two bounds is legible, and was
    recalled as well, not checked against another copy. The other two bounds are not in the paper.
    """

    reads: ClassVar[Literal["signal", "noisy"]] = "signal"
    version: ClassVar[str] = "4"
    no_interval: ClassVar[str] = FEW
    bias_direction: ClassVar[Literal["low", "high", "either"]] = "low"
    plug_in: ClassVar[bool] = True

    standard_error_: float

    def __init__(
        self,
        sigma: float,
        draws: int = 10,
        control_variate: bool = False,
        random_state: int | np.random.Generator | None = None,
        n_jobs: int | None = None,
        confidence: float = 0.95,
    ) -> None:
        self.sigma = sigma
        self.draws = draws
        self.control_variate = control_variate
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.confidence = confidence

    @property
    def draws_per_component(self) -> int:
        """Points from each component."""
        return int(self.draws)

    def check_parameters(self) -> None:
        """Raise where a parameter is out of range."""
        check_positive("sigma", self.sigma)
        check_integer("draws", self.draws, minimum=1)
        if not isinstance(self.control_variate, bool):
            raise TypeError(
                f"`control_variate` must be True or False; got {self.control_variate!r}."
            )
        check_seed(self.random_state)
        check_jobs(self.n_jobs)
        check_confidence(self.confidence)

    def fit(self, X: ArrayLike, y: None = None) -> Self:
        """Estimate h(S+Z) from samples of S, shape (n_samples, dim); see `EntropyEstimator`."""
        self.check_parameters()
        signal = check_samples(X)
        mixture = GaussianMixture(signal, self.sigma, n_jobs=self.n_jobs)
        rng = np.random.default_rng(self.random_state)
        values, kernel_error = self._values(mixture, rng)
        scatter = _scatter(values, mixture)
        rare, overlap = mixture.draw_range(math.log(max(values.size / 10.0, 10.0)))
        if not self.control_variate:
            rare += 1.0  # |Z|^2/2 has an exponential tail: it counts with its scale
        self.n_features_in_ = signal.shape[1]
        self.entropy_ = float(values.mean())
        self.numerical_error_ = float(
            error_of(scatter**2, rare / values.size) + (overlap + kernel_error) / QUANTILE
        )
        (scatter_over_samples,) = over_samples(mixture, ("plug-in",), rng.spawn(1)[0])
        if self._wants_influences:
            self._influences = influences_over_samples(mixture, "plug-in", rng.spawn(1)[0])
        own = End(self.entropy_, scatter_over_samples, self.numerical_error_)
        self.standard_error_ = own.standard_error
        self.interval_ = bracket_interval(
            own, None, mixture.n, self.confidence, missing="`sp` gives one"
        )
        self.diagnostics_ = {
            "n_draws": values.size,
            "scatter": scatter,
            "kernel_error": kernel_error,
        }
        return self

    def _values(
        self, mixture: GaussianMixture, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], float]:
        """Return ``-log g`` at each draw, (n, draws), and a bound of the error of their mean."""
        draws = int(self.draws)
        values, errors = np.empty(mixture.n * draws), 0.0
        chunk = max(_CHUNK_NUMBERS // mixture.dim, _LEAST_CHUNK)
        for start in range(0, len(values), chunk):
            part = slice(start, min(start + chunk, len(values)))
            components = np.arange(part.start, part.stop) // draws
            noise = rng.standard_normal((len(components), mixture.dim))
            points = mixture.centres[components] + mixture.sigma * noise
            density = mixture.evaluate(points, _KERNEL)
            values[part] = -density.values
            if self.control_variate:
                values[part] -= 0.5 * (np.einsum("ij,ij->i", noise, noise) - mixture.dim)
            errors += float(density.errors.sum())
        return values.reshape(mixture.n, draws), errors / len(values)


def _scatter(values: NDArray[np.float64], mixture: GaussianMixture) -> float:
    """Return the standard error of the mean of values (n, draws), a row for each component.

    One draw a component: half the mean squared difference of each to the next in a cyclic order is
    on average the mean variance plus half the mean square of what the means differ by. The order
    must not see the draws; by density at the centres, the means follow each other closely.
    """
    n, draws = values.shape
    if draws > 1:
        variance = float(values.var(axis=1, ddof=1).mean()) / draws
    else:
        density = mixture.log_density(mixture.centres, _ORDER_KERNEL)
        ordered = values[np.argsort(density, kind="stable"), 0]
        variance = 0.5 * float(((ordered - np.roll(ordered, 1)) ** 2).mean())
    return math.sqrt(variance / n)
