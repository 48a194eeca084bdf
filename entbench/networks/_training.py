"""Training networks, with noise inside or without, on the disk and in memory."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from entbench._validation import check_choice, check_integer
from entbench.networks._checkpoints import (
    Checkpoint,
    forget_unrecorded,
    last_checkpoint,
    write_checkpoint,
)
from entbench.networks._network import NoisyNetwork
from entbench.networks._plan import History, TrainingError, TrainingPlan
from entbench.networks._steps import Augment, Run, noisy_parts

__all__ = ["History", "TrainingError", "TrainingPlan", "train"]

# Seconds between checkpoints that are there for going on alone.
_SAVE_EVERY = 60.0


def train(
    network: nn.Module,
    X: ArrayLike,
    y: ArrayLike,
    plan: TrainingPlan,
    *,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    folder: str | Path | None = None,
    on_epoch: Callable[[int, float], object] | None = None,
    augment: Augment | None = None,
    until: int | None = None,
    threads: int = 1,
) -> History:
    """Train a network in place, and keep its weights at the recorded epochs.

    Parameters
    ----------
    network : torch.nn.Module
        A `NoisyNetwork`, trained with its noise, or any other module. Left in the modes, training
        or evaluation, in which it came.
    X : array-like of shape (n_samples, ...)
        Inputs, as the network takes them.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Labels 0, 1, ... for cross-entropy; targets for "mse".
    plan : TrainingPlan
        What to do.
    test : tuple of array-like, optional
        Inputs and labels whose losses are measured beside the training data's.
    folder : path, optional
        Where checkpoints ``epoch_000123.npz`` are written, each whole or not at all. A folder that
        already holds this run goes on from its last checkpoint that can be read; one of another
        plan, network or data is refused.
    on_epoch : callable, optional
        Called after each epoch as ``on_epoch(epoch, loss)``, `loss` being the mean over the epoch's
        steps, noise included.
    augment : callable, optional
        ``augment(rows, rng)`` returns the rows of `X` of one step, changed at random by `rng`, in
        the same shape. Known by its name alone where a run is taken up again.
    until : int, optional
        A recorded epoch after which to stop for now; the folder holds what it takes to go on.
    threads : int
        Threads of torch meanwhile. One is the fastest for small networks.

    Returns
    -------
    History
        The losses at the recorded epochs, those of earlier calls for this folder among them.

    Raises
    ------
    TrainingError
        If the loss is NaN or infinite; the checkpoints so far stay.
    ValueError
        If the data do not fit the network, or the folder holds another run.
    OSError
        If a checkpoint cannot be written; earlier ones stay.

    Notes
    -----
    On a CPU a run that was cut off and taken up again ends in the same bits as one that was not, if
    `threads` and torch's version are the same. On an accelerator sums may come in another order.
    The global random state and number of threads are as before when the function returns.
    """
    if until is not None:
        check_choice("until", until, plan.record)
    last = plan.epochs if until is None else until
    with _surroundings(network, threads):
        run = Run(network, X, y, plan, test, augment)
        store = _Store(Path(folder), run) if folder is not None else None
        done = store.restore() if store else None
        if done is None:
            run.measure(0)
            if store:
                store.write(0, recorded=True)
        for epoch in range(1 if done is None else done + 1, last + 1):
            loss = run.train_epoch(epoch)
            if epoch in plan.record:
                run.measure(epoch)
            if store:
                store.write(epoch, recorded=epoch in plan.record)
            if on_epoch is not None:
                on_epoch(epoch, loss)
        # What is drawn from the network next does not depend on where the run was taken up.
        run.seed(plan.epochs + 1)
        if store:
            forget_unrecorded(store.folder)
        return History.of(np.array(run.rows))


class _Store:
    """A run's folder."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder, self.run = folder, run
        self.identity = _identity(run)
        self.start = _digest_weights(_weights(run.network))
        self.saved = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)

    def restore(self) -> int | None:
        """Put the run where its last checkpoint is; return the epoch, or None if there is none."""
        checkpoint = last_checkpoint(self.folder, self.identity)
        if checkpoint is None:
            return None
        first = checkpoint.identity["first weights"]
        # A network that this very run has trained is welcome too.
        if self.start not in (first, _digest_weights(checkpoint.weights)):
            raise ValueError(
                f"`network` must have the weights that the run in {self.folder} began with: build "
                "it with the same seed, or give another `folder`."
            )
        self.start = first
        _load_weights(self.run.network, checkpoint.weights)
        self.run.load_optimiser(checkpoint.optimiser)
        self.run.rows = checkpoint.history.tolist()
        return checkpoint.epoch

    def write(self, epoch: int, *, recorded: bool) -> None:
        """Write a checkpoint, if it is to be kept or the last is long ago."""
        if not recorded and time.monotonic() - self.saved < _SAVE_EVERY:
            return
        checkpoint = Checkpoint(
            epoch=epoch,
            identity=self.identity | {"first weights": self.start},
            weights=_weights(self.run.network),
            optimiser=self.run.optimiser_arrays(),
            history=np.array(self.run.rows),
        )
        write_checkpoint(self.folder, checkpoint, recorded=recorded)
        self.saved = time.monotonic()


@contextmanager
def _surroundings(network: nn.Module, threads: int) -> Iterator[None]:
    """Keep torch's threads, random state and gradients, and the modules' modes, as they were."""
    count = check_integer("threads", threads, minimum=1)
    modes = {module: module.training for module in network.modules()}
    before = torch.get_num_threads()
    devices = sorted({p.device.index or 0 for p in network.parameters() if p.is_cuda})
    torch.set_num_threads(count)
    try:
        with torch.random.fork_rng(devices=devices), torch.enable_grad():
            yield
    finally:
        torch.set_num_threads(before)
        for module, mode in modes.items():
            module.training = mode


def _identity(run: Run) -> dict[str, Any]:
    """Return what tells a run from others, as JSON gives it back."""
    tables = [*run.data, *(run.test or ())]
    identity = asdict(run.plan) | {
        "network": _digest_network(run.network),
        "data": _digest(table.cpu().numpy() for table in tables),
        "augment": _name(run.augment),
    }
    kept: dict[str, Any] = json.loads(json.dumps(identity))
    return kept


def _weights(network: nn.Module) -> dict[str, NDArray[Any]]:
    if isinstance(network, NoisyNetwork):
        return network.state_arrays()
    return {name: t.detach().cpu().numpy().copy() for name, t in network.state_dict().items()}


def _load_weights(network: nn.Module, arrays: dict[str, NDArray[Any]]) -> None:
    if isinstance(network, NoisyNetwork):
        network.load_arrays(arrays)
    else:
        network.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})


def _digest_network(network: nn.Module) -> str:
    """Tell networks apart by their modules, shapes and noise; weights are looked at elsewhere."""
    shapes = [(name, tuple(t.shape), str(t.dtype)) for name, t in network.state_dict().items()]
    noise = [(part.sigma, part.noisy) for part in noisy_parts(network)]
    return hashlib.sha256(repr((repr(network), shapes, noise)).encode()).hexdigest()[:16]


def _digest_weights(arrays: dict[str, NDArray[Any]]) -> str:
    return _digest(arrays[name] for name in sorted(arrays))


def _digest(arrays: Iterable[NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, str(array.dtype))).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _name(function: Callable[..., Any] | None) -> str | None:
    if function is None:
        return None
    return str(getattr(function, "__qualname__", type(function).__qualname__))
