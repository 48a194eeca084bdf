"""The plug-in estimator of I(X; S+Z)."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self

import numpy as np

from entbench._base import Interval, MutualInformationEstimator
from entbench._validation import (
    check_confidence,
    check_integer,
    check_jobs,
    check_pairs,
    check_positive,
    check_seed,
)
from entbench.estimators._bracket import ENDLESS, FEW, End, bracket_interval, lacks_second_moment
from entbench.estimators._choice import choose
from entbench.estimators._inputs import group_inputs
from entbench.mixture import (
    QUANTILE,
    UNSEEN,
    GaussianMixture,
    error_of,
    find_accelerator,
    gaussian_entropy,
    moments_of_terms,
    scatters,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from entbench.estimators._inputs import Inputs
    from entbench.mixture import MixtureEntropy

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]

# So many inputs, at most, are integrated by one quadrature each.
_QUADRATURES = 64
# In sigma, between inputs along the axis that tells them apart, beyond the width of an input: noise
# bridges half of it with probability 2 Q(10) = 2e-23.
_SPACING = 20.0
_LEAST_DRAWS = 1024
# Draws that an input takes at least, where some are chosen.
_DRAWS_EACH = 8
# Of an integral's tolerance: what it may spend on overlap and kernels, of which the bounds add up
# where scatter averages out. From so many integrals on, another one over all of them costs less.
_CERTAIN, _MANY = 0.15, 44
# Of the tolerance: a chance for inputs whose entropy is known; of the error that the choice of
# inputs leaves at least: what integrals may have; and what is left to h(S+Z) at least.
_CHANCE, _BESIDE, _LEAST_LEFT = 0.05, 0.2, 0.1
_COARSEST_KERNEL, _FINEST_KERNEL = 1e-6, 1e-12


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
        Error to reach, in nats: of the integrals, and of taking `n_inputs` inputs for all.
    max_draws : int, default=10_000_000
        Most Monte-Carlo draws to spend, at least 1024; half for the conditional entropies at first.
    n_inputs : int or None, default=None
        Number of inputs whose conditional entropies to integrate, at least 2; of the others they
        are bounded. Those of which the bounds tell least are all taken, others at random, and at
        most one for every 16 of `max_draws`. None, or as many as there are, for all.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the draws and of the choice of inputs. None draws differently at every fit.
    n_jobs : int or None, default=None
        Threads; -1 for all cores. None for as many as the environment sets: one in the workers of
        a suite. The result does not depend on it.
    device : str, default="cpu"
        "cpu"; a device of torch, as "cuda"; or "auto", an accelerator where there is one. Results
        agree within the errors stated.
    confidence : float, default=0.95
        Of the interval.

    Attributes
    ----------
    mutual_information_ : float
        Mutual information in nats. Never clipped.
    numerical_error_ : float
        Numerical error of the integrals, and of the choice of inputs, in nats: where `converged`,
        the value is off by more than 1.96 times as much in at most 5 % of cases, and by more than
        4.5 times as much in at most 7e-6. It does not contain the error of the plug-in.
    standard_error_ : float
        Standard deviation of the value over samples of pairs, in nats, numerical error included;
        see `SamplePropagation`.
    interval_ : Interval
        From ``bracket_low`` to ``bracket_high`` (see the notes), each moved outward by its standard
        error over samples times Student's quantile. Holds I(X; S+Z) with the `confidence` or more
        as n grows, bias included, for pairs drawn independently. It assumes no mass below about
        3/n. Without an upper end where the signals look as if E|S|^2 were infinite, and without a
        lower one where signals given their input do too.
    diagnostics_ : dict
        ``h_noisy`` and ``h_conditional``, the two terms in nats; ``conditional``, "closed form" or
        "integrated"; ``conditional_low`` and ``conditional_high``, a 95 % confidence interval of
        the mean conditional entropy of all inputs, 1.96 errors either side; ``input_error``, the
        part of `numerical_error_` that the choice of inputs has; ``n_inputs``, how many rows of X
        differ, and ``n_inputs_used``, how many were integrated; ``bracket_low`` and
        ``bracket_high``, of which see the notes, and ``bracket_low_error`` and
        ``bracket_high_error``, their numerical errors, of which no tolerance is asked; ``n_eff``
        and ``n_eff_conditional``, how many of all samples, and of as many as were used within
        their inputs, the noise lets one tell apart; ``n_draws``, ``kernel_error`` as of `sp`;
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
    that leaves. In one and two dimensions up to 64 inputs are integrated by a quadrature each;
    their errors add up. Otherwise all are one integral: with an axis more on which inputs lie
    beyond 20 sigma apart, the entropy of one mixture is their mean entropy and the entropy of
    their frequencies, within 1e-20 nats. Errors of the two terms add up in squares where they are
    of draws.

    With `n_inputs`, the entropy of every input x lies between two bounds that its rows give: from
    below the pairwise one of `kt-lower`, from above the smaller of that of `kt-upper` and of the
    Gaussian law with the same variances. With frequency w and distance g of the bounds, an input
    counts w g. Inputs that count more than an equal share are all integrated. The others are
    divided into groups at random, and of each group one is drawn in proportion to w g; the place
    of its entropy between its bounds, from 0 to 1, stands for its group. That is unbiased, and so
    is the estimate of its variance. A group may be off by its sum of w g at most, known before any
    integral: of variance and range the error is made as that of draws is, so that it holds where
    the inputs are unequal. With 10 or 30 of 200 inputs of another law, all of 940 intervals covered
    (``suites/timing/measure_information_errors.py``): the range makes up most of them. The
    leave-one-out entropy has wide bounds where samples of an input are far apart, and
    ``bracket_low_error`` is as large then.

    Cost: O(n dim log n) to sort the samples, twice, and two more kernel sums at every sample with
    `n_inputs`; at most about ``4 (dim + 2) / tolerance^2`` draws, each a density of a mixture, see
    `sp`; and some milliseconds for each input that is integrated by itself.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, eq. (2); the
    bound on the risk is in the talk's slides (recalled; proved anew). Rao, Hartley & Cochran, "On a
    simple procedure of unequal probability sampling without replacement", Journal of the Royal
    Statistical Society B 24 (1962), for the choice of inputs and its variance (recalled; checked
    by enumeration). Kolchinsky & Tracey, "Estimating mixture entropy with pairwise distances",
    Entropy 19, 361 (2017), for the bounds. One mixture for all inputs, and the bracket, are ours.
    """

    reads: ClassVar[Literal["signal", "noisy"]] = "signal"
    version: ClassVar[str] = "6"
    plug_in: ClassVar[bool] = True

    no_interval: ClassVar[str] = f"{FEW}, or no end: {ENDLESS}"

    numerical_error_: float
    standard_error_: float
    interval_: Interval | None

    def __init__(
        self,
        sigma: float,
        tolerance: float = 1e-3,
        max_draws: int = 10_000_000,
        n_inputs: int | None = None,
        random_state: int | np.random.Generator | None = None,
        n_jobs: int | None = None,
        device: str = "cpu",
        confidence: float = 0.95,
    ) -> None:
        self.sigma = sigma
        self.tolerance = tolerance
        self.max_draws = max_draws
        self.n_inputs = n_inputs
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.device = device
        self.confidence = confidence

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
        check_confidence(self.confidence)

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Estimate I(X; S+Z) from pairs of X and S; see `MutualInformationEstimator`."""
        self.check_parameters()
        x, signal = check_pairs(X, y)
        inputs = group_inputs(x, signal)
        rng = np.random.default_rng(self.random_state)
        conditional = self._conditional(signal, inputs, rng)
        entropy = self._mixture(signal).entropy(
            self._left(conditional.error), int(self.max_draws) - conditional.n_draws, rng
        )
        self.n_features_in_ = x.shape[1]
        self.mutual_information_ = entropy.value - conditional.value
        self.numerical_error_ = _sum([_error_of_one(entropy), conditional.error]).total
        self.diagnostics_ = self._diagnostics(entropy, conditional, len(inputs.counts))
        self._judge(signal, inputs, rng.spawn(1)[0])
        self._warn(entropy, conditional, len(signal))
        return self

    def _judge(self, signal: Floats, inputs: Inputs, rng: np.random.Generator) -> None:
        """Set standard error and interval, from what a pair adds to the value and its bracket."""
        said, n = self.diagnostics_, len(signal)
        mixture = self._mixture(signal)
        given = None if inputs.deterministic else _GivenInput(self, signal, inputs.rows())

        def terms(components: Rows, noise: Floats) -> Floats:
            plug_in, left_out, own = mixture.terms(components, noise).T
            parts = np.zeros((3, len(own))) if given is None else given.terms(components, noise)
            known, known_left_out, known_own = parts
            value = known - 0.5 * known_own - (plug_in - 0.5 * own)
            return np.column_stack(
                [value, known_left_out - plug_in, known - left_out, own + known_own]
            )

        moments = moments_of_terms(terms, mixture.neighbours(), mixture.dim, rng)
        groups = 0 if given is None else len(inputs.counts)
        scatter = scatters(moments, n * float(moments.means[3]) - 1.0 - groups, n)
        low, high = (
            End(said[f"bracket_{side}"], one, said[f"bracket_{side}_error"])
            for side, one in zip(("low", "high"), scatter[1:3], strict=True)
        )
        self.standard_error_ = math.hypot(scatter[0].deviation, self.numerical_error_)
        without_low = given is not None and given.endless
        without_high = lacks_second_moment(signal)
        self.interval_ = bracket_interval(
            None if without_low else low, None if without_high else high, n, self.confidence
        )

    def _left(self, error: _Error) -> float:
        """Return the tolerance that the conditional entropies leave to h(S+Z)."""
        goal = self.tolerance - error.certain
        square = (goal - error.scatter) * (goal + error.scatter)
        if goal <= 0.0 or square < (_LEAST_LEFT * self.tolerance) ** 2:
            return self._half()
        return math.sqrt(square) if error.scatter else goal

    def _half(self) -> float:
        return math.sqrt(0.5) * float(self.tolerance)

    def _conditional(
        self, signal: Floats, inputs: Inputs, rng: np.random.Generator
    ) -> _MeanEntropy:
        """Return the mean conditional entropy, integrated as exactly as the tolerance asks."""
        if inputs.deterministic:
            return _closed_form(gaussian_entropy(signal.shape[1], self.sigma))
        if self.n_inputs is not None and self.n_inputs < len(inputs.counts):
            return self._of_some(signal, inputs, rng)
        return self._of_all(signal, inputs, rng)

    def _of_all(self, signal: Floats, inputs: Inputs, rng: np.random.Generator) -> _MeanEntropy:
        """Integrate over all inputs: by a quadrature each where possible, else by one integral."""
        rows, draws = inputs.rows(), int(self.max_draws) // 2
        shares, spent = inputs.counts / len(signal), 0
        if signal.shape[1] <= 2 and len(rows) <= _QUADRATURES:
            goals = np.full(len(rows), self._half())
            found = self._one_by_one(signal, rows, goals, draws // 2, rng, without_draws=True)
            if found[-1].method != "monte-carlo":
                return _mean(found, shares, goals, inputs.counts)
            spent = sum(one.n_draws for one in found)
        at, added = self._told_apart(signal, rows, self.sigma, 1 + (signal.shape[1] == 1))
        whole = self._mixture(at).entropy(self._half(), draws - spent, rng)
        others = -float(shares @ np.log((inputs.counts - 1.0) / max(len(signal) - 1.0, 1.0)))
        return _MeanEntropy(
            value=whole.value - _entropy_of(shares) - added,
            leave_one_out=whole.leave_one_out - others - added,
            error=_error_of_one(whole),
            leave_one_out_error=whole.leave_one_out_error,
            effective_components=whole.effective_components,
            n_draws=whole.n_draws + spent,
            kernel_error=whole.kernel_error,
            n_used=len(rows),
            n_rows=len(signal),
        )

    def _of_some(self, signal: Floats, inputs: Inputs, rng: np.random.Generator) -> _MeanEntropy:
        """Integrate over some inputs, and take the bounds of all for what is left."""
        rows, shares = inputs.rows(), inputs.counts / len(signal)
        bounds = self._bounds(signal, rows)
        sizes = shares * (bounds.width + _CHANCE * self.tolerance)
        count = min(int(self.n_inputs or 0), int(self.max_draws) // 2 // _DRAWS_EACH)
        choice = choose(sizes, count, rng)
        used = choice.inputs
        weights = shares[used] * choice.totals / sizes[used]
        widest = choice.widest(shares * bounds.width / sizes)
        mean, found = self._integrals(signal, [rows[x] for x in used], weights, widest, rng)
        lowest = gaussian_entropy(signal.shape[1], self.sigma) + bounds.low
        known = float(shares @ lowest - weights @ lowest[used])
        values, left_out = np.array([(one.value, one.leave_one_out) for one in found]).T
        units = shares[used] / sizes[used]
        variance = choice.variance(units * (values - lowest[used]))
        most = choice.most(units * (values - lowest[used]), shares * bounds.width) / QUANTILE
        scatter = mean.error.scatter
        both = float(error_of(variance + scatter**2, widest))
        chosen = error_of(
            choice.variance(units * (left_out - lowest[used])),
            choice.widest(shares * bounds.left_out_width / sizes),
        )
        low, high = float(shares @ lowest), float(shares @ (lowest + bounds.width))
        value, error = _within(
            mean.value + known,
            _Error(min(both, math.hypot(most, scatter)), mean.error.certain),
            low,
            high,
        )
        return mean._replace(
            value=value,
            leave_one_out=mean.leave_one_out + known,
            error=error,
            input_error=min(float(error_of(variance, widest)), most),
            leave_one_out_error=mean.leave_one_out_error + float(chosen),
        )

    def _integrals(
        self,
        signal: Floats,
        rows: list[Rows],
        weights: Floats,
        widest: float,
        rng: np.random.Generator,
    ) -> tuple[_MeanEntropy, list[MixtureEntropy]]:
        """Return the weighted sum of some inputs' entropies, and these.

        Its error is small beside the tolerance, or beside the one that the choice leaves, of which
        the range `widest` is known.
        """
        beside = UNSEEN * widest
        goal = max(0.5 * math.sqrt(max(self.tolerance**2 - beside**2, 0.0)), _BESIDE * beside)
        root, together = math.sqrt(len(rows)), signal.shape[1] > 2 and len(rows) > _MANY
        parts = math.sqrt(2.0) * root if together else root + _CERTAIN * len(rows)
        draws = int(self.max_draws) // (4 if together else 2)
        goals = goal / (weights * parts)
        found = self._one_by_one(signal, rows, goals, draws, rng)
        mean = _mean(found, weights, goals, np.array([len(one) for one in rows]))
        if together:
            # the scatter of the values contains that of their integrals
            whole = self._together(signal, rows, weights, math.sqrt(0.5) * goal, draws, rng)
            mean = mean._replace(
                value=whole.value,
                error=_error_of_one(whole),
                n_draws=mean.n_draws + whole.n_draws,
                kernel_error=max(mean.kernel_error, whole.kernel_error),
            )
        return mean, found

    def _one_by_one(
        self,
        signal: Floats,
        rows: list[Rows],
        goals: Floats,
        max_draws: int,
        rng: np.random.Generator,
        *,
        without_draws: bool = False,
    ) -> list[MixtureEntropy]:
        """Integrate over each input; with `without_draws`, end with the first that takes any."""
        found: list[MixtureEntropy] = []
        spent = 0
        for one, goal in zip(rows, goals, strict=True):
            most = max((max_draws - spent) // (len(rows) - len(found)), 4)
            mixture = self._mixture(signal[one])
            found.append(mixture.entropy(float(goal), most, rng, only_asked=True))
            spent += found[-1].n_draws
            if without_draws and found[-1].method == "monte-carlo":
                break
        return found

    def _together(
        self,
        signal: Floats,
        rows: list[Rows],
        weights: Floats,
        goal: float,
        max_draws: int,
        rng: np.random.Generator,
    ) -> MixtureEntropy:
        """Return the weighted sum of the inputs' entropies, by one integral."""
        at, added = self._told_apart(signal, rows, self.sigma)
        counts = np.array([len(one) for one in rows])
        total, shares = float(weights.sum()), weights / weights.sum()
        mixture = self._mixture(at, weights=np.repeat(shares / counts, counts))
        whole = mixture.entropy(goal / total, max_draws, rng)
        return replace(
            whole,
            value=total * (whole.value - _entropy_of(shares) - added),
            numerical_error=total * whole.numerical_error,
            kernel_error=total * whole.kernel_error,
        )

    def _bounds(self, signal: Floats, rows: list[Rows]) -> _Bounds:
        """Bound the entropy of every input, from its own rows."""
        counts = np.array([len(one) for one in rows])
        starts, order, n = np.cumsum(counts) - counts, np.concatenate(rows), len(signal)
        each = np.repeat(counts, counts).astype(np.float64)
        error = min(max(0.01 * self.tolerance, _FINEST_KERNEL), _COARSEST_KERNEL)
        at, _ = self._told_apart(signal, rows, self.sigma)
        normaliser = gaussian_entropy(at.shape[1], self.sigma) - 0.5 * at.shape[1]
        others = self._mixture(at).leave_one_out_log_density(error) + normaliser
        others += np.log((n - 1.0) / (each - 1.0))
        own = np.logaddexp(-np.log(each), others + np.log1p(-1.0 / each))
        at, _ = self._told_apart(signal, rows, 2.0 * self.sigma)
        wider = self._mixture(at, 2.0).log_kernel_sums(tolerance=error) + np.log(n / each)
        scaled = (signal[order] - np.repeat(signal[order[starts]], counts, axis=0)) / self.sigma
        centred = scaled - np.repeat(_means(scaled, starts, counts), counts, axis=0)
        gaussian = 0.5 * np.log1p(_means(np.square(centred), starts, counts)).sum(axis=1)
        low = np.maximum(-_means(wider, starts, counts) - error, 0.0)
        high = np.minimum(-_means(own, starts, counts), gaussian) + error
        left_out = -_means(others, starts, counts) + error
        return _Bounds(low, np.maximum(high - low, error), np.maximum(left_out - low, error))

    def _told_apart(
        self, signal: Floats, rows: list[Rows], width: float, axes: int = 1
    ) -> tuple[Floats, float]:
        """Return the signals of inputs far apart along axes of their own, and those axes' entropy.

        On one axis; on two where one would leave an integral in two dimensions, by a lattice over
        all inputs, to which no tolerance can be given.
        """
        counts = np.array([len(one) for one in rows])
        at, starts = signal[np.concatenate(rows)], np.cumsum(counts) - counts
        sides = np.maximum.reduceat(at, starts) - np.minimum.reduceat(at, starts)
        # the others must be out of reach of a signal that is far from those of its own input
        step = _SPACING * width + math.sqrt(at.shape[1]) * float(sides.max())
        side = math.isqrt(len(rows) - 1) + 1 if axes > 1 else len(rows)
        places = step * np.column_stack(np.divmod(np.arange(len(rows)), side)[2 - axes :]).astype(
            np.float64
        )
        return np.hstack([np.repeat(places, counts, axis=0), at]), gaussian_entropy(axes, width)

    def _mixture(
        self, centres: Floats, widths: float = 1.0, weights: Floats | None = None
    ) -> GaussianMixture:
        return GaussianMixture(
            centres, widths * self.sigma, weights, n_jobs=self.n_jobs, device=self.device
        )

    def _diagnostics(
        self, entropy: MixtureEntropy, conditional: _MeanEntropy, n_inputs: int
    ) -> dict[str, float | int | bool | str]:
        converged = self.numerical_error_ <= self.tolerance
        too_few = conditional.input_error >= math.sqrt(1.0 - _LEAST_LEFT**2) * self.tolerance
        half_width = QUANTILE * conditional.error.total
        closed = conditional.n_used == 0
        return {
            "h_noisy": entropy.value,
            "h_conditional": conditional.value,
            "conditional": "closed form" if closed else "integrated",
            "conditional_low": conditional.value - half_width,
            "conditional_high": conditional.value + half_width,
            "input_error": conditional.input_error,
            "n_inputs": n_inputs,
            "n_inputs_used": n_inputs if closed else conditional.n_used,
            "bracket_low": entropy.plug_in - conditional.leave_one_out,
            "bracket_high": entropy.leave_one_out - conditional.value,
            "bracket_low_error": math.hypot(entropy.plug_in_error, conditional.leave_one_out_error),
            "bracket_high_error": math.hypot(entropy.leave_one_out_error, conditional.error.total),
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


class _GivenInput:
    """Terms of the mixtures on each input's signals: see `GaussianMixture.terms`.

    Attributes
    ----------
    endless : bool
        Whether signals given their input look as if their second moment were infinite.
    """

    def __init__(self, estimator: SamplePropagationMI, signal: Floats, rows: list[Rows]) -> None:
        counts, order = np.array([len(one) for one in rows]), np.concatenate(rows)
        at, _ = estimator._told_apart(signal, rows, estimator.sigma)
        self._mixture = estimator._mixture(at)
        self._place = np.empty(len(signal), dtype=np.intp)
        self._place[order] = np.arange(len(signal))
        means = _means(signal[order], np.cumsum(counts) - counts, counts)
        self.endless = lacks_second_moment(signal[order] - np.repeat(means, counts, axis=0))
        each = np.repeat(counts, counts)
        self._offset = np.log(each / len(signal))
        self._left_out_offset = np.log((each - 1.0) / (len(signal) - 1.0))

    def terms(self, components: Rows, noise: Floats) -> Floats:
        """Return the terms of samples in columns, shape (3, m)."""
        places = self._place[components]
        # along the axis that tells the inputs apart noise makes no difference
        plug_in, left_out, own = self._mixture.terms(
            places, np.column_stack([np.zeros(len(noise)), noise])
        ).T
        return np.stack(
            [plug_in - self._offset[places], left_out - self._left_out_offset[places], own]
        )


class _Error(NamedTuple):
    """A numerical error, in nats.

    Attributes
    ----------
    scatter : float
        The part that differs from one integral to the next: squares add up.
    certain : float
        Bounds, in parts of the quantile that makes them bounds: they add up themselves.
    """

    scatter: float
    certain: float

    @property
    def total(self) -> float:
        """The numerical error."""
        return self.scatter + self.certain


def _error_of_one(entropy: MixtureEntropy) -> _Error:
    """Return the error of an integral: that of a quadrature may be the same in all of them."""
    if entropy.method == "monte-carlo":
        return _Error(entropy.numerical_error, 0.0)
    return _Error(0.0, entropy.numerical_error)


def _sum(errors: Sequence[_Error]) -> _Error:
    # Parts that are not known to be certain make up 0.15 of each at most: for up to five integrals
    # the root of the sum of squares is right even if all of these err to the same side; for more,
    # `_mean` adds them. Rare events add up as their variances do: `error_of` contains 2.8 ranges.
    scatter, certain = np.array(errors).T
    return _Error(math.hypot(*scatter), math.fsum(certain))


def _within(value: float, error: _Error, low: float, high: float) -> tuple[float, _Error]:
    """Return a value of which bounds are known, and its error."""
    inside = min(max(value, low), high)
    most = max(inside - low, high - inside) / QUANTILE
    if error.total <= most:
        return value, error
    return inside, _Error(0.0, most)


class _MeanEntropy(NamedTuple):
    """The mean conditional entropy.

    Attributes
    ----------
    value, leave_one_out : float
        In nats.
    error : _Error
        Of `value`: of the integrals, and of taking some inputs for all.
    input_error, leave_one_out_error : float
        The second part of it by itself; the error of `leave_one_out`.
    effective_components, n_draws, kernel_error
        As of a mixture.
    n_used, n_rows : int
        Inputs that were integrated, and their rows.
    """

    value: float
    leave_one_out: float
    error: _Error = _Error(0.0, 0.0)
    input_error: float = 0.0
    leave_one_out_error: float = 0.0
    effective_components: float = 0.0
    n_draws: int = 0
    kernel_error: float = 0.0
    n_used: int = 0
    n_rows: int = 0


def _closed_form(entropy: float) -> _MeanEntropy:
    return _MeanEntropy(entropy, entropy)


def _mean(
    found: Sequence[MixtureEntropy], weights: Floats, goals: Floats, counts: NDArray[np.intp]
) -> _MeanEntropy:
    """Return the weighted sum of integrals, each of which had a goal for its error."""
    pairs = list(zip(found, weights, strict=True))
    errors = [_error_of_one(one) for one in found]
    # what the bounds of overlap and kernels may make up in an integral by draws
    bounds = _CERTAIN * weights * goals
    drawn = np.array([one.method == "monte-carlo" for one in found])
    error = _sum(
        [_Error(w * e.scatter, w * e.certain) for w, e in zip(weights, errors, strict=True)]
    )
    left_out = [w * one.leave_one_out_error for one, w in pairs]
    alone = np.array([one.effective_components for one in found]) / counts
    return _MeanEntropy(
        value=math.fsum(w * one.value for one, w in pairs),
        leave_one_out=math.fsum(w * one.leave_one_out for one, w in pairs),
        error=_Error(error.scatter, error.certain + float(bounds @ drawn)),
        leave_one_out_error=math.hypot(*left_out) + 2.0 * float(bounds.sum()),
        effective_components=float(counts.sum() * (weights @ alone) / weights.sum()),
        n_draws=sum(one.n_draws for one in found),
        kernel_error=math.fsum(w * one.kernel_error for one, w in pairs),
        n_used=len(found),
        n_rows=int(counts.sum()),
    )


class _Bounds(NamedTuple):
    """What is known of every input's entropy before it is integrated.

    Attributes
    ----------
    low : ndarray of shape (n_inputs,)
        By how much it is above that of the noise at least, in nats.
    width : ndarray of shape (n_inputs,)
        How much further above it can be; positive.
    left_out_width : ndarray of shape (n_inputs,)
        The same for the leave-one-out entropy, which is not below the entropy.
    """

    low: Floats
    width: Floats
    left_out_width: Floats


def _means(values: Floats, starts: NDArray[np.intp], counts: NDArray[np.intp]) -> Floats:
    """Return the means over the inputs' rows, along the first axis."""
    sums = np.add.reduceat(values, starts, axis=0)
    return np.asarray(sums / counts.reshape(-1, *[1] * (values.ndim - 1)))


def _entropy_of(shares: Floats) -> float:
    return -float(shares @ np.log(shares))
