"""Rows of a data set, taken as the population."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from entbench._base import Reference, SourceFacts
from entbench._validation import check_choice, check_positive, check_samples
from entbench.sources._certificate import Asked, SampledSource, certify_mixture, verify_mixture
from entbench.sources.gaussian_mixture import radius

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.mixture import GaussianMixture

_SCALINGS = ("cube", "whiten", "none")
_BUNDLED = ("digits", "breast-cancer")
_DIGITS_OF_DIGEST = 16


@dataclass(frozen=True)
class Empirical(SampledSource):
    """Rows of a data set with equal weights: S is a row drawn at random, with replacement.

    S+Z is a mixture with one component a row, so the truth is the entropy of a known mixture,
    integrated. It is a truth about the rows, not about where they came from.

    Parameters
    ----------
    data : str, default="digits"
        "digits" or "breast-cancer", which come with scikit-learn; or the path of a ``.npy``,
        ``.npz``, ``.csv`` or ``.parquet`` file with one row a sample.
    sigma : float, default=0.5
        Standard deviation of the noise Z, in the unit of the scaled rows.
    scaling : {"cube", "whiten", "none"}, default="cube"
        Bring every column to [-1, 1], a constant one to 0; or rotate and scale the rows to unit
        covariance; or leave them.
    digest : str, default=""
        First digits of the SHA-256 of the rows as read. Filled in; where given, the rows must have
        it, so that results of a file are not reused once it has changed.

    Notes
    -----
    Subgaussian with K the radius of a ball around the rows (Hoeffding's lemma along every
    direction). Only "cube" says that S lies in the cube.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, eq. (3) and
    supplement, estimator (18): the entropy that is an estimate elsewhere is the truth here.
    """

    version: ClassVar[str] = "1"

    data: str = "digits"
    sigma: float = 0.5
    scaling: str = "cube"
    digest: str = ""
    _raw: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.data, str):
            raise TypeError(f"`data` must be a name or the path of a file; got {self.data!r}.")
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))
        check_choice("scaling", self.scaling, _SCALINGS)
        raw = _read(self.data)
        digest = hashlib.sha256(repr(raw.shape).encode() + raw.tobytes()).hexdigest()
        digest = digest[:_DIGITS_OF_DIGEST]
        if self.digest not in ("", digest):
            raise ValueError(
                f"`digest` must be that of the rows of {self.data!r}, {digest!r}; "
                f"got {self.digest!r}."
            )
        object.__setattr__(self, "digest", digest)
        object.__setattr__(self, "_raw", raw)
        _ = self.rows  # what cannot be scaled is refused here

    @property
    def dim(self) -> int:
        """Dimension of S."""
        return int(self._raw.shape[1])

    @cached_property
    def rows(self) -> NDArray[np.float64]:
        """The population after scaling, shape (N, dim)."""
        if self.scaling == "none":
            return self._raw
        return _to_cube(self._raw) if self.scaling == "cube" else _whitened(self._raw)

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` rows with replacement, shape (n, dim)."""
        return np.asarray(self.rows[rng.integers(0, len(self.rows), n)])

    def certify(self, error: float, confidence: float = 0.95, seed: int = 0) -> Reference:
        """Return h(S+Z) within `error` nats, by integration; see `certify_mixture`."""
        return certify_mixture(self._mixture, Asked(error, confidence, seed))

    def verify(self, error: float, confidence: float = 0.95, seed: int = 1) -> Reference:
        """Return h(S+Z) by a lattice, or by plain independent draws."""
        return verify_mixture(self._mixture, Asked(error, confidence, seed))

    def facts(self) -> SourceFacts:
        """Return dimension, noise, whether in the cube, a subgaussian constant and ``E |S|^2``."""
        inside = bool(np.abs(self.rows).max() <= 1.0)
        return SourceFacts(
            self.dim,
            self.sigma,
            in_unit_cube=inside,
            subgaussian_constant=radius(self.rows),
            second_moment=float((self.rows**2).sum(axis=1).mean()),
        )

    @property
    def _mixture(self) -> GaussianMixture:
        from entbench.mixture import GaussianMixture

        return GaussianMixture(self.rows, self.sigma)


def _read(data: str) -> NDArray[np.float64]:
    if data not in _BUNDLED:
        from entbench._data import load_samples

        return load_samples(data)
    from sklearn.datasets import load_breast_cancer, load_digits

    load = load_digits if data == "digits" else load_breast_cancer
    return check_samples(load(return_X_y=True)[0], name=data)


def _to_cube(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows with every column brought to [-1, 1]."""
    # halves, so that a span as wide as the floating range is none too wide
    low, high = 0.5 * rows.min(axis=0), 0.5 * rows.max(axis=0)
    half = high - low
    scaled = (0.5 * rows - (low + 0.5 * half)) / np.where(half > 0.0, 0.5 * half, 1.0)
    return np.where(half > 0.0, np.clip(scaled, -1.0, 1.0), 0.0)


def _whitened(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows rotated and scaled to unit covariance."""
    n, dim = rows.shape
    centred = rows - rows.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    rank = int(np.sum(values > max(n, dim) * 2.0**-52 * values[0]))
    if rank < dim:
        raise ValueError(
            f'`scaling` must be "cube" or "none" for rows that span fewer than their {dim} '
            f'dimensions; got "whiten" and rank {rank}.'
        )
    return np.asarray(left * np.sqrt(n))
