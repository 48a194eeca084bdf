"""A user's own samples, from a file."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entbench._validation import check_samples, unknown_name

__all__ = ["load_samples"]


def load_samples(path: str | Path, key: str | None = None) -> NDArray[np.float64]:
    """Return the samples of a ``.npy``, ``.npz``, ``.csv`` or ``.parquet`` file.

    Nothing in the file is ever executed: pickled objects are refused.

    Parameters
    ----------
    path : path
        One row per sample, one column per dimension. A CSV may have a header line.
    key : str, optional
        Which array of a ``.npz`` file; needed where it holds more than one.

    Returns
    -------
    ndarray of shape (n_samples, dim)

    Raises
    ------
    ValueError, TypeError
        If the file is missing, empty, damaged, of another kind, or holds anything but finite
        numbers in two dimensions.
    ImportError
        If reading Parquet needs the ``parquet`` extra.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"data file {str(path)!r} does not exist.")
    suffix = file.suffix.lower()
    if suffix not in _READERS:
        raise ValueError(f"data file must end in {', '.join(_READERS)}; got {file.name!r}.")
    if file.stat().st_size == 0:
        raise ValueError(f"data file {str(path)!r} is empty.")
    if key is not None and suffix != ".npz":
        raise ValueError(f"a key names an array of a .npz file; got {file.name!r}.")
    try:
        array = _READERS[suffix](file, key)
    except ImportError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"data file {str(path)!r} cannot be read: {reason}") from error
    return check_samples(array, name=file.name)


def _read_npy(file: Path, key: str | None) -> Any:
    return np.load(file, allow_pickle=False)


def _read_npz(file: Path, key: str | None) -> Any:
    with np.load(file, allow_pickle=False) as archive:
        names = list(archive)
        if key is None and len(names) != 1:
            raise ValueError(f"it holds {len(names)} arrays ({', '.join(names)}); name one by key.")
        chosen = names[0] if key is None else key
        if chosen not in names:
            raise ValueError(unknown_name("array", chosen, names))
        return archive[chosen]


def _read_csv(file: Path, key: str | None) -> Any:
    import pandas as pd

    with warnings.catch_warnings():
        # Mixed columns are refused below, by name.
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        frame = pd.read_csv(file, header=None, skipinitialspace=True, comment="#")
        if not all(map(_is_number, frame.iloc[0])):
            frame = pd.read_csv(file, skipinitialspace=True, comment="#")
    return _numbers(frame)


def _read_parquet(file: Path, key: str | None) -> Any:
    import pandas as pd

    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"reading {file.name} needs pyarrow, which is not installed: "
            "pip install 'entbench[parquet]'"
        ) from error
    return _numbers(pd.read_parquet(file))


def _numbers(frame: Any) -> Any:
    for column in frame.columns:
        if len(frame) and frame[column].dtype.kind not in "fiub":
            raise ValueError(f"column {str(column)!r} holds something other than numbers.")
    return frame.to_numpy(dtype=np.float64) if len(frame) else np.empty(frame.shape)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


_READERS: dict[str, Callable[[Path, str | None], Any]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
