"""Log-densities and their stated errors, against scipy's logsumexp over all pairs."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp

from entbench.mixture import GaussianMixture
from entbench.mixture._tree import LEAF

TOLERANCES = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12)
SIGMAS = (5e-3, 1e-2, 0.1, 0.5, 3.0)
# wider than double on most machines: then the judge's own rounding does not matter
LONG = np.longdouble
LOG_TWO_PI = np.log(8 * np.arctan(LONG(1)))


def direct(centres: NDArray, sigma: float, points: NDArray) -> NDArray[np.longdouble]:
    n, dim = centres.shape
    wide = centres.astype(LONG)
    kernels = [
        logsumexp(-0.5 * (((point - wide) / LONG(sigma)) ** 2).sum(axis=1))
        for point in points.astype(LONG)
    ]
    return np.array(kernels) - np.log(LONG(n)) - dim * (LOG_TWO_PI / 2 + np.log(LONG(sigma)))


def rounding_of(expected: NDArray, dim: int, sigma: float) -> NDArray:
    """Return what storing and adding the log of the normaliser, in doubles, may cost."""
    own = 64 * float(np.finfo(LONG).eps) * np.abs(expected)
    return 2.0**-51 * (np.abs(expected) + dim * (1 + abs(math.log(sigma)))) + own


def corners(rng: np.random.Generator, n: int, dim: int) -> NDArray:
    return rng.choice([-1.0, 1.0], (n, dim)) + 1e-4 * rng.standard_normal((n, dim))


def cube(rng: np.random.Generator, n: int, dim: int) -> NDArray:
    return rng.uniform(-1, 1, (n, dim))


def heavy_tails(rng: np.random.Generator, n: int, dim: int) -> NDArray:
    return rng.standard_t(1.5, (n, dim))


def duplicates(rng: np.random.Generator, n: int, dim: int) -> NDArray:
    distinct = rng.standard_normal((n // 3 + 1, dim))
    return distinct[rng.integers(0, len(distinct), n)]


def line(rng: np.random.Generator, n: int, dim: int) -> NDArray:
    return rng.standard_normal((n, 1)) * np.linspace(0.5, 1.0, dim)


def outlier(rng: np.random.Generator, n: int, dim: int) -> NDArray:
    centres = rng.uniform(-1, 1, (n, dim))
    centres[-1, 0] = 1e8
    return centres


DATA: list[Callable[[np.random.Generator, int, int], NDArray]]
DATA = [corners, cube, heavy_tails, duplicates, line, outlier]


def queries(rng: np.random.Generator, centres: NDArray, sigma: float) -> NDArray:
    """Return points near to centres (16), in voids (16), and 1e3 and 1e6 sigma away (4)."""
    n, dim = centres.shape
    near = centres[rng.integers(0, n, 16)] + sigma * rng.standard_normal((16, dim))
    steps = rng.uniform(0, 10, (8, 1)) * rng.standard_normal((8, dim)) / math.sqrt(dim)
    off = centres[rng.integers(0, n, 8)] + sigma * steps
    voids = rng.uniform(-2, 2, (8, dim))
    away = rng.standard_normal((4, dim))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    far = centres[rng.integers(0, n, 4)] + sigma * np.array([1e3, 1e3, 1e6, 1e6])[:, None] * away
    return np.concatenate([near, off, voids, far])


@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, LEAF - 1, LEAF, LEAF + 1, 3000])
@pytest.mark.parametrize("dim", [1, 3, 5, 10, 20])
@pytest.mark.parametrize("data", DATA)
def test_density_is_within_its_stated_error(
    n: int, dim: int, data: Callable[[np.random.Generator, int, int], NDArray]
) -> None:
    rng = np.random.default_rng([n, dim, DATA.index(data)])
    centres = data(rng, n, dim)
    extent = float(np.linalg.norm(np.ptp(centres, axis=0)))
    for i, sigma in enumerate(SIGMAS):
        if n == 3000 and (i + dim) % 2:
            continue
        points = queries(rng, centres, sigma)
        expected = direct(centres, sigma, points)
        rounding = rounding_of(expected, dim, sigma)
        mixture = GaussianMixture(centres, sigma)
        for tolerance in TOLERANCES:
            dense = mixture.evaluate(points, tolerance, "dense")
            pruned = mixture.evaluate(points, tolerance, "pruned")
            assert (dense.method, pruned.method) == ("dense", "pruned")
            for found in (dense, pruned):
                assert np.isfinite(found.values).all()
                assert (np.abs(found.values - expected) <= found.errors + rounding).all()
                if tolerance >= 1e-10:
                    # leaves as wide as all the data round their coordinates
                    reached = tolerance + 1e-14 * extent / sigma
                    assert (found.errors[:24] <= reached).all()
            apart = np.abs(dense.values - pruned.values)
            assert (apart <= dense.errors + pruned.errors + rounding).all()


@pytest.mark.parametrize("seed", range(8))
def test_random_mixtures_are_within_their_stated_errors(seed: int) -> None:
    """Any size, weights over any range, tolerance and method."""
    rng = np.random.default_rng([1, seed])
    for _ in range(12):
        n, dim = int(10 ** rng.uniform(0, 3.6)), int(rng.choice([1, 2, 4, 8, 16, 17, 40]))
        centres = DATA[rng.integers(0, 5)](rng, n, dim)
        sigma = 10 ** rng.uniform(-2.5, 0.7)
        weights = 10 ** rng.uniform(-rng.choice([1, 20, 300]), 0, n)
        points = queries(rng, centres, sigma)
        wide = weights.astype(LONG)
        squares = (((points[:, None].astype(LONG) - centres) / LONG(sigma)) ** 2).sum(axis=2)
        expected = logsumexp(np.log(wide / wide.sum()) - squares / 2, axis=1)
        expected = expected - dim * (LOG_TWO_PI / 2 + np.log(LONG(sigma)))
        rounding = rounding_of(expected, dim, sigma)
        mixture = GaussianMixture(centres, sigma, weights)
        for tolerance in 10 ** rng.uniform(-13, -1, 3):
            for method in ("auto", "dense", "pruned"):
                found = mixture.evaluate(points, tolerance, method)
                assert (np.abs(found.values - expected) <= found.errors + rounding).all()


def test_stated_errors_contain_the_rounding_of_the_result() -> None:
    """20 log(sigma sqrt(2 pi)) rounds, too; with one centre and no distance nothing else does."""
    for sigma in 10 ** np.random.default_rng(0).uniform(-6, 6, 300):
        found = GaussianMixture(np.zeros((1, 20)), sigma).evaluate(np.zeros((1, 20)), 1e-12)
        expected = -20 * (LOG_TWO_PI / 2 + np.log(LONG(sigma)))
        assert abs(found.values[0] - expected) <= found.errors[0]


def test_auto_prunes_what_is_worth_it() -> None:
    rng = np.random.default_rng(0)
    spread = GaussianMixture(rng.uniform(-1, 1, (20 * LEAF, 3)), 0.01)
    assert spread.evaluate(spread.centres[:500]).method == "pruned"
    few = GaussianMixture(rng.uniform(-1, 1, (LEAF, 3)), 0.01)
    assert few.evaluate(few.centres).method == "dense"


def test_log_density_is_what_evaluate_returns() -> None:
    rng = np.random.default_rng(0)
    mixture, points = GaussianMixture(rng.standard_normal((1000, 3)), 0.3), rng.normal(size=(9, 3))
    for method in ("auto", "dense", "pruned"):
        found = mixture.evaluate(points, 1e-7, method)
        assert np.array_equal(mixture.log_density(points, 1e-7, method), found.values)


@pytest.mark.parametrize("method", ["auto", "dense", "pruned"])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-10])
def test_points_keep_their_order_and_do_not_mind_company(tolerance: float, method: str) -> None:
    """A point's value depends on the batch by no more than the errors stated."""
    rng = np.random.default_rng(0)
    mixture = GaussianMixture(rng.uniform(-1, 1, (3000, 3)), 0.1)
    points = rng.uniform(-1, 1, (3000, 3))
    found = mixture.evaluate(points, tolerance, method)
    for i in (0, 1, 1023, 1024, 2999):
        alone = mixture.evaluate(points[i : i + 1], tolerance, method)
        apart = abs(alone.values[0] - found.values[i])
        assert apart <= alone.errors[0] + found.errors[i] + 1e-14


