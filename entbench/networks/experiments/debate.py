"""What goes by the name of I(X;T) in the debate on compression, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from entbench._base import (
    Claim,
    Experiment,
    ExperimentResult,
    MutualInformationEstimator,
    ResultTable,
)
from entbench._validation import check_integer
from entbench.networks._dense_recipe import TrainedDense, found_data, load_rows
from entbench.networks._plane import bin_codes, codes_of_bins, plane_point, row_codes
from entbench.networks._torch import require_torch
from entbench.networks.experiments._debate_claims import INTERVALS, claims_of, last_table, size_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.networks._network import NoisyNetwork

    Floats = NDArray[np.float64]
    # estimates and stated errors, by layer
    Line = tuple[list[float], list[float | None]]

WIDTH, N_BINS = 0.07, 30
# assumed by the bounds' users for the two data sets: variances
_VARIANCES = {True: 1e-3, False: 1e-1}
_K = 3
_NOISE, _PASSES = range(2)
_ROUNDING = 1e-9  # nats
_TWO = 2.0  # stated errors


@dataclass(frozen=True)
class InformationDebate(Experiment):
    """Estimates that are all called I(X;T), of the same layers after the same epochs.

    Two networks are trained from the same weights on the same batches: one without noise, one with
    noise of standard deviation `sigma` after each hidden layer. Their hidden layers are measured by

    - "bin-0.07": H(Bin(T)) in bins of 0.07, network without noise;
    - "bins-30": H(Bin(T)) in 30 equal bins from -1 to 1, what lies outside in those at the ends;
    - "kt-lower", "kt-upper": bounds on I(X;T+N) by pairwise distances, N Gaussian noise that the
      network does not have, of variance 1e-3 (SZT) or 1e-1 (images);
    - "ksg": nearest neighbours, of samples of the same T+N;
    - "sp-mi": I(X;T) of the noisy network, by `InformationFlow`, with its 95 % interval;
    - "ksg-noisy": nearest neighbours, of samples of the noisy network.

    Parameters
    ----------
    data : str, default="szt"
        "szt"; "auto-138" for images of the digits 1, 3 and 8 (see `InformationPlane`).
    hidden : str, default="10-7-5-4-3"
        Units of the hidden layers.
    activation : str, default="tanh"
        "tanh", "relu" or "linear" of all hidden layers, or of each, joined by hyphens.
    sigma : float, default=0.01
        Standard deviation of the noisy network's noise, in training and after.
    epochs : int, default=8000
        Of training, plain gradients in batches of 256 (see `TrainedDense`).
    records : int, default=40
        At how many epochs to measure, about: each one at first, then evenly on a logarithmic scale.
    passes : int, default=128
        Passes of the noisy network for each input, for "sp-mi".
    n_inputs : int, default=0
        Inputs whose conditional entropies "sp-mi" averages; 0 for all. Fewer save little time.
    draws : int, default=16
        Samples of T+N, and of the noisy T, for each input, for "ksg" and "ksg-noisy"; more than 3,
        their number of neighbours.
    learning_rate : float, default=0.05
        Constant.
    seed : int, default=0
        Of weights, order of the data, noise in training and noise drawn.

    Notes
    -----
    X is uniform on all rows of the data set. The lines are three quantities, not one:

    1. H(Bin(T)) of a network without noise. Exact, by counting; a property of the bins.
    2. I(X;T+N) with assumed noise. It lies between "kt-lower" and "kt-upper", which are exact but
      for rounding; "ksg" estimates it.
    3. I(X;T) of a network with noise inside. "sp-mi" and "ksg-noisy" estimate it.

    I(X;T) itself of the network without noise is the entropy of its distinct rows, H(X) where no
    two inputs share one ("exact"), whatever the training.

    Error: 0 for counts and bounds; for "ksg" the scatter of its terms over the root of their
    number, which leaves out its bias; for "sp-mi" the standard error, while "low" and "high" have
    the bracket of its bias too. Two estimates disagree where their intervals, 2 errors to each
    side, have no number in common; "kt-lower" to "kt-upper" is one interval, "kt". For estimates
    of two quantities that is no error of theirs: readers know both by one name. For two of one
    quantity, "kt" and "ksg", "sp-mi" and "ksg-noisy", at least one is off by more than it states.

    "ksg" is `mixed-ksg` with X as a number far from any other input's, as X is discrete: neighbours
    then are draws of the same input. It saturates at log m + log draws - psi(draws), about
    1/(2 draws) above H(X) = log m; with few draws it is low where an input's law is rough at the
    scale of its neighbours' distances. Of T without noise nearest neighbours say nothing: all draws
    of an input are equal, and the estimate is H(X). `ksg1` of pairs of bits and T has all other
    inputs at the same distance in X, and depends on the unit of that distance alone.

    Cost: for SZT and 128 passes 6 s (tanh) to 25 s (ReLU) an epoch on one core, of which "sp-mi"
    takes most, and 10 to 20 ms for each epoch of training; memory below 1 GiB.

    References
    ----------
    R. Shwartz-Ziv & N. Tishby, "Opening the black box of deep neural networks via information",
    2017 (30 bins); A. Saxe et al., "On the information bottleneck theory of deep learning", ICLR
    2018 (bins of 0.07, bounds with assumed noise); both as in their public code. Z. Goldfeld et
    al., "Estimating information flow in deep neural networks", ICML 2019 (noise inside).
    "Revisiting the Information Plane", under review for ICLR 2020, section 2.3.
    """

    version: ClassVar[str] = "2"
    figures: ClassVar[tuple[str, ...]] = ("information-debate",)

    data: str = "szt"
    hidden: str = "10-7-5-4-3"
    activation: str = "tanh"
    sigma: float = 0.01
    epochs: int = 8000
    records: int = 40
    passes: int = 128
    n_inputs: int = 0
    draws: int = 16
    learning_rate: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        require_torch()  # before the first step, not at each
        recipe = self._recipe(self.sigma)
        for name in ("hidden", "sigma", "epochs", "records", "learning_rate", "seed"):
            self._set(name, getattr(recipe, name))
        if not self.sigma:
            raise ValueError(
                "I(X;T) of a deterministic network is infinite or constant: give `sigma` > 0."
            )
        self._set("passes", check_integer("passes", self.passes, minimum=2))
        self._set("n_inputs", check_integer("n_inputs", self.n_inputs, minimum=0))
        self._set("draws", check_integer("draws", self.draws, minimum=_K + 1))

    def resolved(self) -> InformationDebate:
        """Return the experiment with the data that there are."""
        return replace(self, data=found_data(self.data))

    def steps(self) -> list[dict[str, Any]]:
        """Return the epochs."""
        return [{"epoch": epoch} for epoch in self._recipe(0.0).plan.record]

    def measure(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Return estimates in nats after an epoch, lists by layer.

        An estimator's error is None where it states none. "apart" lists the pairs whose intervals
        have no number in common.
        """
        X, labels = load_rows(self.data)
        plain = self._recipe(0.0).at(step["epoch"])
        noisy = self._recipe(self.sigma).at(step["epoch"])
        *layers, plain_output = _outputs(plain, X)
        *_, noisy_output = _outputs(noisy, X)
        found = {
            **_binned(layers, labels),
            **self._assumed(layers, step["epoch"]),
            "ksg-noisy": self._noisy_neighbours(noisy, X, step["epoch"]),
        }
        information, low, high = self._flow(noisy, X, step["epoch"])
        found["sp-mi"] = information
        result: dict[str, Any] = {
            "input_limit": math.log(len(X)),
            "exact": [plane_point(row_codes(layer), labels).input for layer in layers],
            "accuracy": float((plain_output.argmax(axis=1) == labels).mean()),
            "noisy_accuracy": float((noisy_output.argmax(axis=1) == labels).mean()),
            "low": low,
            "high": high,
        }
        for name, (values, errors) in found.items():
            result[name], result[f"{name} error"] = values, errors
        result["apart"] = [apart(result, layer) for layer in range(len(layers))]
        return result

    @classmethod
    def claims(cls, results: Sequence[ExperimentResult]) -> list[Claim]:
        """Hold what the papers say of compression against each estimate."""
        return claims_of(results)

    @classmethod
    def remark(cls, results: Sequence[ExperimentResult]) -> str:
        """Say how well the two networks had learned."""
        return size_of(results)

    @classmethod
    def tables(cls, results: Sequence[ExperimentResult]) -> list[ResultTable]:
        """Return all estimates after the last epoch, with what they are of."""
        return last_table(results)

    def _assumed(self, layers: Sequence[Floats], epoch: int) -> dict[str, Line]:
        """Return bounds and nearest neighbours, with noise added to what is measured alone."""
        from entbench.estimators.kolchinsky_tracey_mi import (
            KolchinskyTraceyMILower,
            KolchinskyTraceyMIUpper,
        )

        assumed = math.sqrt(_VARIANCES[self.data == "szt"])
        rng = np.random.default_rng([self.seed, epoch, _NOISE])
        inputs = np.arange(len(layers[0]), dtype=np.float64)
        lower, upper, near = [], [], []
        for layer in layers:
            lower.append(_fitted(KolchinskyTraceyMILower(assumed), inputs, layer, 0.0))
            upper.append(_fitted(KolchinskyTraceyMIUpper(assumed), inputs, layer, 0.0))
            signal = np.tile(layer, (self.draws, 1))
            noisy = signal + assumed * rng.standard_normal(signal.shape)
            near.append(neighbour_information(np.tile(inputs, self.draws), noisy))
        lines = {"kt-lower": lower, "kt-upper": upper, "ksg": near}
        return {name: _by_layer(line) for name, line in lines.items()}

    def _noisy_neighbours(self, network: NoisyNetwork, X: NDArray[Any], epoch: int) -> Line:
        from entbench.networks._sampling import noisy_samples

        found = []
        for layer in range(1, network.n_layers + 1):
            seed = int(np.random.SeedSequence([self.seed, epoch, _PASSES]).generate_state(1)[0])
            index, noisy = noisy_samples(network, X, layer, self.draws * len(X), seed)
            found.append(neighbour_information(index.astype(np.float64), noisy))
        return _by_layer(found)

    def _flow(
        self, network: NoisyNetwork, X: NDArray[Any], epoch: int
    ) -> tuple[Line, list[float | None], list[float | None]]:
        from entbench.networks import InformationFlow

        flow = InformationFlow(
            network,
            passes=self.passes,
            n_inputs=self.n_inputs or None,
            tolerance=0.02,
            random_state=epoch,
        )
        layers = flow.estimate(X)
        line = _by_layer([(layer.value, layer.standard_error) for layer in layers])
        ends = [layer.interval for layer in layers]
        return line, [end.low for end in ends], [end.high for end in ends]

    def _recipe(self, sigma: float) -> TrainedDense:
        return TrainedDense.of(self, sigma=sigma)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def neighbour_information(inputs: Floats, noisy: Floats) -> tuple[float, float | None]:
    """Return I(X;T) and its scatter from samples of T, X discrete and told by numbers 0, 1, ...

    Inputs are set farther apart than any two samples, so that neighbours are of one input.
    """
    from entbench.estimators.mixed_ksg import MixedKSG

    far = 2.0 * float(np.ptp(noisy, axis=0).max()) + 1.0
    return _fitted(MixedKSG(k=_K), far * inputs, noisy)


