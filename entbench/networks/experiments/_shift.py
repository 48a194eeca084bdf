"""Information of a trained noisy network under shifted laws of its input, beside bounds."""

from __future__ import annotations

import itertools
import math
import operator
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from entbench import bounds
from entbench._base import Claim, Experiment, ExperimentResult, ResultTable
from entbench._validation import check_integer, check_positive
from entbench.networks._torch import require_torch
from entbench.networks.data import DataSet
from entbench.networks.experiments._shift_claims import claims_of, tables_of
from entbench.shift import Perturbation, kl_divergence, number_rows, total_variation, wasserstein

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.networks._information import LayerInformation
    from entbench.networks._network import NoisyNetwork

NONE = "none"
_TOLERANCE = 0.02
# what a seed is for
_INPUTS, _SHIFT, _DRAWS = range(3)

_Rows = np.ndarray[Any, np.dtype[np.float32]]


class Family(NamedTuple):
    """A way to shift the law: what makes it, its intensities, and whether it needs images."""

    make: Callable[[float], Perturbation]
    intensities: tuple[float, ...]
    images: bool = False


class Distances(NamedTuple):
    """How far a shifted law is from the other: exact but for rounding; W_1 is an upper bound.

    `support` is how many values the two have together; `entropy` the larger one of their two.
    """

    tv: float
    kl: float
    w1: float
    w1_low: float
    support: int
    entropy: float