@pytest.mark.parametrize("tolerance", [1e-4, 1e-12])
@pytest.mark.parametrize("method", ["dense", "pruned"])
def test_number_of_threads_changes_no_bit(tolerance: float, method: str) -> None:
    rng = np.random.default_rng(0)
    centres, points = corners(rng, 3000, 3), rng.standard_normal((5000, 3))
    found = [
        GaussianMixture(centres, 0.1, n_jobs=threads).evaluate(points, tolerance, method)
        for threads in (1, 2, 3)
    ]
    for other in found[1:]:
        assert np.array_equal(found[0].values, other.values)
        assert np.array_equal(found[0].errors, other.errors)


def test_no_array_of_pairs_is_held() -> None:
    """10^5 x 2 10^4 pairs would be 16 GB; storage stays within a few times the points'."""
    centres = np.random.default_rng(0).standard_normal((100_000, 2))
    mixture = GaussianMixture(centres, 1e-3, n_jobs=2)
    mixture.log_density(centres[:10])
    tracemalloc.start()
    try:
        mixture.log_density(centres[:20_000])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 20_000 * 20


@pytest.mark.parametrize(
    "convert",
    [
        lambda a: a.astype(np.float32),
        lambda a: a.astype(np.int64),
        lambda a: a.astype(np.int8),
        lambda a: a.tolist(),
        np.asfortranarray,
        lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3],
        lambda a: a[::-1].copy()[::-1],
        lambda a: a.astype(">f8"),
    ],
)
def test_any_real_array_will_do(convert: Callable[[NDArray], NDArray]) -> None:
    """Whole numbers, so that every type holds them exactly."""
    rng = np.random.default_rng(0)
    centres = rng.integers(-3, 4, (600, 3)).astype(float)
    points = rng.integers(-3, 4, (50, 3)).astype(float)
    expected = GaussianMixture(centres, 0.7).evaluate(points, 1e-8)
    given = convert(centres), convert(points)
    before = [np.array(array) for array in given]
    found = GaussianMixture(given[0], 0.7).evaluate(given[1], 1e-8)
    assert np.array_equal(found.values, expected.values)
    assert all(np.array_equal(a, b) for a, b in zip(given, before, strict=True))


