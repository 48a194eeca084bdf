"""The 12-bit task of Shwartz-Ziv and Tishby, from its rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entbench.networks.data._dataset import DataSet

__all__ = ["load_szt"]

N_BITS = 12

# column -> the five columns next to it on the icosahedron
NEIGHBOURS = (
    (1, 3, 5, 10, 11),
    (0, 2, 3, 4, 11),
    (1, 3, 4, 8, 9),
    (0, 1, 2, 8, 10),
    (1, 2, 6, 9, 11),
    (0, 6, 7, 10, 11),
    (4, 5, 7, 9, 11),
    (5, 6, 8, 9, 10),
    (2, 3, 7, 9, 10),
    (2, 4, 6, 7, 8),
    (0, 3, 5, 7, 8),
    (0, 1, 4, 5, 6),
)
ANTIPODES = ((0, 9), (1, 7), (2, 5), (3, 6), (4, 10), (8, 11))


def load_szt(file: str | Path | None = None) -> DataSet:
    """Return the 4096 patterns of 12 bits and their binary labels.

    Parameters
    ----------
    file : path, optional
        The published MATLAB file (keys ``F``, 4096 x 12, and ``y``). Its rows may come in any
        order; it is refused unless it says what the rule says.

    Returns
    -------
    X : ndarray of float64, shape (4096, 12)
        Zeros and ones in counting order, column 0 the most significant bit.
    y : ndarray of int64, shape (4096,)
        1978 zeros and 2118 ones.

    Raises
    ------
    ValueError
        If `file` cannot be read, lacks a key, does not hold every pattern once, or disagrees
        with the rule.

    Notes
    -----
    The bits are the vertices of an icosahedron. With k ones and, among their pairs, a of
    neighbours, s of second neighbours and c of antipodes,
    ``y = 1`` where ``23 k + a - 5 s - 8 c >= 99``. The labels are those of the published file:
    H(X) = 12 bits, I(X;Y) = H(Y) = 0.999157 bits over all rows. Numbers of other papers on "80 %"
    are those of a split; see `split`.

    References
    ----------
    R. Shwartz-Ziv and N. Tishby, "Opening the Black Box of Deep Neural Networks via Information",
    arXiv:1703.00810, 2017. The rule is not in the paper; it was found from the file.
    """
    codes = np.arange(2**N_BITS)
    bits = codes[:, None] >> np.arange(N_BITS)[::-1] & 1
    data = DataSet(bits.astype(np.float64), _labels(bits))
    if file is not None:
        _compare(Path(file), data)
    return data


def _labels(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    weights = np.full((N_BITS, N_BITS), -5)
    np.fill_diagonal(weights, 0)
    for vertex, others in enumerate(NEIGHBOURS):
        weights[vertex, others] = 1
    for one, other in ANTIPODES:
        weights[one, other] = weights[other, one] = -8
    pairs = ((bits @ weights) * bits).sum(axis=1) // 2
    labels: NDArray[np.int64] = (23 * bits.sum(axis=1) + pairs >= 99).astype(np.int64)
    return labels


def _compare(file: Path, data: DataSet) -> None:
    """Raise unless `file` holds the rows of `data`, in whatever order."""
    F, y = _read(file)
    if F.shape != data.X.shape or y.size != len(data.y):
        raise ValueError(
            f"data file {str(file)!r}: F must be 4096 x 12 and y hold 4096 labels; "
            f"got {F.shape} and {y.shape}."
        )
    for key, array in (("F", F), ("y", y)):
        if array.dtype.kind not in "fiub" or not np.isin(array, (0, 1)).all():
            raise ValueError(f"data file {str(file)!r}: {key} must hold zeros and ones alone.")
    codes = F.astype(np.int64) @ (1 << np.arange(N_BITS)[::-1])
    order = np.argsort(codes, kind="stable")
    missing = np.flatnonzero(np.bincount(codes, minlength=len(codes)) == 0)
    if len(missing):
        raise ValueError(
            f"data file {str(file)!r}: F must hold each pattern of 12 bits once; "
            f"{missing[0]:012b} is missing, {len(missing)} in all."
        )
    wrong = np.flatnonzero(y.ravel()[order] != data.y)
    if len(wrong):
        raise ValueError(
            f"data file {str(file)!r}: {len(wrong)} of 4096 labels differ from the rule's, "
            f"the first at {wrong[0]:012b}."
        )


def _read(file: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    from scipy.io import loadmat

    if not file.is_file():
        raise ValueError(f"data file {str(file)!r} does not exist.")
    try:
        content = loadmat(file, variable_names=("F", "y"))
    except Exception as error:  # the reader raises whatever its parser meets
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"data file {str(file)!r} cannot be read as MATLAB's: {reason}") from error
    lacking = [key for key in ("F", "y") if key not in content]
    if lacking:
        raise ValueError(f"data file {str(file)!r} must hold F and y; it lacks {lacking}.")
    return np.asarray(content["F"]), np.asarray(content["y"])
