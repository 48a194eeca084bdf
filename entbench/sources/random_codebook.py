"""A random choice of points of a product grid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import ndtr

from entbench._base import Reference, ReferenceCheck, SourceFacts
from entbench._validation import check_integer
from entbench.sources._certificate import Asked, SampledSource, certify_mixture, verify_mixture
from entbench.sources._product import NOISE_ENTROPY
from entbench.sources.gaussian_mixture import radius
from entbench.sources.grid import UniformGrid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.mixture import GaussianMixture

_MOST_WORDS = 2**16
_MOST_PAIRED = 2048  # words up to which all pairs are looked at
_MOST_NUMBERED = 2**20  # points of a grid that are numbered to choose among them
_CHUNK = 2**20  # distances at a time
_FAR = 1e6  # noise levels: farther apart makes no difference, but its square could overflow
_NOTHING = 1e-13  # nats lost to the noise, below which the truth is exact


@dataclass(frozen=True)
class RandomCodebook(SampledSource):
    """S uniform on points of a product grid, themselves chosen at random: a random codebook.

    Beside the uniform law on the whole grid it is the hard pair of Le Cam's bound: fewer samples
    than make two agree cannot tell the two apart. The codebooks of Theorem 2 are of this kind.

    Parameters
    ----------
    d : int, default=5
        Dimension, >= 1.
    k : int, default=2
        Points of the grid along each axis, 2 to 1000.
    points : int, default=8
        Points chosen, without replacement; 2 to 65536, and k^d at most.
    sigma : float, default=0.1
        Standard deviation of the noise Z.
    ends : bool, default=True
        Whether the grid goes from -1 to 1, ends included, or is that of the cell centres; as in
        `UniformGrid`.
    codebook : int, default=0
        Seed of the choice.

    Notes
    -----
    S lies in the cube; it is subgaussian with K half the diameter of the points (Hoeffding's lemma
    along every direction), or the radius of a ball around them where they are more than 2048.

    A word is mistaken for another with probability at most the mean over words of
    ``sum_j Q(|c_i - c_j| / (2 sigma))``, and at most as often as on the whole grid, of which more
    than 2048 words use the second alone. By Fano's inequality it bounds ``H(S|S+Z)``, by which the
    truth is below ``log(points) + h(Z)``. Where that bound is within the error asked, the truth is
    taken from between the two, and called exact below 1e-13 nats. Elsewhere the entropy of the
    mixture over the codebook is integrated.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, Theorem 2,
    for codebooks that the noise leaves decodable. Fano's inequality: Cover & Thomas, "Elements of
    Information Theory", 2nd ed., theorem 2.10.1. Kolchinsky & Tracey, "Estimating mixture entropy
    with pairwise distances", Entropy 19 (2017), eq. (10) (recalled, not checked), for the check.
    """

    version: ClassVar[str] = "1"

    d: int = 5
    k: int = 2
    points: int = 8
    sigma: float = 0.1
    ends: bool = True
    codebook: int = 0

    def __post_init__(self) -> None:
        for name, value in UniformGrid(self.d, self.k, self.sigma, self.ends).get_params().items():
            object.__setattr__(self, name, value)
        # k^d itself may have a million digits
        few = self.d * math.log(self.k) < math.log(2 * _MOST_WORDS)
        most = min(self.k**self.d, _MOST_WORDS) if few else _MOST_WORDS
        object.__setattr__(self, "points", check_integer("points", self.points, 2, most))
        object.__setattr__(self, "codebook", check_integer("codebook", self.codebook, 0))

    @property
    def dim(self) -> int:
        """Dimension of S."""
        return self.d

    @cached_property
    def words(self) -> NDArray[np.float64]:
        """The points chosen, shape (points, d)."""
        return np.asarray(self._grid.points[self._places])

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` samples, shape (n, d)."""
        return np.asarray(self.words[rng.integers(0, self.points, n)])

    def certify(self, error: float, confidence: float = 0.95, seed: int = 0) -> Reference:
        """Return h(S+Z) within `error` nats: for certain where the noise hides no more than that.

        See `certify_mixture` for the integration elsewhere.
        """
        asked = Asked(error, confidence, seed)
        return self._separate if self._hidden <= error else certify_mixture(self._mixture, asked)

    def verify(self, error: float, confidence: float = 0.95, seed: int = 1) -> Reference:
        """Return h(S+Z) by a lattice, or by plain independent draws."""
        return verify_mixture(self._mixture, Asked(error, confidence, seed))

    def facts(self) -> SourceFacts:
        """Return what is known of the words, and the two kinds of information where exact.

        Where no word is mistaken for another, ``I = log(points)`` and ``I_chi2 = points - 1``.
        """
        exact = self._is_exact
        return SourceFacts(
            self.d,
            self.sigma,
            in_unit_cube=True,
            subgaussian_constant=self._half_width,
            mutual_information=math.log(self.points) if exact else None,
            chi_square_information=self.points - 1.0 if exact else None,
            log_values=math.log(self.points),
            decoding_error=self._decoding_error,
            second_moment=float((self.words**2).sum(axis=1).mean()),
        )

    @cached_property
    def _grid(self) -> UniformGrid:
        return UniformGrid(self.d, self.k, self.sigma, self.ends)

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """Whole coordinates of the words on the grid, 0 to k - 1."""
        rng = np.random.default_rng([self.codebook, self.points, self.k, self.d])
        if self.d * math.log(self.k) > math.log(_MOST_NUMBERED):
            return _distinct(self.points, self.k, self.d, rng)
        numbers = rng.choice(self.k**self.d, self.points, replace=False)
        return np.asarray(numbers[:, None] // self.k ** np.arange(self.d) % self.k)

    @property
    def _mixture(self) -> GaussianMixture:
        from entbench.mixture import GaussianMixture

        return GaussianMixture(self.words, self.sigma)

    @property
    def _half_width(self) -> float:
        if self.points > _MOST_PAIRED:
            return radius(self.words)
        widest = max(float(some[np.isfinite(some)].max()) for some in self._distances())
        return 0.5 * widest

    @cached_property
    def _decoding_error(self) -> float:
        of_the_grid = self._grid.decoding_error
        if self.points > _MOST_PAIRED:
            return of_the_grid
        scale = -0.5 / self.sigma
        union = math.fsum(float(ndtr(scale * some).sum()) for some in self._distances())
        return min(of_the_grid, union / self.points)

    @property
    def _is_exact(self) -> bool:
        return self._hidden < _NOTHING

    @cached_property
    def _hidden(self) -> float:
        """A bound on H(S|S+Z) by Fano's inequality."""
        error = self._decoding_error
        if error == 0.0:
            return 0.0
        if error > 0.5:  # where the inequality need not grow with the error any more
            return math.log(self.points)
        doubt = -error * math.log(error) - (1.0 - error) * math.log1p(-error)
        return doubt + error * math.log(self.points - 1)

    @property
    def _separate(self) -> Reference:
        """Return the middle between log(points) + h(Z) and that less what the noise hides at most.

        The error is half of that, which is nothing where words are far apart.
        """
        noise = self.d * (NOISE_ENTROPY + math.log(self.sigma))
        most = math.log(self.points) + noise
        value = most - 0.5 * self._hidden
        # rounding: of every axis' log sigma, and of the sums
        rounding = 2.0**-50 * (1.0 + abs(noise) + abs(value))
        second = most - self._overlap
        check = ReferenceCheck(
            "pairwise-distance lower bound with Bhattacharyya distances",
            second,
            abs(second - value),
        )
        method = f"log {self.points} + h(Z), of which noise hides {self._hidden:.2g} nats at most"
        return Reference(value, 0.5 * self._hidden + rounding, method, (check,))

    @property
    def _overlap(self) -> float:
        """Return the mean over words of ``log sum_j exp(-|c_i - c_j|^2 / (8 sigma^2))``.

        What the lower bound of Kolchinsky and Tracey lacks to log(points) + h(Z). Many words are
        taken to have all of an endless grid around them.
        """
        scale = 1.0 / self.sigma
        if self.points > _MOST_PAIRED:
            steps = np.minimum(self._grid.gap * scale * np.arange(1.0, self.k), _FAR)
            return self.d * math.log1p(2.0 * float(np.exp(-0.125 * steps**2).sum()))
        tables = (np.minimum(scale * some, _FAR) for some in self._distances())
        sums = (np.exp(-0.125 * some**2).sum(axis=1) for some in tables)
        return math.fsum(float(np.log1p(some).sum()) for some in sums) / self.points

    def _distances(self) -> Iterator[NDArray[np.float64]]:
        """Yield rows of the table of distances between words, inf from each to itself."""
        # whole numbers, which double precision holds: exact whatever the order of sums
        places = self._places.astype(np.float64)
        squares = (places**2).sum(axis=1)
        rows = max(1, _CHUNK // self.points)
        for first in range(0, self.points, rows):
            some = slice(first, first + rows)
            table = squares[some, None] + squares - 2.0 * (places[some] @ places.T)
            table = self._grid.gap * np.sqrt(table)
            own = np.arange(len(table))
            table[own, first + own] = np.inf
            yield table


def _distinct(n: int, k: int, d: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the first `n` distinct rows of a sequence of random ones, shape (n, d)."""
    rows = rng.integers(0, k, (n, d))
    while True:
        _, first = np.unique(rows, axis=0, return_index=True)
        if len(first) >= n:
            return np.asarray(rows[np.sort(first)[:n]])
        rows = np.concatenate([rows, rng.integers(0, k, (n, d))])
