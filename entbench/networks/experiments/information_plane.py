"""Networks without noise in the information plane, by counting in bins of several sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from entbench._base import Claim, Experiment, ExperimentResult, ResultTable
from entbench._validation import check_integer
from entbench.networks._dense_recipe import TrainedDense, found_data, load_rows
from entbench.networks._plane import (
    WIDTHS,
    PlanePoint,
    bin_codes,
    codes_of_bins,
    label_entropy,
    occupied,
    plane_point,
    row_codes,
)
from entbench.networks._torch import require_torch
from entbench.networks.data import split
from entbench.networks.experiments._plane_claims import claims_of, size_of, tables_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Layers = list[NDArray[np.float64]]

FINE_WIDTHS = (1e-3, 1e-5, 1e-7, 1e-9)
N_BINS = (10, 30, 100, 300)
HISTOGRAM_WIDTH = 0.07
_RANGES = {"tanh": (-1.0, 1.0), "softmax": (0.0, 1.0)}


@dataclass(frozen=True)
class InformationPlane(Experiment):
    """I(X;Bin(T_l)) and I(Bin(T_l);Y) of a network without noise in training, bins of many sizes.

    At each recorded epoch, of the hidden layers and the softmax output: both coordinates in bins
    of 0.01, 0.07, 0.15 and 0.3, and in 10, 30, 100 and 300 equal bins; which bins of 0.07 hold
    anything; losses (nats) and accuracies on training and validation rows. After the first epoch,
    half of them and the last: much smaller bins, rows as they are, histograms of activations.

    Parameters
    ----------
    data : str, default="szt"
        "szt"; "auto-138" for 1000 images of each of the digits 1, 3 and 8 of the MNIST there is
        (see `MNISTCNN`), and what results then say it was: "mnist-138", "digits-138",
        "idx-...-138".
    hidden : str, default="10-7-5-4-3"
        Units of the hidden layers.
    activation : str, default="tanh"
        "tanh", "relu" or "linear" of all hidden layers, or of each, as in
        "relu-relu-tanh-tanh-tanh".
    epochs : int, default=8000
        Of training.
    records : int, default=400
        At how many epochs to measure, about: each one at first, then evenly on a logarithmic scale.
    learning_rate : float, default=0.05
        Of stochastic gradient descent, batches of 256, no regularisation.
    seed : int, default=0
        Of weights and order of the data. The split into training and validation is always the same.
    patience : int, default=100
        Early stopping ends training at the first recorded epoch that is so many epochs past the
        least validation loss.

    Notes
    -----
    X is uniform on the training rows and T_l is a function of X, so I(X;Bin(T_l)) = H(Bin(T_l)),
    and both coordinates are exact for these data: counts, no estimates. They are a property of
    the bins as much as of the network. I(X;T_l) itself is H(X) at every epoch wherever T_l is
    one-to-one on the training rows, and then I(T_l;Y) is I(X;Y); smaller bins approach that. Where
    they do not, rows of T_l are equal as floating-point numbers: all units of a ReLU layer are 0,
    or tanh is 1 to the last bit of single precision; or the output is so sure that probabilities
    differ by less than any bin. "rows" in the tables counts with rows as they are, where no bins
    are smaller.

    I(X;Bin(T_l)) may be below I(X;Bin(T_(l+1))), as behind a bottleneck, ``hidden="3-2-12-2"``.
    That breaks no law. The data processing inequality is of a chain X - T_2 - T_3; Bin(T_3) is a
    function of T_3 and so of T_2, not of Bin(T_2). A layer of 12 units has more cells for the same
    points on a surface of two dimensions than the two units before it, and weights above 1 spread
    out what shared a cell.

    Activations are in single precision. Bins begin at 0, and 1 is an edge of those of 0.01: what
    tanh or softmax rounds to 1 has a bin of its own there, apart from what is just below.

    Equal bins lie between -1 and 1 for tanh, 0 and 1 for softmax; otherwise between the least and
    the largest activation of the layer at that epoch.

    Cost: what is kept of training are weights, on the disk; activations are computed again for
    each recorded epoch, one at a time. Memory does not grow with `records`.

    References
    ----------
    "Revisiting the Information Plane", under review for ICLR 2020, sections 2.1 to 2.4, appendices
    B to D, F and G. Rate, patience and law of the first weights are ours: it prints none. Its
    Table 1 has log2 1500 bits for H(X) of MNIST, where 80 % of its 3 x 1000 images are 2400.
    """

    version: ClassVar[str] = "1"
    figures: ClassVar[tuple[str, ...]] = (
        "information-plane",
        "plane-histograms",
        "plane-training",
        "plane-stopping",
    )

    data: str = "szt"
    hidden: str = "10-7-5-4-3"
    activation: str = "tanh"
    epochs: int = 8000
    records: int = 400
    learning_rate: float = 0.05
    seed: int = 0
    patience: int = 100

    def __post_init__(self) -> None:
        require_torch()  # before the first step, not at each
        recipe = self._recipe
        for name in ("hidden", "epochs", "records", "learning_rate", "seed"):
            object.__setattr__(self, name, getattr(recipe, name))
        object.__setattr__(self, "patience", check_integer("patience", self.patience, minimum=1))

    def resolved(self) -> InformationPlane:
        """Return the experiment with the data that there are."""
        return replace(self, data=found_data(self.data))

    def steps(self) -> list[dict[str, Any]]:
        """Return the epochs."""
        return [{"epoch": epoch} for epoch in self._recipe.plan.record]

    def measure(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Return what there is to say of the network after an epoch; lists are by layer."""
        X, y = load_rows(self.data)
        train, test = split(X, y)
        layers = self._layers(step["epoch"], X)
        output, labels = layers[-1], y[train]
        rows = [layer[train] for layer in layers[:-1]]
        # as single precision has it, like the layers before
        rows.append(np.exp(output[train]).astype(np.float32).astype(np.float64))
        found = {
            "input_limit": float(np.log(len(train))),
            "label_limit": label_entropy(labels),
            **_fit("train", output[train], labels),
            **_fit("validation", output[test], y[test]),
            **_by_width("", WIDTHS, rows, labels),
            **self._by_number(rows, labels),
        }
        bins = [occupied(layer, HISTOGRAM_WIDTH) for layer in rows]
        found["first_bin"] = [each.first for each in bins]
        found["last_bin"] = [each.first + len(each.counts) - 1 for each in bins]
        found["filled"] = [int((each.counts > 0).sum()) for each in bins]
        if step["epoch"] in self.landmarks:
            found |= _by_width("fine_", FINE_WIDTHS, rows, labels)
            found |= _named("row_", [[plane_point(row_codes(layer), labels) for layer in rows]])
            found["histogram"] = [each.counts.tolist() for each in bins]
        return found

    @property
    def landmarks(self) -> list[int]:
        """The recorded epochs nearest to the first, half of all, and the last."""
        epochs = self._recipe.plan.record
        wanted = (1, self.epochs / 2, self.epochs)
        return [min(epochs, key=lambda epoch: abs(epoch - each)) for each in wanted]

    @classmethod
    def claims(cls, results: Sequence[ExperimentResult]) -> list[Claim]:
        """Hold sections 2.2 to 2.4 and appendix F against the results."""
        return claims_of(results)

    @classmethod
    def remark(cls, results: Sequence[ExperimentResult]) -> str:
        """Say how long training was, beside the paper's."""
        return size_of(results)

    @classmethod
    def tables(cls, results: Sequence[ExperimentResult]) -> list[ResultTable]:
        """Return Table 1, the layers' ends by bin size, and the stops side by side."""
        return tables_of(results, WIDTHS, FINE_WIDTHS, N_BINS)

    @property
    def _recipe(self) -> TrainedDense:
        return TrainedDense.of(self)

    def _layers(self, epoch: int, X: NDArray[Any]) -> Layers:
        """Return the hidden layers, and logs of the softmax of the output in double precision."""
        from entbench.networks._representations import representations

        network = self._recipe.at(epoch)
        *hidden, logits = representations(network, X, list(network.body.children()))
        output = logits.astype(np.float64)
        output -= np.logaddexp.reduce(output, axis=1)[:, None]
        return [*(layer.astype(np.float64) for layer in hidden), output]

    def _by_number(self, rows: Layers, labels: NDArray[np.int64]) -> dict[str, Any]:
        names = (*self._recipe.activations, "softmax")
        points = [
            [
                _equal_bins(layer, count, name, labels)
                for layer, name in zip(rows, names, strict=True)
            ]
            for count in N_BINS
        ]
        return _named("number_", points)