def test_read_only_arrays_are_taken_and_nothing_is_written() -> None:
    rng = np.random.default_rng(0)
    centres, points = rng.standard_normal((600, 3)), rng.standard_normal((50, 3))
    weights = rng.uniform(0, 1, 600)
    copies = [array.copy() for array in (centres, points, weights)]
    for array in (centres, points, weights):
        array.flags.writeable = False
    mixture = GaussianMixture(centres, 0.7, weights)
    other = GaussianMixture(copies[0], 0.7, copies[2])
    assert np.array_equal(mixture.log_density(points), other.log_density(copies[1]))
    assert np.array_equal(mixture.log_kernel_sums(), other.log_kernel_sums())
    found, expected = mixture.posterior(points), other.posterior(copies[1])
    # machine code of its own, perhaps
    assert found.mean == pytest.approx(expected.mean, abs=1e-14)
    entropies = [m.entropy(0.1, 2000, np.random.default_rng(0)) for m in (mixture, other)]
    assert entropies[0].value == entropies[1].value
    for array, copy in zip((centres, points, weights), copies, strict=True):
        assert np.array_equal(array, copy)


def test_booleans_are_numbers() -> None:
    found = GaussianMixture([[True], [False]], 1.0).log_density([[False]])
    assert found == GaussianMixture([[1.0], [0.0]], 1.0).log_density([[0.0]])


