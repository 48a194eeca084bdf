"""What modules of a network give, all at once, without noise."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from entbench.networks._network import NoisyNetwork

_ROWS = 1000
_BATCH = 100  # of which batch normalisation takes means and variances


def representations(
    network: NoisyNetwork, X: NDArray[Any], modules: Sequence[nn.Module]
) -> list[NDArray[np.float32]]:
    """Return what each module gives for every row of X, with noise and dropout off.

    Parameters
    ----------
    network : NoisyNetwork
        Run in eval mode and left in it; on a CPU with one thread, so that results are the same to
        the last bit on one machine.
    X : ndarray of shape (m, ...)
        Inputs.
    modules : sequence of Module
        Parts of the network, each run once in a pass.

    Returns
    -------
    list of ndarray of shape (m, dim)
        Flattened, in single precision.
    """
    rows: list[list[NDArray[np.float32]]] = [[] for _ in modules]
    network.eval()
    with ExitStack() as stack:
        for module, found in zip(modules, rows, strict=True):
            hook = module.register_forward_hook(_keeper(found))
            stack.callback(hook.remove)
        _run(network, X, _ROWS)
    return [np.concatenate(found) for found in rows]


def renormalise(network: NoisyNetwork, X: NDArray[Any]) -> None:
    """Take the means and variances of batch normalisation anew, without noise and dropout.

    Those that training leaves are of noisy batches: of other inputs than the network has once its
    noise is off. The average over batches of 100 rows takes their place.
    """
    norms = [
        module
        for module in network.eval().modules()
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    before = [module.momentum for module in norms]
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # the plain average
        module.train()
    _run(network, X, _BATCH)
    for module, momentum in zip(norms, before, strict=True):
        module.momentum = momentum
        module.eval()


def _run(network: NoisyNetwork, X: NDArray[Any], rows: int) -> None:
    """Run the network on all rows, without noise, on one thread of a CPU."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad(), network.quiet():
            for start in range(0, len(X), rows):
                part = torch.tensor(X[start : start + rows], dtype=network.dtype)
                network(part.to(network.device))
    finally:
        torch.set_num_threads(threads)


def _keeper(found: list[NDArray[np.float32]]) -> Any:
    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        found.append(output.detach().flatten(1).float().cpu().numpy())

    return keep