@dataclass(frozen=True)
class InformationUnderShift(Experiment):
    """I(X';T_l) where the law of X' is more and more another than that of the training data.

    P_X is uniform on `inputs` rows of the training data. P_X' is uniform on a multiset of rows, the
    weights of a shift rounded to multiples of 1/(copies * inputs). I(X';T_l) is then that between
    the number of a row and T_l, since the number reaches T_l through the row alone, and is
    estimated as for any data set. Distances are those of the rounded laws.

    The estimate has the same number of passes of each row for all laws: its bias, which is mostly
    that of h(T_l | X), is about the same for all and drops out of changes.

    A subclass says which network, which data, and which ways to shift them.
    """

    figures: ClassVar[tuple[str, ...]] = ("information-under-shift", "shift-bounds")
    families: ClassVar[Mapping[str, Family]]

    sigma: float = 0.1
    epochs: int = 1000
    inputs: int = 512
    copies: int = 4
    passes: int = 128
    points: int = 0
    n: int = 256
    draws: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        require_torch()  # before the first step, not at each
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))
        least = {"epochs": 0, "inputs": 128, "copies": 1, "passes": 2}
        for name, minimum in {**least, "points": 0, "n": 2, "draws": 2, "seed": 0}.items():
            object.__setattr__(self, name, check_integer(name, getattr(self, name), minimum))

    @abstractmethod
    def network(self) -> NoisyNetwork:
        """Return the trained network, fully connected, with tanh."""

    @abstractmethod
    def training_data(self) -> DataSet:
        """Return inputs, shape (m, columns), and labels, that the network was trained on."""

    def steps(self) -> list[dict[str, Any]]:
        """Return the law of the data, the estimator built on draws from it, and each shift."""
        found: list[dict[str, Any]] = [
            {"what": what, "family": NONE, "intensity": 0.0} for what in ("shift", "built")
        ]
        for name, family in self.families.items():
            places = np.arange(len(family.intensities))
            if self.points:
                places = np.unique(np.linspace(0, places[-1], self.points).round().astype(int))
            for place in places:
                intensity = family.intensities[place]
                found.append({"what": "shift", "family": name, "intensity": intensity})
        return found

    def measure(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Return I(X';T_l), distances and bounds of a shift; lists are by layer.

        Or, for ``what = "built"``, estimates of I(X;T_l) from draws of X, a list for each.
        """
        if step["what"] == "built":
            return self._built()
        data = self._data()
        rows = self._shifted(data, step["family"], step["intensity"])
        apart = distances(data.X, rows)
        network = self.network()
        layers = self._flow(network, self.passes).estimate(rows)
        return {
            "family": step["family"],  # a column of what is printed
            "tv": apart.tv,
            "kl": apart.kl if math.isfinite(apart.kl) else None,
            "w1": apart.w1,
            "w1_low": apart.w1_low,
            "support": apart.support,
            "rows": len(rows),
            **_informations(layers),
            **shift_bounds(apart, network),
        }

    @classmethod
    def claims(cls, results: Sequence[ExperimentResult]) -> list[Claim]:
        """Hold the slides' theorems, as printed and as corrected, against the results."""
        return claims_of(results)

    @classmethod
    def remark(cls, results: Sequence[ExperimentResult]) -> str:
        """Say of what size the run was."""
        if not results:
            return ""
        params = results[-1].params
        return (
            f"{params['inputs']} inputs or all, {params['passes']} passes or more; "
            "the slides print no numbers"
        )

    @classmethod
    def tables(cls, results: Sequence[ExperimentResult]) -> list[ResultTable]:
        """Return how the bounds fared by layer, all shifts, and an example computed exactly."""
        return tables_of(results)

    def _data(self) -> DataSet:
        X, y = self.training_data()
        rng = np.random.default_rng([self.seed, _INPUTS])
        rows = np.sort(rng.permutation(len(X))[: self.inputs])
        return DataSet(np.asarray(X[rows], dtype=np.float32), y[rows])

    def _shifted(self, data: DataSet, family: str, intensity: float) -> _Rows:
        """Return the rows that X' is uniform on, as often as need be, as the network reads them."""
        X, y = data
        if family == NONE:
            return X
        asked = self.families[family]
        # the same draws for every intensity: the same half loses its mass
        rng = np.random.default_rng([self.seed, _SHIFT, list(self.families).index(family)])
        inputs = _as_images(X) if asked.images else X
        found = asked.make(intensity).apply(inputs, y, rng)
        counts = rounded(found.weights, self.copies * len(X), rng)
        rows = found.X.reshape(len(found.X), -1).astype(np.float32)
        # as few as make the same law: equal weights take each row once
        return np.repeat(rows, counts // np.gcd.reduce(counts), axis=0)

    def _flow(self, network: NoisyNetwork, passes: int) -> Any:
        from entbench.networks import InformationFlow

        return InformationFlow(network, passes=passes, tolerance=_TOLERANCE, random_state=self.seed)

    def _built(self) -> dict[str, Any]:
        """Return estimates from `n` inputs drawn from P_X and `n` passes of each; Guarantee 3."""
        data, network = self._data(), self.network()
        flow, found = self._flow(network, self.n), []
        for draw in range(self.draws):
            rng = np.random.default_rng([self.seed, _DRAWS, draw])
            layers = flow.estimate(data.X[rng.integers(len(data.X), size=self.n)])
            found.append([layer.value for layer in layers])
        risk = [
            bounds.information_risk_bound(self.n, dim, self.sigma, first_layer=place == 0)
            for place, dim in enumerate(widths(network))
        ]
        return {"built": found, "risk_bound": risk}


def rounded(weights: NDArray[np.float64], total: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return counts that sum to `total`, each ``total * weights`` rounded up or down.

    Sums over all rows up to a weight are right to within 1, so that shares of rows of equal weight
    are kept. The largest remainders would go to one of two equal groups, and undo a small shift.
    """
    order = np.lexsort((rng.random(len(weights)), weights))
    edges = np.rint(np.cumsum(weights[order]) * total)
    edges[-1] = total
    counts = np.empty(len(weights), dtype=np.intp)
    counts[order] = np.diff(edges, prepend=0.0).astype(np.intp)
    return counts


def distances(X: _Rows, other: _Rows) -> Distances:
    """Return how far the uniform law on the rows of `other` is from that on the rows of X.

    W_1 is that of what one law has more than the other, times its mass: mass that both have need
    not move, by duality.
    """
    both = np.vstack([X, other]).astype(np.float64)
    value_of, size = number_rows(both)
    values = np.empty((size, both.shape[1]))
    values[value_of] = both
    m, k = len(X), len(other)
    scale = math.lcm(m, k)
    before = np.bincount(value_of[:m], minlength=size) * (scale // m)
    after = np.bincount(value_of[m:], minlength=size) * (scale // k)
    low, high = _moved(values, after - before)
    p, q = after / scale, before / scale
    return Distances(
        tv=total_variation(p, q).value,
        kl=kl_divergence(p, q).value,
        w1=high / scale,
        w1_low=low / scale,
        support=size,
        entropy=max(_entropy(p), _entropy(q)),
    )


def _moved(values: NDArray[np.float64], more: NDArray[np.intp]) -> tuple[float, float]:
    """Return bounds on the least cost to move what is too much to where there is too little."""
    unit = int(np.gcd.reduce(more))
    if unit == 0:
        return 0.0, 0.0
    excess = np.repeat(values, np.maximum(more // unit, 0), axis=0)
    lack = np.repeat(values, np.maximum(-more // unit, 0), axis=0)
    found = wasserstein(excess, lack)
    mass = float(unit * len(excess))
    return mass * found.low, mass * found.high


def _entropy(law: NDArray[np.float64]) -> float:
    held = law[law > 0.0]
    return -float(held @ np.log(held))


def widths(network: NoisyNetwork) -> list[int]:
    """Return the widths of the noisy layers."""
    return [len(matrix) for matrix in _matrices(network)[:-1]]


def lipschitz_constants(network: NoisyNetwork) -> list[float]:
    """Return L of each noisy layer: ``|S_l(x) - S_l(x')| <= L |x - x'|`` for the same noise before.

    The product of the spectral norms of the weights up to the layer; tanh has slope 1 at most.
    """
    norms = [float(np.linalg.norm(matrix, 2)) for matrix in _matrices(network)[:-1]]
    return list(itertools.accumulate(norms, operator.mul))


def _matrices(network: NoisyNetwork) -> list[NDArray[np.float64]]:
    arrays = network.state_arrays().values()
    return [array.astype(np.float64) for array in arrays if array.ndim == 2]


def shift_bounds(apart: Distances, network: NoisyNetwork) -> dict[str, Any]:
    """Return bounds on ``|I(X';T_l) - I(X;T_l)|`` in nats, lists by layer.

    "tv", "kl" and "w1", corrected; the printed forms with N_l the width and with N the values of
    the input, None where they are not defined; and what is sure without any of them: information is
    at most the entropy of the input, and the capacity of the layer.
    """
    found: dict[str, list[float | None]] = {
        f"{name}_bound": []
        for name in ("tv", "kl", "w1", "tv_width", "kl_width", "tv_inputs", "kl_inputs", "trivial")
    }
    constants = lipschitz_constants(network)
    for place, (dim, slope) in enumerate(zip(widths(network), constants, strict=True)):
        capacity = bounds.trivial_range(dim, network.sigma)
        size = max(2, apart.support)
        for name, value in {
            "tv": bounds.tv_shift_bound(apart.tv, size, capacity),
            "kl": bounds.kl_shift_bound(apart.kl, size, capacity),
            "w1": bounds.wasserstein_shift_bound(
                apart.w1, dim, network.sigma, slope, first_layer=place == 0
            ),
            "tv_width": bounds.tv_shift_printed(apart.tv, max(2, dim)),
            "kl_width": _kl_printed(apart.kl, max(2, dim)),
            "tv_inputs": bounds.tv_shift_printed(apart.tv, size),
            "kl_inputs": _kl_printed(apart.kl, size),
            "trivial": min(apart.entropy, capacity),
        }.items():
            found[f"{name}_bound"].append(value)
    return {**found, "width": widths(network), "lipschitz": constants}


def _kl_printed(divergence: float, size: int) -> float | None:
    """Return the printed form; None beyond a divergence of 2, where it is not defined."""
    return None if divergence > 2.0 else bounds.kl_shift_printed(divergence, size)


def _informations(layers: Sequence[LayerInformation]) -> dict[str, Any]:
    from entbench.networks import check_flow

    return {
        "information": [layer.value for layer in layers],
        "low": [layer.interval.low for layer in layers],
        "high": [layer.interval.high for layer in layers],
        "n": [layer.n for layer in layers],
        "broken": [f"{c.name}: {c.detail}" for c in check_flow(layers) if not c.holds],
    }


def _as_images(X: _Rows) -> _Rows:
    """Return rows of pixels as square images."""
    side = math.isqrt(X.shape[1])
    return X.reshape(len(X), side, side)
