"""The paper's networks, with weights that depend on the seed alone."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from entbench._validation import check_choice, check_integer
from entbench.networks._network import NoisyNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    # fills a tensor, given 1/sqrt(fan-in) and a generator
    _Law = Callable[[Tensor, float, torch.Generator], object]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "linear": nn.Identity,
}
_SZT = (12, 10, 7, 5, 4, 3, 2)
_SPIRAL = (2, 3, 3, 3, 3, 3, 2)
_KERNEL = 5
_CHANNELS = (16, 32)
_HIDDEN = 128
_CLASSES = 10
# w1, b1, w2, b2: from here gradient descent ends where the paper says that it does
_TWO_NEURON_START = (-0.1, 0.5, -0.1, 0.0)


def szt(
    activation: Literal["tanh", "relu", "linear"] = "tanh", sigma: float = 0.005, seed: int = 0
) -> NoisyNetwork:
    """Return the fully connected network 12-10-7-5-4-3-2 of Shwartz-Ziv and Tishby, with noise.

    Parameters
    ----------
    activation : {"tanh", "relu", "linear"}, default="tanh"
        After each of the 5 hidden layers; none after the output, whose 2 numbers are logits.
    sigma : float, default=0.005
        Standard deviation of the noise after each hidden activation; 0 for none.
    seed : int, default=0
        Where the weights come from, whatever `sigma` and `activation`, and where the network's
        noise starts.

    Returns
    -------
    NoisyNetwork
        With 5 noisy layers.

    Notes
    -----
    The noisy networks' paper does not say how weights start. Here it is as in the original code of
    the information plane: normal with standard deviation 1/sqrt(fan-in), truncated at two of
    them; biases 0.

    References
    ----------
    R. Shwartz-Ziv, N. Tishby, "Opening the black box of deep neural networks via information",
    2017. Z. Goldfeld et al., "Estimating information flow in deep neural networks", ICML 2019,
    section 5: sigma is 0.005 for tanh and 0.01 for linear activations; supplement 9.1: 0.01 too.
    """
    return fully_connected(_SZT, [activation] * (len(_SZT) - 2), sigma, seed)


def spiral(sigma: float = 0.005, seed: int = 0) -> NoisyNetwork:
    """Return the tanh network 2-3-3-3-3-3-2 for the two-arm spiral, with noise.

    Parameters
    ----------
    sigma : float, default=0.005
        Standard deviation of the noise after each hidden activation; 0 for none.
    seed : int, default=0
        As in `szt`, and with the same law of the weights.

    Returns
    -------
    NoisyNetwork
        With 5 noisy layers.

    References
    ----------
    Z. Goldfeld et al., ICML 2019, supplement 9.2: "similar to SZT model, except that the size of
    each layer was set to 3". Input and output have as many units as the data have columns and
    classes.
    """
    return fully_connected(_SPIRAL, ["tanh"] * (len(_SPIRAL) - 2), sigma, seed)


def mnist_cnn(
    sigma: float = 0.05, *, dropout: float = 0.0, seed: int = 0, side: int = 28
) -> NoisyNetwork:
    """Return the paper's convolutional network for MNIST, with noise or dropout.

    Parameters
    ----------
    sigma : float, default=0.05
        Standard deviation of the noise after each of the three tanh; 0 for none.
    dropout : float, default=0.0
        Where > 0, the probability of dropout in the place of noise; then `sigma` must be 0.
    seed : int, default=0
        Where the weights come from, whatever the noise, and where the network's noise starts.
    side : int, default=28
        Height and width of the images, in pixels; a multiple of 4.

    Returns
    -------
    NoisyNetwork
        With 3 noisy layers, for batches of ``side * side`` numbers in any shape.

    Notes
    -----
    Noise comes before the pooling, as in the paper's list of steps, so each pooling opens the next
    stage: layers 1 and 2 here are its steps 4 and 9, before the pooling, with dimensions 12544 and
    6272 at side 28. The paper's figures call the pooled outputs "Layer 1" and "Layer 2" (its
    networks have no noise at test time). Layer 3 is step 14, of dimension 128.

    Weights and biases start uniform on [-1, 1]/sqrt(fan-in), torch's default.

    References
    ----------
    Z. Goldfeld et al., "Estimating information flow in deep neural networks", ICML 2019,
    supplement 9.3, steps 1 to 15. Its step 11 prints 1586 inputs for 32 x 7 x 7 = 1568.
    """
    side = check_integer("side", side, minimum=4)
    if side % 4:
        raise ValueError(f"`side` must be a multiple of 4; got {side}.")
    first, second = _CHANNELS
    flat = second * (side // 4) ** 2
    with torch.random.fork_rng(devices=[]):
        stages = [
            nn.Sequential(_Image(side), *_convolution(1, first)),
            nn.Sequential(nn.MaxPool2d(2), *_convolution(first, second)),
            nn.Sequential(
                *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(flat, _HIDDEN)),
                *(nn.BatchNorm1d(_HIDDEN), nn.Tanh()),
            ),
            nn.Linear(_HIDDEN, _CLASSES),
        ]
    network = NoisyNetwork(stages, sigma, dropout=dropout)
    return _start(network, seed, _uniform, _uniform)


def single_neuron(sigma: float = 0.01) -> NoisyNetwork:
    """Return one noisy neuron, T = tanh(w x + b) + Z, with w = b = 0.

    Parameters
    ----------
    sigma : float, default=0.01
        Standard deviation of the noise; 0 for none.

    Returns
    -------
    NoisyNetwork
        With 1 noisy layer, which is the output.

    References
    ----------
    Z. Goldfeld et al., ICML 2019, section 4: inputs -3, -1, 1 with label -1 and 3 with label 1,
    mean squared loss, gradient descent at the rate 0.01.
    """
    with torch.random.fork_rng(devices=[]):
        stages = [nn.Sequential(nn.Linear(1, 1), nn.Tanh()), nn.Identity()]
    network = NoisyNetwork(stages, sigma)
    return _set(network, (0.0, 0.0))


def two_neuron(sigma: float = 0.01, start: Sequence[float] = _TWO_NEURON_START) -> NoisyNetwork:
    """Return two noisy leaky-ReLU neurons in series, R(x) = max(x, x/10).

    Parameters
    ----------
    sigma : float, default=0.01
        Standard deviation of the noise after each neuron; 0 for none.
    start : sequence of 4 floats, optional
        w1, b1, w2, b2 of T_1 = R(w1 x + b1) + Z_1, T_2 = R(w2 T_1 + b2) + Z_2.

    Returns
    -------
    NoisyNetwork
        With 2 noisy layers, the second of which is the output.

    Notes
    -----
    The paper shows where the parameters start in a figure alone, and prints no noise level: both
    are ours. From this start its training ends where it says, at w1 < 0 and w2 < 0.

    References
    ----------
    Z. Goldfeld et al., ICML 2019, supplement 8: inputs 1, ..., 4 with label 0 and 5, ..., 8 with
    label 1/4, mean squared loss, gradient descent at the rate 0.001.
    """
    with torch.random.fork_rng(devices=[]):
        neurons = [nn.Sequential(nn.Linear(1, 1), nn.LeakyReLU(0.1)) for _ in range(2)]
    return _set(NoisyNetwork([*neurons, nn.Identity()], sigma), start)


class _Image(nn.Module):
    """Give a batch of images one channel, whatever shape they come in."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        if x[0].numel() != self.side**2:
            raise ValueError(f"expected images of shape {self.side} x {self.side}")
        return x.reshape(-1, 1, self.side, self.side)


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, _KERNEL, padding=_KERNEL // 2)
    return [convolution, nn.BatchNorm2d(outputs), nn.Tanh()]