def interval_of(result: Mapping[str, Any], name: str, layer: int) -> tuple[float, float] | None:
    """Return between which numbers an estimate is by its own word; None where it has none."""
    if name == "kt":
        return result["kt-lower"][layer], result["kt-upper"][layer]
    if name == "sp-mi":
        return result["low"][layer], result["high"][layer]
    value, error = result[name][layer], result[f"{name} error"][layer]
    return None if error is None else (value - _TWO * error, value + _TWO * error)


def apart(result: Mapping[str, Any], layer: int) -> list[list[str]]:
    """Return the pairs of estimates whose intervals have no number in common, but for rounding."""
    ends = {name: interval_of(result, name, layer) for name in INTERVALS}
    return [
        [first, second]
        for (first, one), (second, other) in combinations(ends.items(), 2)
        if one is not None
        and other is not None
        and max(one[0], other[0]) > min(one[1], other[1]) + _ROUNDING
    ]


def _binned(layers: Sequence[Floats], labels: NDArray[np.int64]) -> dict[str, Line]:
    codes = {
        "bin-0.07": [bin_codes(layer, WIDTH) for layer in layers],
        "bins-30": [codes_of_bins(layer, N_BINS, -1.0, 1.0) for layer in layers],
    }
    return {
        name: _by_layer([(plane_point(each, labels).input, 0.0) for each in every])
        for name, every in codes.items()
    }


def _fitted(
    estimator: MutualInformationEstimator, inputs: Floats, layer: Floats, error: float | None = None
) -> tuple[float, float | None]:
    """Return an estimate, and its error: as given, or the standard error that is stated."""
    fitted = estimator.fit(inputs[:, None], layer)
    return fitted.mutual_information_, fitted.standard_error_ if error is None else error


def _by_layer(found: Sequence[tuple[float, float | None]]) -> Line:
    return [value for value, _ in found], [error for _, error in found]


def _outputs(network: NoisyNetwork, X: NDArray[Any]) -> list[Floats]:
    """Return the layers and the output, without noise."""
    from entbench.networks._representations import representations

    found = representations(network, X, list(network.body.children()))
    return [layer.astype(np.float64) for layer in found]
