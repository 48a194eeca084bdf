"""Samples of the layers of a noisy network: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from entbench._validation import check_integer, check_samples
from entbench.networks._noise import GaussianNoise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from entbench.networks._network import NoisyNetwork

    _Floats = NDArray[np.float64]

# A block of passes has so many numbers in its widest layer, or so many rows if they are fewer. It
# must not depend on anything but the network: where blocks are cut, the noise is another.
_BLOCK_ENTRIES = 2**22
_BLOCK_ROWS = 2**14
# Numbers are to be so much finer than sigma, or noise and distances are lost in their rounding:
# then its variance is 1/12 of the square of this, less than 0.04 % of the noise's.
_ROUNDING = 1.0 / 16.0
# What a seed is for: signals, their inputs, passes of one input, noise on top.
_SIGNAL, _INDEX, _CONDITIONAL, _TOP = range(4)


def signal_samples(
    network: NoisyNetwork, X: ArrayLike, layer: int, n: int, seed: int = 0
) -> tuple[NDArray[np.int64], _Floats]:
    """Draw samples of S_l, the input uniform on the rows of `X`.

    Parameters
    ----------
    network : NoisyNetwork
        Run in eval mode; its own generator is left as it is.
    X : array-like of shape (m, ...)
        The data set.
    layer : int
        l, from 1.
    n : int
        How many samples: each row is used ``n // m`` times, and the remainder are rows drawn
        without replacement.
    seed : int, default=0
        Where the noise before the layer comes from; fresh in every pass.

    Returns
    -------
    index : ndarray of shape (n,)
        Which row each sample is of: 0, ..., m-1 again and again, then the remainder.
    signal : ndarray of shape (n, d_l)
        S_l, in double precision; computed in that of the network.

    Raises
    ------
    ValueError
        If there is no noise, signals are not finite, or they are so large that the network's
        precision does not hold the noise.

    Notes
    -----
    Cost: n passes up to the layer, and m for layer 1, which is a function of X. On a CPU one
    thread is used, since the last digits of a product of matrices depend on how many there are:
    results are bit-identical on a machine, and agree to rounding from one to another. On a GPU
    the noise is another, of the same law, and torch may round convolutions to 10 bits (TF32).
    """
    layer, inputs = _check(network, X, layer)
    n, m = check_integer("n", n, minimum=1), len(inputs)
    rng = np.random.default_rng([check_integer("seed", seed, minimum=0), _INDEX])
    rest = rng.choice(m, n % m, replace=False)
    index = np.concatenate([np.tile(np.arange(m), n // m), rest]).astype(np.int64)
    return index, _signals(network, inputs, index, layer, _generator_seed(seed, _SIGNAL))


def signals_of(
    network: NoisyNetwork, X: ArrayLike, index: NDArray[np.int64], layer: int, seed: int = 0
) -> _Floats:
    """Draw a sample of S_l for each of the rows asked for, as often as they are.

    Parameters
    ----------
    network, X, layer, seed
        As in `signal_samples`.
    index : ndarray of int of shape (n,)
        Which rows of `X`.

    Returns
    -------
    signal : ndarray of shape (n, d_l)
        S_l, in double precision.
    """
    layer, inputs = _check(network, X, layer)
    seed = check_integer("seed", seed, minimum=0)
    return _signals(network, inputs, index, layer, _generator_seed(seed, _SIGNAL))


def conditional_samples(
    network: NoisyNetwork, x: ArrayLike, layer: int, passes: int, seed: int = 0
) -> _Floats:
    """Draw samples of S_l given X = x: many passes of one input.

    Parameters
    ----------
    network, layer
        As in `signal_samples`.
    x : array-like
        One row of a data set.
    passes : int
        How many samples.
    seed : int, default=0
        Where the noise comes from. Give each input a seed of its own: those that share one share
        their noise, and errors of averages over inputs do not cancel.

    Returns
    -------
    signal : ndarray of shape (passes, d_l)
        S_l, in double precision. All rows are the same for layer 1.
    """
    layer, inputs = _check(network, np.asarray(x)[None], layer, name="x")
    index = np.zeros(check_integer("passes", passes, minimum=1), dtype=np.int64)
    seed = check_integer("seed", seed, minimum=0)
    return _signals(network, inputs, index, layer, _generator_seed(seed, _CONDITIONAL))


def noisy_samples(
    network: NoisyNetwork, X: ArrayLike, layer: int, n: int, seed: int = 0
) -> tuple[NDArray[np.int64], _Floats]:
    """Draw samples of T_l = S_l + Z_l, the input uniform on the rows of `X`.

    Takes and returns what `signal_samples` does, with T in the place of S: the same S for the same
    seed, and Z_l in double precision.
    """
    index, noisy = signal_samples(network, X, layer, n, seed)
    rng = np.random.default_rng([check_integer("seed", seed, minimum=0), _TOP])
    for part in _blocks(n, _BLOCK_ROWS):
        noisy[part] += network.sigma * rng.standard_normal(noisy[part].shape)
    return index, noisy


def _check(
    network: NoisyNetwork, X: Any, layer: int, name: str = "X"
) -> tuple[int, NDArray[np.generic]]:
    """Return the layer and the inputs as checked; refuse where there is no noise."""
    layer = network.check_layer(layer)
    if network.sigma == 0.0:
        raise ValueError(
            "I(X;T) of a deterministic network is infinite or constant: give `sigma` > 0"
            f" ({'dropout takes the place of the noise' if network.dropout else 'got 0'})."
        )
    if not network.noisy:
        raise ValueError(
            "the network's noise is off, and what is to be sampled has noise: set `noisy` to True "
            "and sample outside of `quiet()`."
        )
    array = np.asarray(X)
    flat = array.reshape(len(array), -1) if array.ndim > 2 else array
    return layer, check_samples(flat, name=name, minimum=1).reshape(array.shape)


def _signals(
    network: NoisyNetwork,
    inputs: NDArray[np.generic],
    index: NDArray[np.int64],
    layer: int,
    seed: int,
) -> _Floats:
    """Return S_l of one pass for each entry of `index`."""
    with _sampling(network):
        held = torch.tensor(inputs, dtype=network.dtype, device=network.device)
        if layer == 1:
            # each row once, so that all its passes agree to the last bit
            rows = torch.arange(len(held), device=held.device)
            return _passes(network, held, rows, layer, seed)[index]
        return _passes(network, held, torch.tensor(index, device=held.device), layer, seed)


def _passes(network: NoisyNetwork, inputs: Tensor, index: Tensor, layer: int, seed: int) -> _Floats:
    noise = _WatchedNoise(network.sigma)
    noise.generator = torch.Generator(inputs.device).manual_seed(seed)
    dims = [signal.shape[1] for signal in network.signals(inputs[:1])]
    widest = max(*dims[:layer], inputs[0].numel())
    rows = max(min(_BLOCK_ROWS, _BLOCK_ENTRIES // widest), 1)
    out = np.empty((len(index), dims[layer - 1]))
    for part in _blocks(len(index), rows):
        signal = network.signal(inputs[index[part]], layer, noise)
        noise.watch(signal)
        out[part] = signal.cpu().numpy()
    return out


class _WatchedNoise(GaussianNoise):
    """Noise that refuses what it would be lost in."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x + Z."""
        self.watch(x)
        noisy: Tensor = super().forward(x)
        return noisy

    def watch(self, x: Tensor) -> None:
        """Raise unless `x` is finite, and its rounding fine beside sigma."""
        largest = float(x.abs().max()) if x.numel() else 0.0
        if not math.isfinite(largest):
            raise ValueError("signals must be finite; a layer gives NaN or inf.")
        if largest * torch.finfo(x.dtype).eps > _ROUNDING * self.sigma:
            kind = str(x.dtype).removeprefix("torch.")
            raise ValueError(
                f"`sigma` must be coarse beside the rounding of signals; got {self.sigma:g} with "
                f"signals up to {largest:.3g} in {kind}"
                f"{': use `network.double()`' if x.dtype != torch.float64 else ''}."
            )


def _blocks(n: int, rows: int) -> list[slice]:
    return [slice(start, min(start + rows, n)) for start in range(0, n, rows)]


def _generator_seed(seed: int, stream: int) -> int:
    """Return a seed for torch, of which its generator on a CPU reads 32 bits."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])


@contextmanager
def _sampling(network: NoisyNetwork) -> Iterator[None]:
    """Put the network into eval mode, without gradients and on one thread, and back again."""
    training = [module for module in network.modules() if module.training]
    own, threads = network.generator.get_state(), torch.get_num_threads()
    try:
        network.eval()
        if network.device.type == "cpu":
            torch.set_num_threads(1)
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(threads)
        network.generator.set_state(own)
        for module in training:
            module.training = True
