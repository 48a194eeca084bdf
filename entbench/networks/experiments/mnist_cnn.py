"""A convolutional network on MNIST, without noise, with several strengths of it, with dropout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from entbench._base import Claim, Experiment, ExperimentResult, ResultTable
from entbench._validation import check_integer
from entbench.networks._clusters import cosines, pair_distances, sign_entropy, unit_entropies
from entbench.networks._mnist_recipe import TrainedCNN, grey
from entbench.networks._torch import require_torch
from entbench.networks.data._mnist import mnist_by_key
from entbench.networks.experiments._mnist_claims import claims_of, size_of, table_1

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.networks._network import NoisyNetwork

WIDTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # of the bins of single units
_COMPARED = 2000  # images whose distances are compared at most
_ANGLES = 200
_NORMALISED = 2000  # images for batch normalisation's means and variances
_SINGLE = 2  # the layer whose units are looked at one by one: layer 3


@dataclass(frozen=True)
class MNISTCNN(Experiment):
    """What noise in training does to a convolutional network: errors, angles, bins, distances.

    After each epoch that is kept, on images of the test set and without noise: errors and loss;
    H(Bin(T)) of input and layers with two bins for each unit; H(Bin(T(k))) of each unit of layer 3;
    distances of pairs within and between classes. In the end: the cosine of each layer's output to
    that of the network trained without noise on the same images from the same weights; and errors
    once batch normalisation has its means and variances from images without noise.

    Parameters
    ----------
    noise : float or "dropout", default=0.05
        Standard deviation of the noise in training, beta in the paper, 0 for none; or dropout
        with probability 0.2 in its place.
    seed : int, default=0
        Of weights, order and changes of the images, noise.
    epochs : int, default=128
        Of training.
    images : int, default=60000
        Of the training set; all where there are fewer.
    tested : int, default=10000
        Images of the test set; all where there are fewer.
    data : str, default="auto"
        What there is: MNIST from the folder that ``ENTBENCH_MNIST_DIR`` names, else from OpenML,
        else, with a warning, scikit-learn's digits of 8 x 8 pixels. Results say which it was:
        "mnist", "digits", or "idx-..." for other images in such a folder.

    Notes
    -----
    Layers are those of the paper's figures: 1 and 2 after the pooling, 3 after the tanh, 4 the
    output. Layer 4 has 10 units: with two bins for each H(Bin) is 10 log 2 = 6.93 nats at most,
    where Fig. 7 shows 9.2. Distances are of 2000 images at most.

    As in the paper, noise is off in testing, but batch normalisation keeps means and variances of
    the noisy batches of training. Much of what strong noise seems to ruin is that: after 16 epochs
    of 12,000 images 33 % of the test images were wrong at sigma = 0.5, and 4 % with means and
    variances taken anew ("renormalised").

    Cost: 0.6 to 0.9 ms an image and epoch on one core, 35 to 60 s for an epoch of MNIST.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, section 2,
    Table 1 and Fig. 3; section 5, Figs. 7 and 8; supplement 9.3.
    """

    version: ClassVar[str] = "1"
    figures: ClassVar[tuple[str, ...]] = (
        "errors-vs-epoch",
        "cosine-similarity",
        "binned-entropy",
        "pair-distances",
    )

    noise: float | str = 0.05
    seed: int = 0
    epochs: int = 128
    images: int = 60_000
    tested: int = 10_000
    data: str = "auto"

    def __post_init__(self) -> None:
        require_torch()  # before the first step, not at each
        object.__setattr__(self, "tested", check_integer("tested", self.tested, minimum=10))
        for name, value in vars(self._recipe(self.noise)).items():
            object.__setattr__(self, name, value)

    def resolved(self) -> MNISTCNN:
        """Return the experiment with the data that there are."""
        return replace(self, data=mnist_by_key(self.data).key)

    def steps(self) -> list[dict[str, Any]]:
        """Return the epochs, and the comparison with the network without noise."""
        epochs = self._recipe(self.noise).plan.record
        steps = [{"what": "epoch", "epoch": epoch} for epoch in epochs]
        return [*steps, {"what": "cosine", "epoch": self.epochs}]

    def measure(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Return what there is to say of the network after an epoch; lists are by layer."""
        images, labels = self._test
        layers = self._layers(self.noise, step["epoch"], images)
        if step["what"] == "cosine":
            others = self._layers(0.0, step["epoch"], images)
            return {**_compared(layers, others), "renormalised_errors": self._renormalised()}
        logits = layers[-1].astype(np.float64)
        log_p = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
        return {
            "errors": int((log_p.argmax(axis=1) != labels).sum()),
            "tested": len(labels),
            "test_loss": float(-log_p[np.arange(len(labels)), labels].mean()),
            "data": self._recipe(self.noise).source.name,
            **_binned(images, layers),
            **_distances(images, layers, labels),
        }

    @classmethod
    def claims(cls, results: Sequence[ExperimentResult]) -> list[Claim]:
        """Hold sections 2 and 5 against the results."""
        return claims_of(results, WIDTHS)

    @classmethod
    def remark(cls, results: Sequence[ExperimentResult]) -> str:
        """Say how long training was, beside the paper's."""
        return size_of(results)

    @classmethod
    def tables(cls, results: Sequence[ExperimentResult]) -> list[ResultTable]:
        """Return Table 1."""
        return table_1(results)

    def _recipe(self, noise: float | str) -> TrainedCNN:
        return TrainedCNN.of(self, noise=noise)

    @property
    def _test(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        source = self._recipe(self.noise).source
        # the first half of MNIST's test set is easier than the second
        rows = np.random.default_rng(0).permutation(len(source.test_y))[: self.tested]
        return grey(source.test_x[rows]), source.test_y[rows]

    def _renormalised(self) -> int:
        """Return the errors in the end, means and variances of batch normalisation taken anew."""
        from entbench.networks._representations import renormalise, representations

        recipe = self._recipe(self.noise)
        network = recipe.at(self.epochs)
        renormalise(network, recipe.parts.X[:_NORMALISED])
        images, labels = self._test
        (logits,) = representations(network, images, _layers_of(network)[-1:])
        return int((logits.argmax(axis=1) != labels).sum())

    def _layers(
        self, noise: float | str, epoch: int, images: NDArray[np.float32]
    ) -> list[NDArray[np.float32]]:
        from entbench.networks._representations import representations

        network = self._recipe(noise).at(epoch)
        return representations(network, images, _layers_of(network))


def _layers_of(network: NoisyNetwork) -> list[Any]:
    """Return the modules whose outputs the paper calls layers: two poolings, tanh, output."""
    _, second, third, last = network.body.children()
    return [next(second.children()), next(third.children()), third, last]


def _compared(
    layers: Sequence[NDArray[np.float32]], others: Sequence[NDArray[np.float32]]
) -> dict[str, Any]:
    found = [cosines(layer, other) for layer, other in zip(layers, others, strict=True)]
    edges = np.linspace(-1.0, 1.0, _ANGLES + 1)
    inside = [np.clip(each, -1.0, 1.0) for each in found]  # but for rounding they are
    return {
        "cosine": [float(each.mean()) for each in found],
        "cosine_deviation": [float(each.std()) for each in found],
        "cosine_edges": edges.tolist(),
        "cosine_counts": [np.histogram(each, edges)[0].tolist() for each in inside],
    }


def _binned(images: NDArray[np.float32], layers: Sequence[NDArray[np.float32]]) -> dict[str, Any]:
    pixels = images.reshape(len(images), -1)
    return {
        "input_binned": sign_entropy(pixels, 0.5),
        "binned": [sign_entropy(layer) for layer in layers],
        "unit_binned": [unit_entropies(layers[_SINGLE], width).tolist() for width in WIDTHS],
    }


def _distances(
    images: NDArray[np.float32],
    layers: Sequence[NDArray[np.float32]],
    labels: NDArray[np.int64],
) -> dict[str, Any]:
    """Return histograms of distances, and shares of nearer pairs, of the input and the layers."""
    every = (images.reshape(len(images), -1), *layers)
    found = [pair_distances(each[:_COMPARED], labels[:_COMPARED]) for each in every]
    return {
        "nearer": [each.nearer for each in found],
        "edges": [each.edges.round(5).tolist() for each in found],
        "within": [each.within.tolist() for each in found],
        "between": [each.between.tolist() for each in found],
    }
