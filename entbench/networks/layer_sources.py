"""Layers of trained noisy networks as sources: the law of S_l, before its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from entbench._base import SourceFacts
from entbench._validation import check_integer, check_positive
from entbench.networks._torch import require_torch
from entbench.networks._zoo import LAYERS, Trained, check_epoch
from entbench.sources._certificate import (
    Asked,
    SampledSource,
    certify_bracket,
    certify_mixture,
    verify_bracket,
    verify_mixture,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench._base import Reference
    from entbench.mixture import GaussianMixture
    from entbench.networks._network import NoisyNetwork


@dataclass(frozen=True)
class NetworkLayer(SampledSource):
    """Layer S_l of a noisy network in training, its input uniform on the data set.

    T_l = S_l + Z_l is what the next layer sees, and h(T_l) the first term of I(X;T_l). The network
    is trained when it is first asked for, and kept on the disk.

    Parameters
    ----------
    network : {"szt", "spiral"}, default="szt"
        12-10-7-5-4-3-2 on the data of Shwartz-Ziv and Tishby; 2-3-3-3-3-3-2 on a two-arm spiral.
    layer : int, default=1
        Which hidden layer, from 1.
    epoch : int, default=100
        After which epoch of training, 0 to 8000; weights are kept at 12 epochs a decade.
    sigma : float, default=0.005
        Standard deviation of the noise in every layer, in training and after; beta in the paper.
    activation : {"tanh", "relu", "linear"}, default="tanh"
        Of the hidden layers.
    orthonormal : float, default=0.0
        Strength of the regularisation towards orthonormal weights; 5e-5 in the paper.
    seed : int, default=0
        Of weights, order of the data and noise in training.

    Notes
    -----
    Layer 1 is a function of the input: a mixture over the data set, integrated. Deeper layers have
    noise inside, and no closed form: the truth is enclosed between the plug-in and its
    leave-one-out counterpart. With little noise that takes many samples: at the defaults 0.05 nats
    are had for layer 5 in 15 s, and for layer 3 are beyond the budget. With tanh S is in the cube,
    and subgaussian with K = sqrt(d).

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, sections 2
    and 5. The optimiser is that of Shwartz-Ziv and Tishby's public code: the paper prints none.
    """

    version: ClassVar[str] = "1"

    network: str = "szt"
    layer: int = 1
    epoch: int = 100
    sigma: float = 0.005
    activation: str = "tanh"
    orthonormal: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in vars(self._recipe).items():
            object.__setattr__(self, name, value)
        check_positive("sigma", self.sigma)
        depth = len(LAYERS[self.network])
        layer = check_integer("layer", self.layer, minimum=1, maximum=depth)
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "epoch", check_epoch(self.epoch))

    @property
    def dim(self) -> int:
        """Units of the layer."""
        return LAYERS[self.network][self.layer - 1]

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` samples, shape (n, dim): a random input and fresh noise for each."""
        require_torch()
        from entbench.networks._sampling import signals_of

        X = self._recipe.data.X
        index = rng.integers(0, len(X), n)
        return signals_of(self._trained, X, index, self.layer, int(rng.integers(2**63)))

    def certify(self, error: float, confidence: float = 0.95, seed: int = 0) -> Reference:
        """Return h(S+Z) within `error` nats; see `certify_mixture` and `certify_bracket`."""
        asked = Asked(error, confidence, seed)
        if self.layer == 1:
            return certify_mixture(self._mixture, asked)
        return certify_bracket(self.sample, self.sigma, asked)

    def verify(self, error: float, confidence: float = 0.95, seed: int = 1) -> Reference:
        """Return h(S+Z) by other draws of the mixture, or by fresh samples of the layer."""
        asked = Asked(error, confidence, seed)
        if self.layer == 1:
            return verify_mixture(self._mixture, asked)
        return verify_bracket(self.sample, self.sigma, asked)

    def facts(self) -> SourceFacts:
        """Return dimension and noise, and that tanh keeps S in the cube."""
        inside = self.activation == "tanh"
        return SourceFacts(
            self.dim,
            self.sigma,
            in_unit_cube=inside,
            subgaussian_constant=math.sqrt(self.dim) if inside else None,
        )

    @cached_property
    def _recipe(self) -> Trained:
        return Trained.of(self)

    @property
    def _trained(self) -> NoisyNetwork:
        return _trained_at(self._recipe, self.epoch)

    @property
    def _mixture(self) -> GaussianMixture:
        require_torch()
        from entbench.mixture import GaussianMixture
        from entbench.networks._sampling import signals_of

        X = self._recipe.data.X
        signal = signals_of(self._trained, X, np.arange(len(X)), self.layer)
        return GaussianMixture(signal, self.sigma)


@lru_cache(maxsize=16)
def _trained_at(recipe: Trained, epoch: int) -> NoisyNetwork:
    """Return the network, kept: cells of one layer follow each other in a worker."""
    return recipe.at(epoch)
