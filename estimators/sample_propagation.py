"""The plug-in estimator of h(S+Z)."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from entbench._base import EntropyEstimator, Interval
from entbench._validation import (
    check_confidence,
    check_integer,
    check_jobs,
    check_positive,
    check_samples,
    check_seed,
)
from entbench.estimators._bracket import (
    ASSUMES,
    FEW,
    End,
    bracket_interval,
    influences_over_samples,
    lacks_second_moment,
    over_samples,
)
from entbench.mixture import GaussianMixture, find_accelerator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from entbench.mixture import MixtureEntropy, Statistic

# Beyond such a share of samples that stand alone, the jackknife has no interval of its own.
_MOST_ALONE = 0.25


class SamplePropagation(EntropyEstimator):
    """Differential entropy of S+Z by sample propagation (SP): that of the mixture on the samples.

    The estimate is ``h(Phat_n * N(0, sigma^2 I))``, Phat_n the empirical law of the samples of S,
    integrated until its numerical error meets `tolerance`: by quadrature in one and two dimensions,
    by Monte Carlo in more.

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise Z, in the unit of the samples.
    tolerance : float, default=1e-3
        Numerical error of the integration to reach, in nats.
    max_draws : int, default=10_000_000
        Most Monte-Carlo draws to spend; ``diagnostics_["converged"]`` says if they were enough.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the draws. None draws differently at every fit.
    n_jobs : int or None, default=None
        Threads; -1 for all cores. None for as many as the environment sets: one in the workers of
        a suite. The result does not depend on it.
    device : str, default="cpu"
        "cpu"; a device of torch, as "cuda"; or "auto", an accelerator where there is one. Results
        agree within the errors stated.
    verbose : bool, default=False
        Report draws and numerical error to the standard error stream while integrating.
    confidence : float, default=0.95
        Of the interval.

    Attributes
    ----------
    entropy_ : float
        Differential entropy in nats. Never clipped.
    numerical_error_ : float
        Numerical error of the integration in nats. Where it converged, the value is off by more
        than 1.96 times as much in at most 5 % of cases, and by more than 4.5 times as much in at
        most 7e-6, whatever the samples. It does not contain the error of the plug-in.
    standard_error_ : float
        Standard deviation of the value over samples, in nats, numerical error included: by how much
        the plug-in moves without each of the samples (the jackknife's, to second order).
    interval_ : Interval or None
        From the plug-in to the leave-one-out value, whose means over samples enclose h(S+Z), each
        moved outward by its standard error times Student's quantile, and further where its law
        is skewed. Holds h(S+Z) with the
        `confidence` or more as n grows, bias included. It assumes no mass below about 3/n, which
        no sample need show. Without an upper end where the largest samples look as if E|S|^2 were
        infinite: the leave-one-out value's mean is infinite then.
    diagnostics_ : dict
        ``method``, ``n_draws`` and ``converged``; ``kernel_error``, a bound in nats of what
        leaving out and rounding kernels did, contained in the numerical error; ``bracket_low`` and
        ``bracket_high``, the plug-in and the leave-one-out value from the same draws, whose means
        over samples enclose h(S+Z); ``bracket_low_error`` and ``bracket_high_error``, their
        numerical errors; and ``n_eff``, how many of the samples the noise lets one tell apart.

    Notes
    -----
    Low-biased for every law and every n: ``h - E h_SP = E D(qhat || q)``, which lies between
    ``max(0, I - log n)`` and ``log(1 + I_chi2 / n)`` with I and I_chi2 the mutual and chi-square
    information of S and S+Z (`entbench.bounds.plug_in_bias_bounds`). Where ``log n`` is well below
    I(S; S+Z), the estimate is little more than ``log n + h(Z)``, its ceiling.

    ``fit`` warns where ``n_eff`` is above n/2: the bias is then a quarter of a nat or more. That
    covers every estimate within log 2 of the ceiling, since ``n_eff >= n exp(h_SP - ceiling)``.

    Over 100 samples of each exact source at n = 100 and 1,000 the mean of `standard_error_` was
    0.86 to 1.8 times the standard deviation of the values, and 2.5 times near the ceiling. It is
    too large where values hardly vary: 2 times for the truncated mixture, d = 2, sigma = 0.5.
    ``python -m entbench.suites.timing.measure_coverage`` prints how often intervals hold the truth.
    Fewer than ten samples have no interval: a mass of 3/n is too much to assume anything of.

    Cost: O(n dim log n) to sort the samples, once, and 16,384 draws for the standard errors, down
    to 4,096 where there are more than 130,000 samples. A draw is one density of an n-component
    mixture: O(n dim) where all samples are within reach of each other, far less where they are
    clustered or spread out. At most ``dim / tolerance^2`` draws are needed, whatever n is; where
    that is much work, most of them are from a coarse likeness of the mixture.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, eq. (3), and
    supplement, estimator (18), for its integration; here with control variates and levels, see
    `entbench.mixture.GaussianMixture.entropy`.
    """

    reads: ClassVar[Literal["signal", "noisy"]] = "signal"
    version: ClassVar[str] = "8"
    bias_direction: ClassVar[Literal["low", "high", "either"]] = "low"
    plug_in: ClassVar[bool] = True
    no_interval: ClassVar[str] = FEW
    _statistic: ClassVar[Statistic] = "plug-in"

    numerical_error_: float
    standard_error_: float
    interval_: Interval | None

    def __init__(
        self,
        sigma: float,
        tolerance: float = 1e-3,
        max_draws: int = 10_000_000,
        random_state: int | np.random.Generator | None = None,
        n_jobs: int | None = None,
        device: str = "cpu",
        verbose: bool = False,
        confidence: float = 0.95,
    ) -> None:
        self.sigma = sigma
        self.tolerance = tolerance
        self.max_draws = max_draws
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.device = device
        self.verbose = verbose
        self.confidence = confidence

    def check_parameters(self) -> None:
        """Raise where a parameter is out of range, or the device is not there."""
        check_positive("sigma", self.sigma)
        check_positive("tolerance", self.tolerance)
        check_integer("max_draws", self.max_draws, minimum=4)
        check_seed(self.random_state)
        check_jobs(self.n_jobs)
        find_accelerator(self.device)
        check_confidence(self.confidence)

    def fit(self, X: ArrayLike, y: None = None) -> Self:
        """Estimate h(S+Z) from samples of S, shape (n_samples, dim); see `EntropyEstimator`."""
        self.check_parameters()
        signal = check_samples(X)
        rng = np.random.default_rng(self.random_state)
        mixture = GaussianMixture(signal, self.sigma, n_jobs=self.n_jobs, device=self.device)
        progress = self._report if self.verbose else None
        entropy = mixture.entropy(
            self.tolerance, int(self.max_draws), rng, self._statistic, progress
        )
        self.n_features_in_ = signal.shape[1]
        self.entropy_ = entropy.value
        self.numerical_error_ = entropy.numerical_error
        self._judge(mixture, entropy, rng.spawn(1)[0])
        self.diagnostics_ = {
            "method": entropy.method,
            "n_draws": entropy.n_draws,
            "converged": entropy.converged,
            "kernel_error": entropy.kernel_error,
            "bracket_low": entropy.plug_in,
            "bracket_high": entropy.leave_one_out,
            "bracket_low_error": entropy.plug_in_error,
            "bracket_high_error": entropy.leave_one_out_error,
            "n_eff": entropy.effective_components,
        }
        if entropy.effective_components > 0.5 * mixture.n:
            warnings.warn(
                f"`X` has {mixture.n} rows, too few for this source and sigma = {self.sigma:g}: "
                "more than half of them stand alone, and the plug-in is little more than its "
                "ceiling log n + h(Z).",
                stacklevel=2,
            )
        return self

    def _judge(
        self, mixture: GaussianMixture, entropy: MixtureEntropy, rng: np.random.Generator
    ) -> None:
        """Set standard error and interval."""
        values = (entropy.value, entropy.plug_in, entropy.leave_one_out)
        errors = (entropy.numerical_error, entropy.plug_in_error, entropy.leave_one_out_error)
        statistics: list[Statistic] = [self._statistic, "plug-in", "leave-one-out"]
        own, low, high = map(End, values, over_samples(mixture, statistics, rng), errors)
        self.standard_error_ = own.standard_error
        if self._wants_influences:
            self._influences = influences_over_samples(mixture, self._statistic, rng)
        endless = lacks_second_moment(mixture.centres)
        self.interval_ = bracket_interval(
            low, None if endless else high, mixture.n, self.confidence
        )
        alone = entropy.effective_components / mixture.n
        if self.interval_ and self._statistic == "jackknife" and alone < _MOST_ALONE:
            self.interval_ = self._around(own, entropy, mixture.n)

    def _around(self, own: End, entropy: MixtureEntropy, n: int) -> Interval:
        """Return an interval that is measured, not proved.

        To first order the jackknife is in the middle of the bracket: by how much it is not, tells
        what bias is left. That is at most what it corrected.
        """
        middle = 0.5 * (entropy.plug_in + entropy.leave_one_out)
        left = min(abs(middle - own.value), abs(own.value - entropy.plug_in))
        down, up = (own.arm(n, self.confidence, side) + left for side in (-1.0, 1.0))
        return Interval(own.value - down, own.value + up, self.confidence, "measured", ASSUMES)

    def _report(self, n_draws: int, numerical_error: float) -> None:
        print(
            f"{type(self).__name__}: {n_draws:,} draws, numerical error {numerical_error:.2g} nats "
            f"({self.tolerance:.2g} asked)",
            file=sys.stderr,
        )