def fully_connected(
    sizes: Sequence[int], activations: Sequence[str], sigma: float = 0.0, seed: int = 0
) -> NoisyNetwork:
    """Return a fully connected network whose output is logits.

    Parameters
    ----------
    sizes : sequence of int
        Units of input, hidden layers and output.
    activations : sequence of {"tanh", "relu", "linear"}
        One for each hidden layer.
    sigma : float, default=0.0
        Standard deviation of the noise after each hidden activation; 0 for none.
    seed : int, default=0
        Where weights come from, as in `szt`, and where the network's noise starts.

    Returns
    -------
    NoisyNetwork
        With a noisy layer for each hidden one.
    """
    if len(activations) != len(sizes) - 2:
        raise ValueError(
            f"`activations` must be one for each of {len(sizes) - 2} hidden layers; "
            f"got {len(activations)}."
        )
    for name in activations:
        check_choice("activation", name, _ACTIVATIONS)
    # torch draws weights on the way, which are not kept: its global generator stays as it was
    with torch.random.fork_rng(devices=[]):
        layers = [nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(sizes)]
    hidden = [
        nn.Sequential(layer, _ACTIVATIONS[name]())
        for layer, name in zip(layers, activations, strict=False)
    ]
    network = NoisyNetwork([*hidden, layers[-1]], sigma)
    return _start(network, seed, _truncated_normal, _zero)


def _start(network: NoisyNetwork, seed: int, weights: _Law, biases: _Law) -> NoisyNetwork:
    """Draw the weights layer by layer, from a generator of their own."""
    generator = torch.Generator().manual_seed(check_integer("seed", seed, minimum=0))
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                scale = 1.0 / math.sqrt(module.weight[0].numel())
                weights(module.weight, scale, generator)
                if module.bias is not None:
                    biases(module.bias, scale, generator)
    return network.seed(seed)


def _truncated_normal(tensor: Tensor, scale: float, generator: torch.Generator) -> None:
    nn.init.trunc_normal_(tensor, 0.0, scale, -2.0 * scale, 2.0 * scale, generator=generator)


def _uniform(tensor: Tensor, scale: float, generator: torch.Generator) -> None:
    tensor.uniform_(-scale, scale, generator=generator)


def _zero(tensor: Tensor, _scale: float, _generator: torch.Generator) -> None:
    tensor.zero_()


def _set(network: NoisyNetwork, values: Sequence[float]) -> NoisyNetwork:
    """Set the parameters, each a single number."""
    parameters = list(network.parameters())
    if len(values) != len(parameters):
        raise ValueError(f"`start` must hold {len(parameters)} numbers; got {len(values)}.")
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.fill_(float(value))
    return network
