"""Networks with Gaussian noise after their layers: T_l = f_l(T_{l-1}) + Z_l."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from entbench._validation import check_integer
from entbench.networks._bodies import Chain, Tapped
from entbench.networks._noise import Dropout, GaussianNoise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

# After these a layer ends; softmax is not among them, since it makes an output.
_ACTIVATIONS = (
    *(nn.Tanh, nn.Hardtanh, nn.Sigmoid, nn.Hardsigmoid, nn.LogSigmoid, nn.Softsign, nn.Softplus),
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU),
    *(nn.GELU, nn.SiLU, nn.Hardswish, nn.Mish, nn.Tanhshrink, nn.Softshrink, nn.Hardshrink),
    nn.Threshold,
)


class NoisyNetwork(nn.Module):
    """A network with independent Gaussian noise added to the output of each hidden layer.

    T_0 = X, S_l = f_l(T_{l-1}), T_l = S_l + Z_l with Z_l ~ N(0, sigma^2 I) for l = 1, ..., L-1;
    the output f_L(T_{L-1}) has no noise. Layers are counted from 1.

    Parameters
    ----------
    stages : sequence of torch.nn.Module
        f_1, ..., f_L. An ``nn.Identity()`` as the last makes the output noisy: then it is T_{L-1}.
    sigma : float
        Standard deviation of the noise. 0 makes a deterministic network: it can be run and
        trained, but has no I(X;T) to estimate.
    dropout : float, default=0.0
        Where > 0, dropout with this probability, in train mode only, takes the place of the noise.

    Attributes
    ----------
    noise : GaussianNoise or Dropout
        What comes after each hidden layer.

    Notes
    -----
    Noise is there in train and in eval mode, unless `noisy` is set to False. It comes from a
    generator of the network's own, which starts from seed 0 (see `seed`) and starts again where
    the network is run on another device: two networks made alike give the same outputs.

    Modules are shared with whoever made them, never copied: training one trains the other, and
    ``train()`` and ``eval()`` set the mode of both.

    The layers of a chain of stages form a Markov chain X - T_1 - T_2 - ..., and so
    I(X;T_1) >= I(X;T_2) >= .... In a module wrapped by `from_module` that holds only where
    everything later passes through the named layer: not, say, for one inside a residual branch.

    References
    ----------
    Z. Goldfeld, E. van den Berg, K. Greenewald, I. Melnyk, N. Nguyen, B. Kingsbury, Y. Polyanskiy,
    "Estimating information flow in deep neural networks", ICML 2019, section 2; Table 1 for
    dropout. The paper's beta is `sigma` here.
    """

    def __init__(
        self, stages: Sequence[nn.Module] | Chain | Tapped, sigma: float, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        noise = GaussianNoise(sigma)
        drop = Dropout(dropout)
        if drop.p > 0.0 and noise.sigma > 0.0:
            raise ValueError(
                "`sigma` must be 0 where `dropout` > 0, which takes the place of the noise; "
                f"got sigma={sigma!r}."
            )
        self.body = stages if isinstance(stages, Chain | Tapped) else Chain(stages)
        self.noise: GaussianNoise | Dropout = drop if drop.p > 0.0 else noise
        self._seed = 0
        self._generator: torch.Generator | None = None

    @classmethod
    def from_sequential(
        cls, module: nn.Sequential, sigma: float, *, after: Sequence[int] | None = None
    ) -> Self:
        """Add noise between the modules of a Sequential, whose parameters are shared.

        Parameters
        ----------
        module : torch.nn.Sequential
            The network, trained or not.
        sigma : float
            Standard deviation of the noise.
        after : sequence of int, optional
            Places in `module`, from 0, after which noise comes. By default after each activation
            but one at the end, which belongs to the output.
        """
        if not isinstance(module, nn.Sequential):
            raise TypeError(
                f"`module` must be a torch.nn.Sequential; got {type(module).__name__}. "
                "`from_module` takes any module."
            )
        places = _activations(module) if after is None else _check_places(after, len(module))
        names = [name for name, _ in module.named_children()]
        cuts = [0, *(place + 1 for place in places), len(module)]
        stages: list[nn.Module] = [module[start:stop] for start, stop in pairwise(cuts)]
        return cls(Chain(stages, [names[place] for place in places]), sigma)

    @classmethod
    def from_module(cls, module: nn.Module, sigma: float, layers: Sequence[str]) -> Self:
        """Add noise to the outputs of named submodules of any module, which is not changed.

        Parameters
        ----------
        module : torch.nn.Module
            The network, trained or not. It carries hooks during a pass of the noisy network, and
            at no other time: called by itself, it gives what it always gave.
        sigma : float
            Standard deviation of the noise.
        layers : sequence of str
            Names as in ``module.named_modules()``, in the order in which they run; each must run
            once in a pass, and give a tensor whose first axis is the batch.
        """
        if not isinstance(module, nn.Module):
            raise TypeError(f"`module` must be a torch.nn.Module; got {type(module).__name__}.")
        return cls(Tapped(module, layers), sigma)

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise."""
        return self.noise.sigma

    @property
    def dropout(self) -> float:
        """Probability of dropout where it takes the place of the noise, else 0."""
        return self.noise.p if isinstance(self.noise, Dropout) else 0.0

    @property
    def n_layers(self) -> int:
        """How many layers have noise."""
        return len(self.layer_names)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """What the layers with noise are called."""
        return self.body.names

    @property
    def noisy(self) -> bool:
        """Whether noise is drawn; can be set."""
        return self.noise.on

    @noisy.setter
    def noisy(self, on: bool) -> None:
        self.noise.on = bool(on)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self._example().device

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the parameters; double where there are none."""
        return self._example().dtype

    @property
    def generator(self) -> torch.Generator:
        """Where the noise comes from, on the parameters' device."""
        return self._generator_on(self.device)

    def seed(self, seed: int) -> Self:
        """Start the noise again, from `seed`."""
        self._seed = check_integer("seed", seed, minimum=0, maximum=2**63 - 1)
        self._generator = None
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return the output for a batch `x`, with fresh noise."""
        self.noise.generator = self._generator_on(x.device)
        return self.body.run(x, self._add_noise)

    def signals(self, x: Tensor) -> list[Tensor]:
        """Return S_1, ..., S_{L-1} of one pass with fresh noise, each of shape (batch, d_l)."""
        self.noise.generator = self._generator_on(x.device)
        found: list[Tensor] = []

        def tap(layer: int, signal: Tensor) -> Tensor:
            # a copy: what follows may work in place
            found.append(self._rows(layer, signal, len(x)).clone())
            return self._add_noise(layer, signal)

        self.body.run(x, tap)
        return found

    def signal(self, x: Tensor, layer: int, noise: GaussianNoise | None = None) -> Tensor:
        """Return S_l of one pass that goes no further, shape (batch, d_l).

        Parameters
        ----------
        x : Tensor
            A batch of inputs.
        layer : int
            Which layer, from 1.
        noise : GaussianNoise, optional
            Takes the place of the network's own noise.
        """
        self.noise.generator = self._generator_on(x.device)
        wanted = self.check_layer(layer)
        adds = noise or self.noise

        def tap(number: int, signal: Tensor) -> Tensor:
            if number == wanted:
                raise _ReachedError(self._rows(number, signal, len(x)))
            return adds(signal)  # type: ignore[no-any-return]

        try:
            self.body.run(x, tap)
        except _ReachedError as reached:
            return reached.signal
        raise AssertionError("a pass runs every layer")

    def with_sigma(self, sigma: float) -> NoisyNetwork:
        """Return a network of the same modules, shared and not copied, with other noise."""
        return NoisyNetwork(self.body, sigma)

    def twin(self) -> NoisyNetwork:
        """Return the deterministic network of the same modules, shared and not copied."""
        return self.with_sigma(0.0)

    @contextmanager
    def quiet(self) -> Iterator[Self]:
        """Run without noise and dropout inside a ``with``."""
        drops = [m for m in self.modules() if isinstance(m, _DropoutNd) and m.training]
        before = self.noisy
        self.noisy = False
        for module in drops:
            module.training = False
        try:
            yield self
        finally:
            self.noisy = before
            for module in drops:
                module.training = True

    def state_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return a copy of parameters and buffers by name, as NumPy arrays."""
        state = self.body.core.state_dict()
        return {name: np.array(tensor.detach().cpu().numpy()) for name, tensor in state.items()}

    def load_arrays(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Set parameters and buffers to what `state_arrays` gave.

        Raises
        ------
        ValueError
            If a name is missing or not known, or a shape differs; then nothing is set.
        """
        state = self.body.core.state_dict()
        _check_arrays(arrays, state)
        with torch.no_grad():
            for name, tensor in state.items():
                tensor.copy_(torch.as_tensor(np.array(arrays[name])))

    def check_layer(self, layer: int) -> int:
        """Return the number of a layer with noise, as an int."""
        return check_integer("layer", layer, minimum=1, maximum=self.n_layers)

    def _add_noise(self, layer: int, signal: Tensor) -> Tensor:
        return self.noise(signal)  # type: ignore[no-any-return]

    def _rows(self, layer: int, signal: Tensor, batch: int) -> Tensor:
        """Return S_l with one row for each input."""
        if signal.ndim < 1 or len(signal) != batch:
            raise ValueError(
                f"layer {self.layer_names[layer - 1]!r} must give one row per input; got shape "
                f"{tuple(signal.shape)} for {batch} inputs."
            )
        return signal.reshape(batch, -1)

    def _example(self) -> Tensor:
        """Return a tensor of the body's device and floating-point type."""
        for tensor in (*self.body.parameters(), *self.body.buffers()):
            if tensor.is_floating_point():
                return tensor
        return torch.empty(0, dtype=torch.float64)

    def _generator_on(self, device: torch.device) -> torch.Generator:
        if self._generator is None or self._generator.device != device:
            self._generator = torch.Generator(device).manual_seed(self._seed)
        return self._generator


class _ReachedError(Exception):
    """The layer that was asked for has been reached; carries its signal."""

    def __init__(self, signal: Tensor) -> None:
        super().__init__()
        self.signal = signal


def _activations(module: nn.Sequential) -> list[int]:
    """Return the places of activations in a Sequential, but for one at its end."""
    places = [i for i, part in enumerate(list(module)[:-1]) if isinstance(part, _ACTIVATIONS)]
    if not places:
        raise ValueError(
            "`module` must have an activation before its last module, or `after` must say where "
            f"noise comes; got {', '.join(type(part).__name__ for part in module) or 'nothing'}."
        )
    return places


def _check_places(after: Sequence[int], length: int) -> list[int]:
    """Return places in a Sequential of that length, increasing."""
    places = [check_integer("after", place, minimum=0, maximum=length - 1) for place in after]
    if not places or any(a >= b for a, b in pairwise(places)):
        raise ValueError(f"`after` must be one or more increasing integers; got {list(after)}.")
    return places


def _check_arrays(arrays: Mapping[str, NDArray[np.generic]], state: Mapping[str, Tensor]) -> None:
    """Raise unless the arrays have the names and shapes of a state."""
    missing, unknown = sorted(state.keys() - arrays.keys()), sorted(arrays.keys() - state.keys())
    if missing or unknown:
        raise ValueError(
            "`arrays` must have the names of this network's weights; missing: "
            f"{', '.join(missing) or 'none'}; not known: {', '.join(unknown) or 'none'}."
        )
    for name, tensor in state.items():
        if np.shape(arrays[name]) != tuple(tensor.shape):
            raise ValueError(
                f"`arrays` must have the shapes of this network's weights: {name} "
                f"{tuple(tensor.shape)}; got {np.shape(arrays[name])}."
            )
