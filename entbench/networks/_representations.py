"""What modules of a network give, all at once, without noise."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from entbench.networks._network import NoisyNetwork

_ROWS = 1000


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
    threads = torch.get_num_threads()
    rows: list[list[NDArray[np.float32]]] = [[] for _ in modules]
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, threads)
        torch.set_num_threads(1)
        stack.enter_context(torch.no_grad())
        stack.enter_context(network.eval().quiet())
        for module, found in zip(modules, rows, strict=True):
            hook = module.register_forward_hook(_keeper(found))
            stack.callback(hook.remove)
        for start in range(0, len(X), _ROWS):
            part = torch.tensor(X[start : start + _ROWS], dtype=network.dtype)
            network(part.to(network.device))
    return [np.concatenate(found) for found in rows]


def _keeper(found: list[NDArray[np.float32]]) -> Any:
    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        found.append(output.detach().flatten(1).float().cpu().numpy())

    return keep