@pytest.mark.parametrize(
    ("centres", "sigma", "error", "message"),
    [
        ([[np.nan]], 1.0, ValueError, "`centres` must be finite; got nan in row 0, column 0"),
        ([[0.0], [np.inf]], 1.0, ValueError, "`centres` must be finite; got inf in row 1"),
        (np.zeros((0, 2)), 1.0, ValueError, "`centres` must have at least 1 rows; got 0"),
        (np.zeros((2, 0)), 1.0, ValueError, "`centres` must have at least one column"),
        ([0.0, 1.0], 1.0, ValueError, r"`centres` must have shape \(n_samples, dim\); got shape"),
        ([["a"]], 1.0, TypeError, "`centres` must hold real numbers"),
        ([[1j]], 1.0, TypeError, "`centres` must hold real numbers; got dtype complex128"),
        ([[0.0]], 0.0, ValueError, "`sigma` must be a finite number > 0; got 0.0"),
        ([[0.0]], -1.0, ValueError, "`sigma` must be a finite number > 0; got -1.0"),
        ([[0.0]], np.nan, ValueError, "`sigma` must be a finite number > 0; got nan"),
        ([[0.0]], np.inf, ValueError, "`sigma` must be a finite number > 0; got inf"),
        ([[0.0]], "1", TypeError, "`sigma` must be a finite number > 0; got '1'"),
    ],
)
def test_bad_mixtures_are_refused(
    centres: object, sigma: float, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        GaussianMixture(centres, sigma)


@pytest.mark.parametrize(
    ("n_jobs", "error"), [(0, ValueError), (-2, ValueError), (1.5, ValueError), ("two", TypeError)]
)
def test_bad_numbers_of_threads_are_refused(n_jobs: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="`n_jobs` must be an integer >= 1, -1 for all cores, or"):
        GaussianMixture([[0.0]], 1.0, n_jobs=n_jobs)  # type: ignore[arg-type]


@pytest.mark.parametrize("n_jobs", [None, -1, 1, 2, 2.0])
def test_numbers_of_threads(n_jobs: int | None) -> None:
    found = GaussianMixture([[0.0]], 1.0, n_jobs=n_jobs).log_density([[0.0]])
    assert found == pytest.approx(-0.5 * math.log(2 * math.pi), rel=1e-15)


@pytest.mark.parametrize(
    ("tolerance", "message"),
    [
        (0.0, "`tolerance` must be a finite number > 0; got 0.0"),
        (-1e-3, "`tolerance` must be a finite number > 0; got -0.001"),
        (np.nan, "`tolerance` must be a finite number > 0; got nan"),
        (np.inf, "`tolerance` must be a finite number > 0; got inf"),
        (9e-15, "`tolerance` must be at least 1e-14, about what double precision can give"),
    ],
)
def test_bad_tolerances_are_refused(tolerance: float, message: str) -> None:
    mixture = GaussianMixture([[0.0], [1.0]], 1.0)
    calls: list[Callable[[], object]] = [
        lambda: mixture.evaluate([[0.0]], tolerance),
        lambda: mixture.log_density([[0.0]], tolerance),
        lambda: mixture.leave_one_out_log_density(tolerance),
        lambda: mixture.log_kernel_sums(None, tolerance),
        lambda: mixture.posterior([[0.0]], tolerance),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call()


def test_bad_points_and_methods_are_refused() -> None:
    mixture = GaussianMixture(np.zeros((2, 2)), 1.0)
    for call in (mixture.log_density, mixture.log_kernel_sums, mixture.posterior):
        with pytest.raises(ValueError, match="`points` must have 2 columns, as the centres do; g"):
            call(np.zeros((1, 3)))
        with pytest.raises(ValueError, match="`points` must be finite; got nan in row 0, column 1"):
            call([[0.0, np.nan]])
        with pytest.raises(ValueError, match="`points` must have at least 1 rows; got 0"):
            call(np.zeros((0, 2)))
        with pytest.raises(TypeError, match="`points` must hold real numbers; got dtype <U1"):
            call([["a", "b"]])
    with pytest.raises(ValueError, match="`method` must be one of 'auto', 'dense', 'pruned'; got"):
        mixture.log_density([[0.0, 0.0]], method="fast")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="leaving one out needs at least 2 centres; got 1."):
        GaussianMixture(np.zeros((1, 2)), 1.0).leave_one_out_log_density()