def _equal_bins(
    layer: NDArray[np.float64], count: int, name: str, labels: NDArray[np.int64]
) -> PlanePoint:
    low, high = _RANGES.get(name) or (float(layer.min()), float(layer.max()))
    if low == high:  # a layer whose units are all dead: one cell
        return plane_point(np.zeros(len(layer), dtype=np.int64), labels)
    return plane_point(codes_of_bins(layer, count, low, high), labels)


def _by_width(
    prefix: str, widths: Sequence[float], rows: Layers, labels: NDArray[np.int64]
) -> dict[str, Any]:
    points = [[plane_point(bin_codes(layer, width), labels) for layer in rows] for width in widths]
    return _named(prefix, points)


def _named(prefix: str, points: Sequence[Sequence[PlanePoint]]) -> dict[str, Any]:
    """Return both coordinates as lists by size of bins, each a list by layer."""
    return {
        f"{prefix}input": [[point.input for point in line] for line in points],
        f"{prefix}label": [[point.label for point in line] for line in points],
    }


def _fit(part: str, log_p: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, float]:
    """Return cross-entropy in nats and accuracy."""
    loss = -log_p[np.arange(len(labels)), labels]
    return {
        f"{part}_loss": float(loss.mean()),
        f"{part}_accuracy": float((log_p.argmax(axis=1) == labels).mean()),
    }
