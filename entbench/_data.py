"""A user's own samples, from a file."""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from entbench._validation import check_samples, unknown_name

__all__ = ["load_samples"]

# A small file may unpack to what no memory holds. Samples of anything continuous hardly shrink;
# below the first number nobody is harmed.
_GROWN_BYTES, _GROWTH = 2**28, 100


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
        what = "is no file" if file.exists() else "does not exist"
        raise ValueError(f"data file {str(path)!r} {what}.")
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
    with file.open("rb") as raw:
        _check_promise(raw, file.stat().st_size)
    return np.load(file, allow_pickle=False)


def _check_promise(raw: IO[bytes], size: int) -> None:
    """Refuse an array whose header promises more than its file holds, before it is made."""
    shape, _, dtype = _header(raw)
    promised = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or promised > size:
        raise ValueError(f"its header promises shape {shape} of {dtype}; the file is too short.")


def _header(raw: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(raw)
    read = np.lib.format.read_array_header_1_0
    return (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(raw)


def _check_entry(file: Path, name: str) -> None:
    """Refuse an entry of an archive that grows beyond what numbers can."""
    with zipfile.ZipFile(file) as archive:
        entry = archive.getinfo(name if name in archive.namelist() else f"{name}.npy")
        _check_growth(entry.file_size, entry.compress_size)
        with archive.open(entry) as raw:
            _check_promise(raw, entry.file_size)


def _check_growth(size: int, packed: int) -> None:
    if size > max(_GROWN_BYTES, _GROWTH * packed):
        raise ValueError(f"{packed} bytes that unpack to {size} are no samples.")


def _read_npz(file: Path, key: str | None) -> Any:
    if not zipfile.is_zipfile(file):
        raise ValueError("it is no archive of arrays, as np.savez writes.")
    # Opened here: NumPy leaves its own file open where the archive is damaged.
    with file.open("rb") as raw, np.load(raw, allow_pickle=False) as archive:
        names = list(archive)
        if key is None and len(names) != 1:
            raise ValueError(f"it holds {len(names)} arrays ({', '.join(names)}); name one by key.")
        chosen = names[0] if key is None else key
        if chosen not in names:
            raise ValueError(unknown_name("array", chosen, names))
        _check_entry(file, chosen)
        return archive[chosen]


def _read_csv(file: Path, key: str | None) -> Any:
    import pandas as pd

    with warnings.catch_warnings():
        # Mixed columns are refused below, by name.
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        frame = pd.read_csv(file, header=None, skipinitialspace=True, comment="#")
        first = [value for value in frame.iloc[0] if not pd.isna(value)]
        numbers = sum(map(_is_number, first))
        if 0 < numbers < len(first):  # as names they would be dropped, and a typing error with them
            raise ValueError("its first line must hold names or numbers; it holds both.")
        if numbers < len(first):
            frame = pd.read_csv(file, skipinitialspace=True, comment="#")
    return _numbers(frame)


def _read_parquet(file: Path, key: str | None) -> Any:
    import pandas as pd

    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            f"reading {file.name} needs pyarrow, which is not installed: "
            "pip install 'entbench[parquet]'"
        ) from error
    with pyarrow.parquet.ParquetFile(file) as parquet:
        shape = parquet.metadata
        _check_growth(8 * shape.num_rows * shape.num_columns, file.stat().st_size)
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
