"""What trained noisy networks know of inputs whose law has shifted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from entbench.networks._dense_recipe import THREE_DIGITS, TrainedDense
from entbench.networks._zoo import Trained, check_epoch
from entbench.networks.data import DataSet
from entbench.networks.data._mnist import mnist_by_key
from entbench.networks.experiments._shift import Family, InformationUnderShift
from entbench.shift import (
    AdditiveNoise,
    BitFlips,
    LabelSkew,
    Reweighting,
    Rotation,
    Tilting,
    Translation,
)

if TYPE_CHECKING:
    from entbench.networks._network import NoisyNetwork

_SHARES = (0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
_LENGTHS = (1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class ShiftSZT(InformationUnderShift):
    """I(X';T_l) of the trained noisy network 12-10-7-5-4-3-2 against the shift of its input.

    X is uniform on training rows of the data of Shwartz-Ziv and Tishby. Shifts: mass moved between
    random halves of the values ("reweighting", by its total variation) or between the classes
    ("label-skew"), exponential tilting (by its divergence in nats), bits flipped, each with a
    probability, normal noise on all columns, all inputs moved along one direction.

    Parameters
    ----------
    sigma : float, default=0.1
        Standard deviation of the noise in training and after; beta in the slides.
    epochs : int, default=1778
        How long the network was trained: an epoch whose weights are kept.
    inputs : int, default=512
        How many training rows, drawn at random, X is uniform on, at least 128; all where there are
        fewer.
    copies : int, default=4
        Probabilities of a shifted law are multiples of 1/(copies * inputs).
    passes : int, default=128
        Passes of the network for each of the rows, equal ones too, that a law is uniform on.
    points : int, default=0
        Intensities of each shift, evenly among those there are; 0 for all.
    n : int, default=256
        Inputs that the estimator is built on, and passes of each.
    draws : int, default=8
        How often it is built.
    seed : int, default=0
        Of weights, order of the data, noise and shifts.

    Notes
    -----
    Bounds by total variation and divergence are of no use where points leave the support, as by
    noise and translation: total variation is 1 there, divergence infinite. The one by the
    Wasserstein distance takes the product of the spectral norms of the weights up to the layer as
    Lipschitz constant.

    Cost: a step passes up to ``inputs * copies * passes`` rows through the network, 1 to 8 s.

    References
    ----------
    Slides on distribution shift (2025): theorems on TV and KL shift. They print no data; networks,
    shifts and intensities are ours, and so is the bound by the Wasserstein distance.
    """

    version: ClassVar[str] = "1"
    families: ClassVar[Mapping[str, Family]] = {
        "reweighting": Family(Reweighting, _SHARES),
        "tilting": Family(Tilting, (0.003, 0.03, 0.1, 0.3, 0.7, 1.5, 3.0, 4.0)),
        "label-skew": Family(LabelSkew, (0.01, 0.03, 0.1, 0.2, 0.3, 0.35)),
        "bit-flips": Family(BitFlips, (0.003, 0.01, 0.03, 0.1, 0.2, 0.5)),
        "additive-noise": Family(AdditiveNoise, _LENGTHS),
        "translation": Family(Translation, _LENGTHS),
    }

    epochs: int = 1778

    def __post_init__(self) -> None:
        super().__post_init__()
        check_epoch(self.epochs)

    def network(self) -> NoisyNetwork:
        """Return the trained network."""
        return self._recipe.at(self.epochs)

    def training_data(self) -> DataSet:
        """Return what it was trained on."""
        X, y, _ = self._recipe.parts
        return DataSet(X, y)

    @property
    def _recipe(self) -> Trained:
        return Trained("szt", "tanh", self.sigma, seed=self.seed)


@dataclass(frozen=True)
class ShiftMNIST(InformationUnderShift):
    """I(X';T_l) of a noisy network trained on the digits 1, 3 and 8, against shifts of its input.

    The network has layers of 10, 7, 5, 4 and 3 units with tanh. Shifts: normal noise on all pixels,
    images moved by pixels or turned by degrees, mass moved between random halves of the images
    ("reweighting", by its total variation) or of the digits ("label-skew").

    Parameters
    ----------
    sigma : float, default=0.1
        Standard deviation of the noise in training and after; beta in the slides.
    epochs : int, default=1000
        How long to train.
    inputs, copies, passes, points, n, draws, seed
        As in `ShiftSZT`; values of X are images.
    data : str, default="auto"
        What there is, as in `MNISTCNN`: "mnist", "digits" or "idx-...".

    Notes
    -----
    Grey levels are in [0, 1]. As in `ShiftSZT`, only the bound by the Wasserstein distance can say
    something of images that are changed.

    References
    ----------
    Slides on distribution shift (2025): theorems on TV and KL shift. The network is the one of
    "Revisiting the Information Plane", section 2.1, with noise; shifts and intensities are ours.
    """

    version: ClassVar[str] = "1"
    families: ClassVar[Mapping[str, Family]] = {
        "additive-noise": Family(AdditiveNoise, (1e-5, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0)),
        "translation": Family(
            partial(Translation, direction="pixels"),
            (1e-4, 1e-3, 0.01, 0.1, 0.5, 1.0, 2.0, 4.0),
            True,
        ),
        "rotation": Family(Rotation, (1e-3, 0.01, 0.1, 1.0, 5.0, 15.0, 45.0, 90.0), True),
        "reweighting": Family(Reweighting, _SHARES),
        "label-skew": Family(LabelSkew, (0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5)),
    }

    data: str = "auto"

    def resolved(self) -> ShiftMNIST:
        """Return the experiment with the data that there are."""
        return replace(self, data=mnist_by_key(self.data).key)

    def network(self) -> NoisyNetwork:
        """Return the trained network."""
        return self._recipe.at(self.epochs)

    def training_data(self) -> DataSet:
        """Return what it was trained on."""
        X, y, _ = self._recipe.parts
        return DataSet(X, y)

    @property
    def _recipe(self) -> TrainedDense:
        return TrainedDense.of(self, data=f"{self.data}{THREE_DIGITS}", records=2)
