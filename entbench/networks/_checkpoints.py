"""A run of training on disk: what a folder holds, how it is written, and how it is read again."""

from __future__ import annotations

import json
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

# Raised when the entries of a file change their meaning.
_FORMAT = 1
_LATEST = "latest.npz"
_NAME = re.compile(r"epoch_(\d{6,})\.npz")


class UnreadableCheckpointError(ValueError):
    """A checkpoint that is truncated, damaged or of another format; the message names the file."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after an epoch: all that the next epoch depends on.

    Attributes
    ----------
    epoch : int
        Epochs done; 0 before training.
    identity : dict
        What the run is of, as JSON can hold it: the plan's fields and digests of the rest.
    weights : dict of ndarray
        The network's parameters and buffers by name.
    optimiser : dict of ndarray
        The optimiser's tensors, named "parameter's number/name".
    history : ndarray of shape (n_recorded, 5)
        Rows of `History` so far.
    """

    epoch: int
    identity: dict[str, Any]
    weights: Arrays
    optimiser: Arrays
    history: NDArray[np.float64]


def checkpoint_epochs(folder: str | Path) -> list[int]:
    """Return the epochs whose checkpoints `folder` holds, in order."""
    matches = (_NAME.fullmatch(path.name) for path in Path(folder).glob("epoch_*.npz"))
    return sorted(int(match[1]) for match in matches if match)


def weights_at(folder: str | Path, epoch: int) -> dict[str, NDArray[Any]]:
    """Return the weights that a network had after an epoch of its training.

    Parameters
    ----------
    folder : path
        The folder that `train` was given.
    epoch : int
        One of the plan's recorded epochs; 0 is before training.

    Returns
    -------
    dict of ndarray
        Parameters and buffers by name, as `NoisyNetwork.load_arrays` takes them.

    Raises
    ------
    ValueError
        If the folder has no checkpoint of this epoch, or it cannot be read.
    """
    path = _path(Path(folder), epoch)
    if not path.is_file():
        known = ", ".join(map(str, checkpoint_epochs(folder))) or "none"
        raise ValueError(f"`epoch` must have a checkpoint in {folder}: {known}; got {epoch!r}.")
    return read_checkpoint(path).weights


def write_checkpoint(folder: Path, checkpoint: Checkpoint, *, recorded: bool) -> None:
    """Write a checkpoint whole: its name stands for a complete file at every moment.

    One that is not `recorded` is there for going on alone, and replaces the last such one.
    """
    path = _path(folder, checkpoint.epoch) if recorded else folder / _LATEST
    partial = folder / f".{path.name}.{os.getpid()}.part"
    try:
        with partial.open("wb") as file:
            np.savez(file, **_entries(checkpoint))  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        reason = f"{error.strerror or error}: checkpoint not written, earlier ones stay"
        raise OSError(error.errno, reason, str(path)) from error


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; nothing in it is ever executed."""
    try:
        # Opened here: NumPy leaves its own file open where the archive is damaged.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            # Every entry is read to its end, which is where the archive's checksums are compared.
            entries = {name: file[name] for name in file.files}
        return _checkpoint(entries)
    except Exception as error:  # what damage raises depends on the byte it is in
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableCheckpointError(f"{path} is not a whole checkpoint ({reason}).") from error


def last_checkpoint(folder: Path, identity: dict[str, Any]) -> Checkpoint | None:
    """Return the newest checkpoint that can be read, or None in a folder without any.

    Raises
    ------
    ValueError
        If it is of another run than `identity`, or no file can be read.
    """
    paths = [_path(folder, epoch) for epoch in reversed(checkpoint_epochs(folder))]
    latest = folder / _LATEST
    damaged: list[str] = []
    newest = _first_readable(paths, damaged)
    if latest.is_file():
        unrecorded = _first_readable([latest], damaged)
        if unrecorded and (newest is None or unrecorded.epoch > newest.epoch):
            newest = unrecorded
    if newest is None and damaged:
        raise ValueError(f"no checkpoint can be read: {damaged[0]} Remove them to start again.")
    if newest is not None:
        _check_same_run(folder, newest.identity, identity)
        for message in damaged:
            warnings.warn(f"{message} Going on from epoch {newest.epoch}.", stacklevel=4)
    return newest


def forget_unrecorded(folder: Path) -> None:
    """Remove what was there for going on alone, once the run has ended."""
    (folder / _LATEST).unlink(missing_ok=True)


def _path(folder: Path, epoch: int) -> Path:
    return folder / f"epoch_{epoch:06d}.npz"


def _first_readable(paths: list[Path], damaged: list[str]) -> Checkpoint | None:
    """Return the first checkpoint that can be read; the others' messages go to `damaged`."""
    for path in paths:
        try:
            return read_checkpoint(path)
        except UnreadableCheckpointError as error:
            damaged.append(str(error))
    return None


def _check_same_run(folder: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name, value in wanted.items():
        if found.get(name) != value:
            raise ValueError(
                f"`folder` must be new or hold this run; {folder} holds one with {name} "
                f"{found.get(name)!r}, not {value!r}."
            )


def _entries(checkpoint: Checkpoint) -> Arrays:
    entries: Arrays = {
        "format": np.array(_FORMAT),
        "epoch": np.array(checkpoint.epoch),
        "identity": np.array(json.dumps(checkpoint.identity)),
        "history": checkpoint.history,
    }
    entries |= {f"weights/{name}": array for name, array in checkpoint.weights.items()}
    return entries | {f"optimiser/{name}": array for name, array in checkpoint.optimiser.items()}


def _checkpoint(entries: Arrays) -> Checkpoint:
    if int(entries["format"]) != _FORMAT:
        raise ValueError(f"format {entries['format']}, where {_FORMAT} is known")
    return Checkpoint(
        epoch=int(entries["epoch"]),
        identity=json.loads(str(entries["identity"])),
        weights=_below(entries, "weights/"),
        optimiser=_below(entries, "optimiser/"),
        history=np.asarray(entries["history"], dtype=np.float64),
    )


def _below(entries: Arrays, prefix: str) -> Arrays:
    return {name[len(prefix) :]: a for name, a in entries.items() if name.startswith(prefix)}
