"""I(X;T_l), layer by layer, of a noisy network on a data set."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import nn

from entbench._base import Interval
from entbench._distinct import distinct_rows
from entbench._validation import (
    check_integer,
    check_jobs,
    check_positive,
    check_samples,
    check_seed,
    unknown_name,
)
from entbench.bounds import power_limited_capacity
from entbench.estimators.sample_propagation_mi import SamplePropagationMI
from entbench.mixture._integration import QUANTILE
from entbench.networks._gap import measure_gap
from entbench.networks._information import (
    LayerInformation,
    layer_checks,
    warn_of_few_passes,
    widened,
)
from entbench.networks._network import NoisyNetwork
from entbench.networks._sampling import signal_samples

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from entbench.networks._gap import Gap

Progress = Callable[[int, str, float], None]

# Of the tolerance: what integrals may take, and what bias and samples may by the pilot's word. The
# root of the sum of squares leaves the pilot some room to be wrong.
_INTEGRALS, _SAMPLES = 0.5, 0.7
# Passes of an input in the first pilot, and rows of it; by how much the next is larger; and the gap
# in nats above which it does not yet fall as 1/n.
_PILOT_PASSES, _PILOT_ROWS, _STEP, _LARGE_GAP = 16, 4096, 8, 0.5
_MOST_NUMBERS, _TOO_MANY_NUMBERS = 2**27, 2**28
_PROBE = 256
# In sigma: signals of an input that differ by less are one. That is worth dim * 1e-8 nats.
_SAME = 1e-4
# Passes of all inputs together that must agree before S_l is taken for a function of X.
_SURE = 2**16


class InformationFlow:
    """Mutual information I(X;T_l) of a noisy network's input and its layers, in nats.

    X is uniform on the rows of a data set, ``T_l = S_l + Z_l`` the layer's output with its noise.
    Where S_l is a function of X, as in layer 1, h(T_l | X) is h(Z), the law of S_l is known, and
    nothing but an integral has to be done. Otherwise every input passes through the network many
    times, and the plug-in is taken (see `SamplePropagationMI`).

    Parameters
    ----------
    network : NoisyNetwork or torch.nn.Module
        A noisy network; or a Sequential (noise after each activation, see
        `NoisyNetwork.from_sequential`); or any module, if `layers` names its layers (see
        `NoisyNetwork.from_module`).
    sigma : float or None, default=None
        Standard deviation of the noise. None for the noisy network's own.
    layers : sequence of int or str, or None, default=None
        Layers, by number from 1 or by name; None for all.
    tolerance : float, default=0.01
        Error to reach, in nats: root of the sum of the squares of bias and standard error.
    n : int or None, default=None
        Samples of S_l, rounded up to whole passes of the data set, at least 2. None, where `passes`
        is None too, for what pilots say is needed.
    passes : int or None, default=None
        Samples of S_l of each input, at least 2, in place of `n`.
    n_inputs : int or None, default=None
        Inputs whose conditional entropies are integrated, those of wide laws first; None for all.
    max_samples : int, default=4_194_304
        Most samples of S_l where neither `n` nor `passes` is given, and not so many that they have
        more than 2^27 coordinates (1 GiB); at least 2 passes.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of noise, inputs and draws. With an int, a layer's result does not depend on which
        others are asked for.
    n_jobs : int or None, default=None
        Threads of the estimator; -1 for all cores, None for as many as the environment sets. The
        result does not depend on it.

    Notes
    -----
    Bias: with `passes` samples of every input, the estimate's mean is at least the information,
    which is convex in the law of T_l given X. It is too high by about c/passes, where c is at most
    half the mean over inputs of I_chi2(S_l; T_l | X = x), and less where inputs are told apart well
    (0 where they are surely). ``bias`` estimates it from the samples, by a bound that leaves every
    sample out of its own density; with `bracket`, no knowledge of the source is needed.

    A pilot has 16 passes, or as many as make 4096 samples; each after it 8 times as many, until the
    bracket is narrower than 0.5 nats. From there on bias falls as 1/passes and variance as 1/n; the
    samples of the estimate are drawn anew. S_l is taken for a function of X
    where 65,536 passes agree. Where passes of an input agree, what none has shown counts as error:
    of n passes of m inputs it moves the information by ``H_b(p) + p log m`` at most, p = 3/n at
    95 %. Known failure: rare values beside noise that shows. Of more than 512 inputs
    the bracket takes those of widely spread signals first.

    Measured on a linear network (one dimension, 4 inputs, 60 passes, 60 seeds): the value was 0.009
    nats too high on average, the bracket's lower end 0.011 too low, and all 60 intervals covered.
    With a tolerance of 0.03 the root mean square error was 0.018.

    Cost: n passes of the network up to the layer, and time O(n dim log n), memory O(n dim) of the
    estimator, most of it to sort the samples three times; the bracket takes 8192 densities of their
    mixture. Layer 3 of the network of Shwartz-Ziv and Tishby, n = 4e6: 14 to 35 s on 2 shared cores
    and 1.1 to 1.6 GiB.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, sections 2
    and 4, eq. (2); its beta is our sigma. The bracket is ours: see `entbench.networks._gap`.
    """

    def __init__(
        self,
        network: nn.Module,
        sigma: float | None = None,
        *,
        layers: Sequence[int | str] | None = None,
        tolerance: float = 0.01,
        n: int | None = None,
        passes: int | None = None,
        n_inputs: int | None = None,
        max_samples: int = 4_194_304,
        random_state: int | np.random.Generator | None = 0,
        n_jobs: int | None = None,
    ) -> None:
        if n is not None and passes is not None:
            raise ValueError(f"give `n` or `passes`, not both; got n={n!r} and passes={passes!r}.")
        self.network = _as_network(network, sigma, layers)
        self.layers = _layer_numbers(self.network, layers)
        self.tolerance = check_positive("tolerance", tolerance)
        self.n = None if n is None else check_integer("n", n, minimum=1)
        self.passes = None if passes is None else check_integer("passes", passes, minimum=2)
        self.n_inputs = None if n_inputs is None else check_integer("n_inputs", n_inputs, minimum=2)
        self.max_samples = check_integer("max_samples", max_samples, minimum=1)
        check_seed(random_state)
        self.random_state = random_state
        self.n_jobs = check_jobs(n_jobs)

    def estimate(self, X: ArrayLike, progress: Progress | None = None) -> list[LayerInformation]:
        """Estimate I(X;T_l) of each layer.

        Parameters
        ----------
        X : array-like of shape (m, ...)
            The data set: an input of the network in each of at least 2 rows.
        progress : callable, optional
            Called with the number of a layer; with what is done there: "pilot", "sampling",
            "entropy", "bracket" or "done"; and with the share of the layers that is done.

        Returns
        -------
        list of LayerInformation
            In the order of `layers`.
        """
        inputs = _check_inputs(X)
        seed = int(np.random.default_rng(self.random_state).integers(2**63))
        results = []
        for done, layer in enumerate(self.layers):

            def say(stage: str, layer: int = layer, done: int = done) -> None:
                if progress is not None:
                    progress(layer, stage, (done + (stage == "done")) / len(self.layers))

            job = _Layer(self, inputs, layer, np.random.default_rng([seed, layer]), say)
            results.append(job.estimate())
            warn_of_few_passes(results[-1])
            say("done")
        return results


class _Samples(NamedTuple):
    """Samples of S_l and where those of each input stand, shape (m, passes)."""

    signal: NDArray[np.float64]
    rows: NDArray[np.intp]


class _Layer:
    """The estimate of one layer."""

    def __init__(
        self,
        flow: InformationFlow,
        inputs: NDArray[Any],
        layer: int,
        rng: np.random.Generator,
        say: Callable[[str], None],
    ) -> None:
        self.flow, self.inputs, self.layer, self.rng, self.say = flow, inputs, layer, rng, say
        self.sigma = flow.network.sigma
        self.m = len(inputs)
        self.unseen = 0.0  # what values of S_l that no pass has shown may add

    def estimate(self) -> LayerInformation:
        began = time.perf_counter()
        self._check_size()
        samples = self._function_of_inputs()
        passes = 1 if samples is not None else self._passes()
        if samples is None:
            self.say("sampling")
            samples = self._sample(passes)
            self.unseen = _unseen(self.m, len(samples.signal), self._share_that_agrees(samples))
        self.say("entropy")
        fitted = self._fit(samples)
        gap, kernel = None, fitted.diagnostics_["kernel_error"]
        if passes > 1:
            self.say("bracket")
            gap = measure_gap(samples.signal, samples.rows, self.sigma, self.rng, self.flow.n_jobs)
        return self._result(samples, fitted, gap, kernel, began)

    def _sample(self, passes: int, inputs: NDArray[Any] | None = None) -> _Samples:
        data = self.inputs if inputs is None else inputs
        seed = int(self.rng.integers(2**63))
        network, n = self.flow.network, passes * len(data)
        index, signal = signal_samples(network, data, self.layer, n, seed)
        rows = np.argsort(index, kind="stable").reshape(len(data), passes)
        return _Samples(signal, rows)

    def _function_of_inputs(self) -> _Samples | None:
        """Return S_l of every input once, unless noise before the layer changes it."""
        self.say("pilot")
        if self.layer == 1:
            return self._sample(1)
        if self.m > _PROBE:
            probe = self._sample(2, self.inputs[self.rng.choice(self.m, _PROBE, replace=False)])
            if not self._same(probe.signal[probe.rows[:, 0]], probe.signal[probe.rows[:, 1]]):
                return None
        first = self._sample(1)
        each = first.signal[first.rows[:, 0]]
        passes = min(max(-(-_SURE // self.m), 2), self._most_passes())
        done, step = 1, max(_SURE // self.m, 1)
        while done < passes:
            more = self._sample(min(step, passes - done))
            if any(not self._same(more.signal[rows], each) for rows in more.rows.T):
                return None
            done += more.rows.shape[1]
        self.unseen = _unseen(self.m, passes * self.m)
        return first

    def _share_that_agrees(self, samples: _Samples) -> float:
        """Return the share of the inputs whose passes all agree, as if there were no noise."""
        first = samples.signal[samples.rows[:, 0]]
        agree = np.ones(self.m, dtype=bool)
        for rows in samples.rows.T:
            agree &= np.abs(samples.signal[rows] - first).max(axis=1) <= _SAME * self.sigma
        return float(agree.mean())

    def _same(self, first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
        return bool(np.abs(first - second).max() <= _SAME * self.sigma)

    def _passes(self) -> int:
        """Return how many samples of S_l of each input to take."""
        if self.flow.passes is not None:
            return self.flow.passes
        if self.flow.n is not None:
            return max(2, -(-self.flow.n // self.m))
        passes = most = self._most_passes()
        goal = _SAMPLES * self.flow.tolerance
        pilot = min(max(_PILOT_PASSES, _PILOT_ROWS // self.m), most)
        while pilot < most:
            samples = self._sample(pilot)
            gap = measure_gap(samples.signal, samples.rows, self.sigma, self.rng, self.flow.n_jobs)
            if gap.value <= _LARGE_GAP:
                passes = min(most, max(_PILOT_PASSES, _needed(gap, pilot, self.m, goal)))
                break
            pilot = min(_STEP * pilot, most)
        return passes

    def _check_size(self) -> None:
        """Refuse what would fill the memory, before anything is sampled."""
        passes = 1 if self.layer == 1 else self.flow.passes or 2
        numbers = max(passes * self.m, self.flow.n or 0) * self._dim()
        if numbers > _TOO_MANY_NUMBERS:
            name = self.flow.network.layer_names[self.layer - 1]
            raise ValueError(
                f"{name}: samples of {self.m} inputs in {self._dim()} dimensions take "
                f"{numbers / 2**27:.1f} GiB or more: give fewer rows of `X`, or narrower `layers`."
            )

    def _dim(self) -> int:
        _, signal = signal_samples(self.flow.network, self.inputs[:1], self.layer, 1)
        return int(signal.shape[1])

    def _most_passes(self) -> int:
        most = min(self.flow.max_samples, _MOST_NUMBERS // self._dim())
        return max(2, most // self.m)

    def _fit(self, samples: _Samples) -> SamplePropagationMI:
        index = np.empty((len(samples.signal), 1))
        index[samples.rows, 0] = np.arange(self.m, dtype=np.float64)[:, None]
        estimator = SamplePropagationMI(
            self.sigma,
            tolerance=_INTEGRALS * self.flow.tolerance,
            n_inputs=self.flow.n_inputs,
            random_state=self.rng,
            n_jobs=self.flow.n_jobs,
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`X` has")  # the check "samples" says it
            return estimator.fit(index, samples.signal)

    def _result(
        self,
        samples: _Samples,
        fitted: SamplePropagationMI,
        gap: Gap | None,
        kernel: float,
        began: float,
    ) -> LayerInformation:
        n, dim = samples.signal.shape
        value, said = fitted.mutual_information_, dict(fitted.diagnostics_)
        low, high, bracket_error, variance = value - kernel, value + kernel, 0.0, 0.0
        if gap is not None:
            low, high, bracket_error = value - gap.value, value, gap.standard_error
            # of the mean, and, to leading order, of the plug-in's quadratic term
            variance = (gap.variance + 0.5 * max(gap.value, 0.0)) / n
        error = math.sqrt(fitted.numerical_error_**2 + variance) + self.unseen
        bias = 0.5 * (high - low) if gap is not None else 0.0
        said.update(sampling_error=math.sqrt(variance), bracket_error=bracket_error)
        for name in ("bracket_low", "bracket_high", "bracket_low_error", "bracket_high_error"):
            said.pop(name)  # of the estimator; this class has its own
        for name in ("converged", "limited_by"):
            said.pop(name)
        converged = math.hypot(bias, error) <= self.flow.tolerance
        result = LayerInformation(
            layer=self.layer,
            name=self.flow.network.layer_names[self.layer - 1],
            dim=dim,
            value=value,
            numerical_error=fitted.numerical_error_,
            standard_error=error,
            interval=Interval(
                *widened((low, high), error, bracket_error, QUANTILE), kind="asymptotic"
            ),
            bracket=(low, high),
            bias=bias,
            n=n,
            passes=n // self.m,
            n_inputs=said["n_inputs_used"],
            m=self.m,
            limit=_input_entropy(self.inputs),
            capacity=_capacity(samples.signal, self.sigma),
            seconds=time.perf_counter() - began,
            converged=converged,
            limited_by="" if converged else _limited_by(fitted, math.hypot(bias, variance**0.5)),
            diagnostics=said,
        )
        return replace(result, checks=layer_checks(result))


def _unseen(m: int, passes: int, share: float = 1.0) -> float:
    """Return the error in nats of values of S_l that no pass of m inputs has shown.

    Only a share of the inputs can have any: whose passes agree. The others show their noise.

    They have a probability of more than 12 in so many passes in 6e-6 of cases, of more than 3 in
    5 %. One of p changes the information by ``H_b(p) + p log m`` at most.
    """

    def change(events: float) -> float:
        p = min(events / passes, share, 0.5)
        if p == 0.0:
            return 0.0
        return -p * math.log(p) - (1.0 - p) * math.log1p(-p) + p * math.log(m)

    return max(change(3.0) / QUANTILE, change(12.0) / 4.5)


def _needed(gap: Gap, pilot: int, m: int, goal: float) -> int:
    """Return the passes that bring bias and scatter to `goal`, by a pilot of `pilot` passes.

    Bias is b/passes, and variance v/passes.
    """
    b = 0.5 * max(gap.value, 0.0) * pilot
    v = (gap.variance + b / pilot) / m
    return math.ceil((v + math.sqrt(v * v + 4.0 * (goal * b) ** 2)) / (2.0 * goal**2))


def _limited_by(fitted: SamplePropagationMI, of_samples: float) -> str:
    by_integrals = str(fitted.diagnostics_["limited_by"])
    return "samples" if of_samples > fitted.numerical_error_ else by_integrals


def _capacity(signal: NDArray[np.float64], sigma: float) -> float | None:
    inside = signal.min() >= -1.0 and signal.max() <= 1.0
    return power_limited_capacity(signal.shape[1], sigma) if inside else None


def _as_network(
    network: nn.Module, sigma: float | None, layers: Sequence[int | str] | None
) -> NoisyNetwork:
    """Return the noisy network that is asked about, with noise."""
    if not isinstance(network, nn.Module):
        raise TypeError(f"`network` must be a torch module; got {type(network).__name__}.")
    own = network.sigma if isinstance(network, NoisyNetwork) else None
    level = own if sigma is None else sigma
    if level is None:
        raise ValueError(
            "`sigma` must be given where `network` is not a NoisyNetwork; got sigma=None."
        )
    if level == 0.0:
        raise ValueError(
            "I(X;T) of a deterministic network is infinite or constant: give `sigma` > 0 (got 0)."
        )
    level = check_positive("sigma", level)
    if isinstance(network, NoisyNetwork):
        return network if level == own else network.with_sigma(level)
    names = [] if layers is None else [name for name in layers if isinstance(name, str)]
    if layers is not None and len(names) == len(layers):
        return NoisyNetwork.from_module(network, level, names)
    if isinstance(network, nn.Sequential):
        return NoisyNetwork.from_sequential(network, level)
    raise ValueError(
        "`layers` must name the layers of a module that is neither a NoisyNetwork nor a "
        f"Sequential; got {layers!r}."
    )


def _layer_numbers(network: NoisyNetwork, layers: Sequence[int | str] | None) -> tuple[int, ...]:
    """Return layers by number, from 1."""
    if layers is None:
        return tuple(range(1, network.n_layers + 1))
    if isinstance(layers, str) or not len(layers):
        raise ValueError(f"`layers` must list at least one layer; got {layers!r}.")
    names = network.layer_names
    numbers = []
    for layer in layers:
        if isinstance(layer, str) and layer not in names:
            raise ValueError(unknown_name("layer", layer, names))
        number = names.index(layer) + 1 if isinstance(layer, str) else network.check_layer(layer)
        numbers.append(number)
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"`layers` must list each layer once; got {list(layers)}.")
    return tuple(numbers)


def _check_inputs(X: ArrayLike) -> NDArray[Any]:
    array = np.asarray(X)
    check_samples(array.reshape(len(array), -1) if array.ndim > 2 else array)
    return array


def _input_entropy(inputs: NDArray[Any]) -> float:
    """Return H(X) of X uniform on the rows, some of which may be equal."""
    m = len(inputs)
    found = distinct_rows(inputs.reshape(m, -1).astype(np.float64))
    if found is None:
        return math.log(m)
    counts = np.bincount(found[1])
    return math.log(m) - float(counts @ np.log(counts)) / m
