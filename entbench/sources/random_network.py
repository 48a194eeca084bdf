"""An inner layer of a network with random weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from entbench._base import Reference, ReferenceCheck, SourceFacts
from entbench._validation import check_choice, check_integer, check_positive
from entbench.sources._certificate import Asked, SampledSource, certify_bracket, verify_bracket

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ACTIVATIONS = ("tanh", "relu", "linear")
_INPUTS = ("normal", "uniform")
_GAIN = {"tanh": 1.5, "relu": math.sqrt(2.0), "linear": 1.0}
_BIAS = 0.1
# A uniform variable on [-1, 1] is 2 Phi(N) - 1, whose slope is at most 2 phi(0).
_UNIFORM_SLOPE = math.sqrt(2.0 / math.pi)


@dataclass(frozen=True)
class RandomNetwork(SampledSource):
    """Output S = f(U) of a fully connected network f with random weights, on random inputs U.

    The law is that of a layer T_l of a noisy network, before its noise. Its density has no closed
    form: the truth is enclosed between the plug-in and its leave-one-out counterpart.

    Parameters
    ----------
    d_in : int, default=3
        Dimension of U.
    d : int, default=5
        Dimension of S.
    sigma : float, default=0.5
        Standard deviation of the noise Z.
    activation : {"tanh", "relu", "linear"}, default="tanh"
        After every layer, the last included.
    width : int, default=16
        Units of every layer between.
    depth : int, default=2
        Number of layers, the last included.
    inputs : {"normal", "uniform"}, default="normal"
        U is N(0, I), or uniform on [-1, 1]^d_in.
    seed : int, default=0
        Where weights and biases come from: N(0, gain^2/fan-in) with gain 1.5 for "tanh", the root
        of 2 for "relu" and 1 for "linear"; N(0, 0.01).

    Notes
    -----
    "tanh" keeps S in the cube. f is Lipschitz, with L at most the product of the layers' spectral
    norms, and so S is subgaussian with K = L, or ``L sqrt(2/pi)`` for uniform inputs (concentration
    of Lipschitz functions of Gaussians); in the cube K is at most sqrt(d) too. "linear" of normal
    inputs is Gaussian, with an exact truth.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, for noisy
    networks and the plug-in; the bracket is ours (Jensen's inequality, and the definition of the
    divergence).
    """

    version: ClassVar[str] = "1"

    d_in: int = 3
    d: int = 5
    sigma: float = 0.5
    activation: str = "tanh"
    width: int = 16
    depth: int = 2
    inputs: str = "normal"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("d_in", "d", "width", "depth", "seed"):
            number = check_integer(name, getattr(self, name), minimum=int(name != "seed"))
            object.__setattr__(self, name, number)
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))
        check_choice("activation", self.activation, _ACTIVATIONS)
        check_choice("inputs", self.inputs, _INPUTS)

    @property
    def dim(self) -> int:
        """Dimension of S."""
        return self.d

    @cached_property
    def layers(self) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]:
        """Weights (fan-in, fan-out) and biases (fan-out,), layer by layer."""
        rng = np.random.default_rng(self.seed)
        sizes = [self.d_in, *[self.width] * (self.depth - 1), self.d]
        made = []
        for fan_in, fan_out in pairwise(sizes):
            weights = _GAIN[self.activation] / math.sqrt(fan_in)
            matrix = weights * rng.standard_normal((fan_in, fan_out))
            made.append((matrix, _BIAS * rng.standard_normal(fan_out)))
        return tuple(made)

    def propagate(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return f at `inputs` (n, d_in), shape (n, d)."""
        values = inputs
        for weights, biases in self.layers:
            values = values @ weights + biases
            if self.activation == "tanh":
                values = np.tanh(values)
            elif self.activation == "relu":
                values = np.maximum(values, 0.0)
        return values

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` samples, shape (n, d)."""
        if self.inputs == "normal":
            return self.propagate(rng.standard_normal((n, self.d_in)))
        return self.propagate(rng.uniform(-1.0, 1.0, (n, self.d_in)))

    def certify(self, error: float, confidence: float = 0.95, seed: int = 0) -> Reference:
        """Return h(S+Z) within `error` nats, by the bracket; see `certify_bracket`."""
        asked = Asked(error, confidence, seed)
        if self._is_gaussian:
            return self._exact
        return certify_bracket(self.sample, self.sigma, asked, self._spread)

    def verify(self, error: float, confidence: float = 0.95, seed: int = 1) -> Reference:
        """Return h(S+Z) by the cross-entropy of other samples."""
        asked = Asked(error, confidence, seed)
        return verify_bracket(self.sample, self.sigma, asked, self._spread)

    def facts(self) -> SourceFacts:
        """Return dimension, noise, whether in the cube, and a subgaussian constant."""
        norms = [float(np.linalg.norm(weights, 2)) for weights, _ in self.layers]
        constant = math.prod(norms) * (_UNIFORM_SLOPE if self.inputs == "uniform" else 1.0)
        in_cube = self.activation == "tanh"
        if self._is_gaussian:
            # the layers' own product, and not that of their norms
            constant = float(self._singular_values.max())
        ratios = np.square(self._singular_values / self.sigma) if self._is_gaussian else None
        return SourceFacts(
            self.d,
            self.sigma,
            in_unit_cube=in_cube,
            subgaussian_constant=min(constant, math.sqrt(self.d)) if in_cube else constant,
            mutual_information=None if ratios is None else 0.5 * float(np.log1p(ratios).sum()),
        )

    @property
    def _spread(self) -> float:
        """Nats that rare mass may have beyond an atom: of a law in the cube, see the bracket."""
        in_cube = self.activation == "tanh"
        return 0.5 * self.d * math.log1p(1.0 / self.sigma**2) if in_cube else 0.0

    @property
    def _is_gaussian(self) -> bool:
        return self.activation == "linear" and self.inputs == "normal"

    @cached_property
    def _singular_values(self) -> NDArray[np.float64]:
        """Those of the product of the layers' weights."""
        product = np.eye(self.d_in)
        for weights, _ in self.layers:
            product = product @ weights
        return np.asarray(np.linalg.svd(product, compute_uv=False))

    @property
    def _exact(self) -> Reference:
        """Return the entropy of N(., sigma^2 I + W'W), from singular values and by Cholesky."""
        noise = self.d * (0.5 * math.log(2.0 * math.pi * math.e) + math.log(self.sigma))
        value = noise + 0.5 * float(np.log1p(np.square(self._singular_values / self.sigma)).sum())
        product = np.eye(self.d_in)
        for weights, _ in self.layers:
            product = product @ weights
        covariance = np.eye(self.d) + product.T @ product / self.sigma**2
        factor = np.linalg.cholesky(covariance)
        second = noise + float(np.log(np.diag(factor)).sum())
        # that of the second grows with the condition number; the bound is for the first
        largest = float(np.square(self._singular_values / self.sigma).max())
        error = 2.0**-44 * (self.d + abs(value)) * (1.0 + math.log1p(largest))
        check = ReferenceCheck("Cholesky factor of the covariance", second, abs(second - value))
        return Reference(value, error, "Gaussian: singular values of the weights", (check,))
