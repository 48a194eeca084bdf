"""MNIST, wherever the user has it; a small stand-in, said aloud, where not."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entbench._validation import check_integer
from entbench.networks.data._dataset import DataSet, split
from entbench.networks.data._idx import read_idx

__all__ = ["MNIST", "load_mnist"]

DIRECTORY = "ENTBENCH_MNIST_DIR"
N_TRAIN = 60_000
STAND_IN = "digits 8x8"

_NOT_FOUND = (
    "MNIST was not found: these are scikit-learn's digits of 8 x 8 pixels, and no number got from "
    f"them is one of MNIST. Name the folder of its four files by {DIRECTORY}."
)

# SHA-256 of the bytes of train_x, train_y, test_x, test_y as published, labels as unsigned bytes
PUBLISHED = "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16"


@dataclass(frozen=True, eq=False)
class MNIST:
    """Images of digits, training and test.

    Parameters
    ----------
    train_x, test_x : ndarray of uint8, shape (n, height, width)
        0 is the background; 28 x 28 in MNIST itself.
    train_y, test_y : ndarray of int64, shape (n,)
        The digits.
    name : str
        "MNIST" where every byte is that of the published files, "digits 8x8" for the stand-in,
        else where the images come from. Reports print it, so that one data set's numbers never
        pass for another's.
    """

    train_x: NDArray[np.uint8]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.uint8]
    test_y: NDArray[np.int64]
    name: str

    @property
    def key(self) -> str:
        """A word for these very images: "mnist", "digits" or, of others, "idx-" and a digest."""
        known = {"MNIST": "mnist", STAND_IN: "digits"}
        return known.get(self.name) or f"idx-{_digest(self)[:8]}"

    def subset(self, classes: Sequence[int], per_class: int, seed: int = 0) -> DataSet:
        """Return `per_class` training images of each class, in the order of the data set.

        Parameters
        ----------
        classes : sequence of int
            Such as ``(1, 3, 8)``; the labels stay what they are.
        per_class : int
            Drawn without replacement. A smaller number gives a part of a larger one's images.
        seed : int
            Same seed, same images of a class, whichever other classes are asked.
        """
        count = check_integer("per_class", per_class, minimum=1)
        start = check_integer("seed", seed, minimum=0)
        labels = [check_integer("classes", label, minimum=0) for label in classes]
        if not labels or len(set(labels)) < len(labels):
            raise ValueError(f"`classes` must name each class once, at least one; got {labels}.")
        rows = [self._draw(label, count, start) for label in labels]
        index = np.sort(np.concatenate(rows))
        return DataSet(self.train_x[index], self.train_y[index])

    def _draw(self, label: int, count: int, seed: int) -> NDArray[np.int64]:
        rows = np.flatnonzero(self.train_y == label)
        if len(rows) < count:
            raise ValueError(
                f"`per_class` must be at most {len(rows)}, the training images of class {label} "
                f"in {self.name}; got {count}."
            )
        return np.random.default_rng((seed, label)).permutation(rows)[:count]


def load_mnist(directory: str | Path | None = None, *, download: bool = False) -> MNIST:
    """Return MNIST from IDX files, from OpenML, or a stand-in of 8 x 8 pixels with a warning.

    Parameters
    ----------
    directory : path, optional
        Folder of the four files (``train-images-idx3-ubyte`` and so on, plain or ``.gz``). By
        default the folder that ``ENTBENCH_MNIST_DIR`` names. One that is named must hold them:
        nothing else is tried then.
    download : bool
        Where no folder is named: fetch "mnist_784" from OpenML by scikit-learn, which keeps it
        in its own folder. Without it, nothing goes over the network.

    Returns
    -------
    MNIST
        Its `name` says which data these are.

    Raises
    ------
    ValueError
        In one line that names the file: missing, damaged, cut short, of another kind; or if
        what OpenML sent is not MNIST.

    Warns
    -----
    UserWarning
        If neither a folder nor `download` is given: scikit-learn's 1797 digits of 8 x 8 pixels
        come instead, 1437 to train, grey levels scaled to 0..255. They are not MNIST.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-Based Learning Applied to Document
    Recognition", Proceedings of the IEEE 86(11), 1998.
    """
    folder = directory if directory is not None else os.environ.get(DIRECTORY) or None
    if folder is not None:
        return _from_folder(Path(folder).expanduser())
    if download:
        return _from_openml()
    warnings.warn(f"{_NOT_FOUND} Or `download=True`.", UserWarning, stacklevel=2)
    return _stand_in()


@lru_cache(maxsize=2)
def mnist_by_key(key: str) -> MNIST:
    """Return the images that go by a key, or those there are for "auto", with a warning if few.

    Parameters
    ----------
    key : str
        "mnist", "digits" or "idx-..." (see `MNIST.key`); "auto" for what `ENTBENCH_MNIST_DIR`
        names, else MNIST from OpenML, else the stand-in.

    Raises
    ------
    ValueError
        If there is no such key, or the data that there are go by another.
    """
    if key not in ("auto", "mnist", "digits") and not key.startswith("idx-"):
        raise ValueError(f'`data` must be "auto", "mnist", "digits" or "idx-..."; got {key!r}.')
    if key == "digits":
        return _stand_in()
    if os.environ.get(DIRECTORY):
        data = load_mnist()
    else:
        try:
            data = _from_openml()
        except ValueError as error:
            if key != "auto":
                raise
            warnings.warn(f"{error}. {_NOT_FOUND}", UserWarning, stacklevel=2)
            return _stand_in()
    if key not in ("auto", data.key):
        raise ValueError(f"`data` asks for {key!r}; the images that there are go by {data.key!r}.")
    return data


def _from_folder(folder: Path) -> MNIST:
    if not folder.is_dir():
        raise ValueError(f"`directory` must be a folder; got {str(folder)!r}.")
    parts = [_read_part(folder, stem) for stem in ("train", "t10k")]
    (train_x, train_y), (test_x, test_y) = parts
    if train_x.shape[1:] != test_x.shape[1:]:
        raise ValueError(
            f"data folder {str(folder)!r}: images of training and test must be of one size; "
            f"got {train_x.shape[1:]} and {test_x.shape[1:]}."
        )
    return _named(train_x, train_y, test_x, test_y, f"IDX files of {folder.name}")


def _read_part(folder: Path, stem: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    image_file = _find(folder, f"{stem}-images-idx3-ubyte")
    label_file = _find(folder, f"{stem}-labels-idx1-ubyte")
    images = read_idx(image_file, ndim=3)
    labels = read_idx(label_file, ndim=1)
    if len(images) != len(labels) or not len(labels):
        raise ValueError(
            f"data file {str(label_file)!r} must hold a label for each image of "
            f"{image_file.name!r}; got {len(labels)} for {len(images)}."
        )
    return images, labels.astype(np.int64)


def _find(folder: Path, name: str) -> Path:
    dotted = name.replace("-idx", ".idx")  # as some mirrors have it
    for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    raise ValueError(f"data file {str(folder / name)!r}, or the same with .gz, does not exist.")


def _from_openml() -> MNIST:
    from sklearn.datasets import fetch_openml

    try:
        X, y = fetch_openml(
            "mnist_784", version=1, return_X_y=True, as_frame=False, parser="liac-arff"
        )
    except Exception as error:  # network, cache and parser each raise their own
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"MNIST cannot be had from OpenML: {reason}") from error
    images = np.asarray(X).astype(np.uint8).reshape(-1, 28, 28)
    labels = np.asarray(y).astype(np.int64)
    data = _named(images[:N_TRAIN], labels[:N_TRAIN], images[N_TRAIN:], labels[N_TRAIN:], "OpenML")
    if data.name != "MNIST":
        raise ValueError(
            'what OpenML sent as "mnist_784" is not MNIST byte by byte; give `directory`.'
        )
    return data


def _named(train_x: Any, train_y: Any, test_x: Any, test_y: Any, otherwise: str) -> MNIST:
    """Call it MNIST only where it is: other data sets come under the same file names."""
    data = MNIST(train_x, train_y, test_x, test_y, otherwise)
    return replace(data, name="MNIST") if _digest(data) == PUBLISHED else data


def _digest(data: MNIST) -> str:
    digest = hashlib.sha256()
    for array in (data.train_x, data.train_y, data.test_x, data.test_y):
        digest.update(np.ascontiguousarray(array, dtype=np.uint8).data)
    return digest.hexdigest()


def _stand_in() -> MNIST:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    images = np.rint(X.reshape(-1, 8, 8) * (255.0 / 16.0)).astype(np.uint8)
    labels = y.astype(np.int64)
    train, test = split(images, labels)
    return MNIST(images[train], labels[train], images[test], labels[test], STAND_IN)
