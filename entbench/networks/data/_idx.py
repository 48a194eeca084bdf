"""The IDX format: unsigned bytes, plain or gzip."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_idx"]

UNSIGNED_BYTE = 0x08


def read_idx(file: Path, ndim: int) -> NDArray[np.uint8]:
    """Return the array of unsigned bytes in an IDX file; ``.gz`` is unpacked.

    Parameters
    ----------
    file : Path
        Two zero bytes, the type, the number of axes, each axis as 32 bits, then the bytes.
    ndim : int
        Number of axes that is expected: 3 for images, 1 for labels.

    Raises
    ------
    ValueError
        In one line that names the file: unreadable, of another kind, cut short, or too long.
    """
    try:
        content = _unpack(file)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"data file {str(file)!r} cannot be read: {error}") from error
    magic = bytes((0, 0, UNSIGNED_BYTE, ndim))
    if content[:4] != magic:
        raise ValueError(
            f"data file {str(file)!r} must begin with {magic.hex()} (IDX, unsigned bytes, "
            f"{ndim} axes); got {content[:4].hex() or 'nothing'}."
        )
    begin = 4 + 4 * ndim
    if len(content) < begin:
        raise ValueError(f"data file {str(file)!r} ends within its header.")
    shape = tuple(np.frombuffer(content[4:begin], dtype=">u4").tolist())
    if len(content) - begin != math.prod(shape):
        raise ValueError(
            f"data file {str(file)!r} must hold {math.prod(shape)} bytes for shape {shape}; "
            f"got {len(content) - begin}."
        )
    return np.frombuffer(content, dtype=np.uint8, offset=begin).reshape(shape).copy()


def _unpack(file: Path) -> bytes:
    if file.suffix != ".gz":
        return file.read_bytes()
    with gzip.open(file) as stream:
        return stream.read()
