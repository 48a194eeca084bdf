"""The plug-in estimator of I(X; S+Z)."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self

import numpy as np
from scipy.special import stdtrit

from entbench._base import MutualInformationEstimator
from entbench._validation import check_integer, check_jobs, check_pairs, check_positive, check_seed
from entbench.estimators._inputs import group_inputs
from entbench.mixture import GaussianMixture, find_accelerator, gaussian_entropy

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from entbench.estimators._inputs import Inputs
    from entbench.mixture import MixtureEntropy

    Rows = NDArray[np.intp]

# So many inputs, or groups of them, are integrated one by one: from about there on, one integral
# over many inputs takes less time than many integrals.
_BATCHES = 64
# In sigma, between inputs along the axis that tells them apart: noise bridges half of it with
# probability 2 Q(10) = 2e-23.
_SPACING = 20.0
_LEAST_DRAWS = 1024  # leaves every batch the 4 draws that an integral takes


class SamplePropagationMI(MutualInformationEstimator):
    """Mutual information I(X; S+Z) by sample propagation (SP): h(S+Z) less the mean h(S+Z | X = x).

    The entropies are those of the Gaussian mixtures on the samples of S: on all of them, and on
    those of each input x. The inputs are the distinct rows of X, each weighted by how often it
    occurs. Where S is a function of X, as before the noise of a network's first noisy layer,
    h(S+Z | X = x) is h(Z), exactly.

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise Z, in the unit of the signals.
    tolerance : float, default=1e-3
        Standard error to reach, in nats: of the integrals, and of taking `n_inputs` inputs for all.
    max_draws : int, default=10_000_000
        Most Monte-Carlo draws to spend, at least 1024; half for the conditional entropies at first.
    n_inputs : int or None, default=None
        Number of inputs whose conditional entropies to average, at least 2: drawn at random,
        without replacement, all equally likely. None, or as many as there are, for all.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the draws and of the choice of inputs. None draws differently at every fit.
    n_jobs : int or None, default=None
        Threads; -1 for all cores. None for as many as the environment sets: one in the workers of
        a suite. The result does not depend on it.
    device : str, default="cpu"
        "cpu"; a device of torch, as "cuda"; or "auto", an accelerator where there is one. Results
        agree within the errors stated.

    Attributes
    ----------
    mutual_information_ : float
        Mutual information in nats. Never clipped.
    standard_error_ : float
        Of the integrals, and of the choice of inputs, in nats. It does not contain the error of the
        plug-in.
    diagnostics_ : dict
        ``h_noisy`` and ``h_conditional``, the two terms in nats; ``conditional``, "closed form" or
        "integrated"; ``conditional_low`` and ``conditional_high``, a 95 % confidence interval of
        the mean conditional entropy of all inputs; ``input_error``, the part of `standard_error_`
        that the choice of inputs has; ``n_inputs``, how many rows of X differ, and
        ``n_inputs_used``; ``bracket_low`` and ``bracket_high``, of which see the notes; ``n_eff``
        and ``n_eff_conditional``, how many of all samples, and of the samples used within their
        inputs, the noise lets one tell apart; ``n_draws``, ``kernel_error`` as of `sp`;
        ``converged`` and ``limited_by``: "inputs" where `n_inputs` are too few for `tolerance`
        however exactly they are integrated, "draws" where `max_draws` are, "" otherwise.

    Notes
    -----
    Without `n_inputs` it is, up to the error of the integrals, the mutual information of the
    samples' own law, which is between 0 and the entropy of the inputs' frequencies, at most the log
    of their number. As an estimate for the law that was sampled it has the plug-in's two biases:
    the first term is low, the second is low too and makes the estimate high, by much where an input
    has few samples of S. ``fit`` warns where ``n_eff`` is above half the samples in either.
    ``bracket_low`` is h_SP less the mean leave-one-out entropy of the inputs (see `sp-loo`),
    ``bracket_high`` the reverse: their means over samples enclose the information, for pairs
    drawn independently as for any fixed numbers of samples an input (with `n_inputs`, up to the
    ratio's bias, below). With ``|S| <= 1`` along every axis and n samples for each term, the risk
    is at most twice the bound on the entropy's for the inputs in the data set, and
    ``dim log(1 + 1/sigma^2) / (4 sqrt(m))`` more where these are a sample of m from a law.

    Equal rows of X are one input. Where each input has one signal only, as where all rows of X
    differ, S is taken for a function of X; where some input has several signals, every input must
    occur at least twice, and ``fit`` raises otherwise.

    The conditional entropies are integrated first, to ``tolerance / sqrt(2)``, and h(S+Z) to what
    that leaves. Up to 64 inputs are integrated one by one. More are one integral: with an axis more
    on which inputs lie 20 sigma apart, the entropy of one mixture is their mean entropy and the
    entropy of their frequencies, within 1e-20 nats. With `n_inputs` the mean is a ratio, weighted
    by the inputs' frequencies; its bias is of the order of its variance. Its variance is from up to
    64 random batches of inputs, with the correction for a finite population: times
    ``1 - n_inputs/m``. The interval is Student's. Where, of what the choice of inputs leaves of the
    squared tolerance, the integrals leave less than a quarter to h(S+Z), they are done anew, to
    half of it.

    Cost: O(n dim log n) to sort the samples, twice; at most about ``4 (dim + 2) / tolerance^2``
    draws, each a density of a mixture, see `sp`; and some milliseconds for each input or batch
    that is integrated by itself.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, eq. (2); the
    bound on the risk is in the talk's slides (recalled; proved anew). Cochran, "Sampling
    Techniques" (1977), sections 2.6 and 6.4, for the subset (recalled, not checked). One mixture
    for all inputs, and the bracket, are ours.
    """

    reads: ClassVar[Literal["signal", "noisy"]] = "signal"
    version: ClassVar[str] = "2"

    def __init__(
        self,
        sigma: float,
        tolerance: float = 1e-3,
        max_draws: int = 10_000_000,
        n_inputs: int | None = None,
        random_state: int | np.random.Generator | None = None,
        n_jobs: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.sigma = sigma
        self.tolerance = tolerance
        self.max_draws = max_draws
        self.n_inputs = n_inputs
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.device = device

    def check_parameters(self) -> None:
        """Raise where a parameter is out of range, or the device is not there."""
        check_positive("sigma", self.sigma)
        check_positive("tolerance", self.tolerance)
        check_integer("max_draws", self.max_draws, minimum=_LEAST_DRAWS)
        if self.n_inputs is not None:
            check_integer("n_inputs", self.n_inputs, minimum=2)
        check_seed(self.random_state)
        check_jobs(self.n_jobs)
        find_accelerator(self.device)

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Estimate I(X; S+Z) from pairs of X and S; see `MutualInformationEstimator`."""
        self.check_parameters()
        x, signal = check_pairs(X, y)
        inputs = group_inputs(x, signal)
        rng = np.random.default_rng(self.random_state)
        conditional = self._conditional(signal, inputs, rng)
        left = self.tolerance**2 - conditional.variance
        entropy = self._mixture(signal).entropy(
            math.sqrt(left if left > 0.0 else 0.5 * self.tolerance**2),
            int(self.max_draws) - conditional.n_draws,
            rng,
        )
        self.n_features_in_ = x.shape[1]
        self.mutual_information_ = entropy.value - conditional.value
        self.standard_error_ = math.hypot(entropy.standard_error, math.sqrt(conditional.variance))
        self.diagnostics_ = self._diagnostics(entropy, conditional, len(inputs.counts))
        self._warn(entropy, conditional, len(signal))
        return self

    def _conditional(
        self, signal: NDArray[np.float64], inputs: Inputs, rng: np.random.Generator
    ) -> _MeanEntropy:
        """Return the mean conditional entropy, integrated as exactly as the tolerance asks."""
        if inputs.deterministic:
            return _closed_form(gaussian_entropy(signal.shape[1], self.sigma))
        batches, share = _choose(inputs, self.n_inputs, rng)
        square = self.tolerance**2
        draws = int(self.max_draws)
        first = self._integrate(signal, batches, share, 0.5 * square, draws // 2, rng)
        left = square - first.input_variance
        if share == 1.0 or not 0.0 < left < 4.0 / 3.0 * first.integral_variance:
            return first
        draws -= first.n_draws
        again = self._integrate(signal, batches, share, 0.5 * left, draws // 2, rng)
        return again._replace(n_draws=first.n_draws + again.n_draws)

    def _integrate(
        self,
        signal: NDArray[np.float64],
        batches: list[list[Rows]],
        share: float,
        variance: float,
        max_draws: int,
        rng: np.random.Generator,
    ) -> _MeanEntropy:
        """Integrate batches of inputs, a `share` of all inputs, so that their mean has `variance`.

        Errors average out: a batch of weight w may have ``1/(w^2 B)`` times the variance.
        """
        counts = np.array([sum(map(len, batch)) for batch in batches])
        weights = counts / counts.sum()
        found, spent = [], 0
        for i, (batch, weight) in enumerate(zip(batches, weights, strict=True)):
            tolerance = math.sqrt(variance / len(batches)) / weight
            most = (max_draws - spent) // (len(batches) - i)
            found.append(self._batch_entropy(signal, batch, tolerance, most, rng))
            spent += found[-1].n_draws
        mean = _mean(found, weights, share)
        return mean._replace(n_used=sum(map(len, batches)), n_rows=int(counts.sum()))

    def _batch_entropy(
        self,
        signal: NDArray[np.float64],
        batch: list[Rows],
        tolerance: float,
        max_draws: int,
        rng: np.random.Generator,
    ) -> _Entropy:
        """Return the mean entropy of some inputs, weighted by their rows, by one integral."""
        rows = np.concatenate(batch)
        centres, added = signal[rows], 0.0
        counts = np.array([len(one) for one in batch], dtype=np.float64)
        if len(batch) > 1:
            places = self.sigma * _apart(len(batch), signal.shape[1])
            centres = np.hstack([np.repeat(places, counts.astype(np.intp), axis=0), centres])
            added = gaussian_entropy(places.shape[1], self.sigma)
        entropy = self._mixture(centres).entropy(tolerance, max_draws, rng)
        shares = counts / len(rows)
        frequencies = -float(shares @ np.log(shares))
        others = -float(shares @ np.log((counts - 1.0) / (len(rows) - 1.0)))
        return _Entropy(
            entropy.value - frequencies - added,
            entropy.leave_one_out - others - added,
            entropy.standard_error,
            entropy.effective_components,
            entropy.n_draws,
            entropy.kernel_error,
        )

    def _mixture(self, centres: NDArray[np.float64]) -> GaussianMixture:
        return GaussianMixture(centres, self.sigma, n_jobs=self.n_jobs, device=self.device)

    def _diagnostics(
        self, entropy: MixtureEntropy, conditional: _MeanEntropy, n_inputs: int
    ) -> dict[str, float | int | bool | str]:
        converged = self.standard_error_ <= self.tolerance
        too_few = conditional.input_variance >= self.tolerance**2
        closed = conditional.n_used == 0
        return {
            "h_noisy": entropy.value,
            "h_conditional": conditional.value,
            "conditional": "closed form" if closed else "integrated",
            "conditional_low": conditional.value - conditional.half_width,
            "conditional_high": conditional.value + conditional.half_width,
            "input_error": math.sqrt(conditional.input_variance),
            "n_inputs": n_inputs,
            "n_inputs_used": n_inputs if closed else conditional.n_used,
            "bracket_low": entropy.plug_in - conditional.leave_one_out,
            "bracket_high": entropy.leave_one_out - conditional.value,
            "n_eff": entropy.effective_components,
            "n_eff_conditional": conditional.effective_components,
            "n_draws": entropy.n_draws + conditional.n_draws,
            "kernel_error": entropy.kernel_error + conditional.kernel_error,
            "converged": converged,
            "limited_by": "" if converged else "inputs" if too_few else "draws",
        }

    def _warn(self, entropy: MixtureEntropy, conditional: _MeanEntropy, n: int) -> None:
        short = "too few for this source and sigma"
        if entropy.effective_components > 0.5 * n:
            warnings.warn(
                f"`X` has {n} rows, {short} = {self.sigma:g}: more than half of the signals stand "
                "alone, and h(S+Z) is little more than its ceiling log n + h(Z).",
                stacklevel=3,
            )
        if conditional.effective_components > 0.5 * conditional.n_rows:
            mean = conditional.n_rows / conditional.n_used
            warnings.warn(
                f"`X` has {mean:.3g} rows an input, {short} = {self.sigma:g}: more than half of "
                "the signals stand alone within their input, and the estimate is too high by much.",
                stacklevel=3,
            )


class _Entropy(NamedTuple):
    """A conditional entropy, or the mean of some, in nats."""

    value: float
    leave_one_out: float
    standard_error: float
    effective_components: float
    n_draws: int
    kernel_error: float


class _MeanEntropy(NamedTuple):
    """The mean conditional entropy.

    Attributes
    ----------
    value, leave_one_out : float
        In nats.
    integral_variance, input_variance : float
        Squared standard errors: of the integrals, and of taking some inputs for all.
    half_width : float
        Of the confidence interval.
    effective_components, n_draws, kernel_error
        As of a mixture.
    n_used, n_rows : int
        Inputs that were integrated, and their rows.
    """

    value: float
    leave_one_out: float
    integral_variance: float = 0.0
    input_variance: float = 0.0
    half_width: float = 0.0
    effective_components: float = 0.0
    n_draws: int = 0
    kernel_error: float = 0.0
    n_used: int = 0
    n_rows: int = 0

    @property
    def variance(self) -> float:
        """Squared standard error."""
        return self.integral_variance + self.input_variance


def _closed_form(entropy: float) -> _MeanEntropy:
    return _MeanEntropy(entropy, entropy)


def _mean(found: list[_Entropy], weights: NDArray[np.float64], share: float) -> _MeanEntropy:
    """Average over batches, which are random where they are a `share` < 1 of all inputs."""
    values, left_out, errors, n_eff, draws, kernel = np.array(found).T
    value = float(weights @ values)
    integral = float(np.square(weights * errors).sum())
    inputs, quantile = 0.0, float(stdtrit(math.inf, 0.975))
    if share < 1.0:
        n = len(found)
        # of a ratio's terms; it contains the error of the integrals
        scatter = n / (n - 1.0) * float(np.square(weights * (values - value)).sum())
        inputs = (1.0 - share) * max(scatter - integral, 0.0)
        quantile = float(stdtrit(n - 1.0, 0.975))
    return _MeanEntropy(
        value=value,
        leave_one_out=float(weights @ left_out),
        integral_variance=integral,
        input_variance=inputs,
        half_width=quantile * math.sqrt(integral + inputs),
        effective_components=float(n_eff.sum()),
        n_draws=int(draws.sum()),
        kernel_error=float(weights @ kernel),
    )


def _choose(
    inputs: Inputs, n_inputs: int | None, rng: np.random.Generator
) -> tuple[list[list[Rows]], float]:
    """Return the rows of each input to integrate, in batches, and which share of all these are."""
    rows, n = inputs.rows(), len(inputs.counts)
    if n_inputs is None or n_inputs >= n:
        return ([[one] for one in rows] if n <= _BATCHES else [rows]), 1.0
    chosen = rng.choice(n, int(n_inputs), replace=False)
    batches = np.array_split(chosen, min(len(chosen), _BATCHES))
    return [[rows[i] for i in batch] for batch in batches], len(chosen) / n


def _apart(n: int, dim: int) -> NDArray[np.float64]:
    """Return places (n, axes) that tell inputs apart, in sigma.

    On one axis; on two where one would leave an integral in two dimensions, by a lattice over all
    inputs, to which no tolerance can be given.
    """
    numbers = np.arange(n)
    if dim > 1:
        return _SPACING * numbers[:, None].astype(np.float64)
    side = math.isqrt(n - 1) + 1
    return _SPACING * np.column_stack(np.divmod(numbers, side)).astype(np.float64)
