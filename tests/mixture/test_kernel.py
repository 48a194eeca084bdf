"""Log-densities against an independent evaluation: scipy's logsumexp over all pairs."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp

from entbench.mixture import GaussianMixture
from entbench.mixture._order import TILE, tile


def direct(centres: NDArray, sigma: float, points: NDArray, exclude_self: bool = False) -> NDArray:
    dim = centres.shape[1]
    squares = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    exponents = -squares / (2 * sigma**2)
    count = len(centres)
    if exclude_self:
        np.fill_diagonal(exponents, -np.inf)
        count -= 1
    normaliser = 0.5 * dim * math.log(2 * math.pi * sigma**2) + math.log(count)
    return logsumexp(exponents, axis=1) - normaliser


def clustered(rng: np.random.Generator, n: int, dim: int) -> NDArray:
    return rng.choice([-1.0, 1.0], (n, dim)) * (1 - 0.02 * np.abs(rng.standard_normal((n, dim))))


@pytest.mark.parametrize("n", [1, 2, TILE - 1, TILE, TILE + 1, 3 * TILE + 17])
@pytest.mark.parametrize("dim", [1, 3, 10])
@pytest.mark.parametrize("sigma", [1e-2, 0.1, 3.0])
def test_density_agrees_with_all_pairs(n: int, dim: int, sigma: float) -> None:
    rng = np.random.default_rng([n, dim])
    centres = clustered(rng, n, dim)
    points = rng.uniform(-2, 2, (50, dim))
    mixture = GaussianMixture(centres, sigma)
    expected = direct(centres, sigma, points)
    assert mixture.log_density(points) == pytest.approx(expected, rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("dim", [1, 5])
def test_single_precision_keeps_its_stated_error(dim: int) -> None:
    rng = np.random.default_rng(dim)
    centres = clustered(rng, 1000, dim)
    points = centres + 0.1 * rng.standard_normal(centres.shape)
    mixture = GaussianMixture(centres, 0.1)
    error = np.abs(mixture.log_density(points, "single") - direct(centres, 0.1, points))
    assert error.max() < mixture._single_precision_error < 1e-4


@pytest.mark.parametrize("n", [2, TILE, TILE + 1, 700])
def test_leaving_one_out_agrees_with_all_pairs(n: int) -> None:
    centres = np.random.default_rng(n).standard_normal((n, 4))
    computed = GaussianMixture(centres, 0.3).leave_one_out_log_density()
    assert computed == pytest.approx(direct(centres, 0.3, centres, exclude_self=True), rel=1e-11)


def test_repeated_centres_count_as_often_as_they_occur() -> None:
    centres = np.repeat([[0.0], [1.0]], [600, 200], axis=0)
    density = np.exp(GaussianMixture(centres, 0.1).log_density([[0.0], [1.0]]))
    assert density[0] / density[1] == pytest.approx(3.0)


def test_points_far_away_do_not_underflow() -> None:
    mixture = GaussianMixture(np.zeros((3, 2)), 1e-3)
    for precision in ("double", "single"):
        value = mixture.log_density([[1e3, 0.0]], precision)[0]
        expected = -0.5 * (1e3 / 1e-3) ** 2 - math.log(2 * math.pi * 1e-6)
        assert value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("sigma", [1e-6, 1.0, 1e6])
def test_scales_against_mpmath(shift: float, sigma: float) -> None:
    """Centres far from the origin, noise small and large: 40 digits as the judge."""
    rng = np.random.default_rng(1)
    centres = shift + sigma * np.round(rng.uniform(-4, 4, (40, 3)), 1)
    point = centres[0] + sigma
    with mpmath.workdps(40):
        kernels = [
            mpmath.exp(
                -sum(
                    (mpmath.mpf(float(p)) - mpmath.mpf(float(c))) ** 2
                    for p, c in zip(point, row, strict=True)
                )
                / (2 * mpmath.mpf(sigma) ** 2)
            )
            for row in centres
        ]
        expected = float(
            mpmath.log(sum(kernels) / 40) - mpmath.mpf(3) / 2 * mpmath.log(2 * mpmath.pi * sigma**2)
        )
    computed = GaussianMixture(centres, sigma).log_density(point[None, :])[0]
    # taking coordinates relative to the mean costs its rounding: |shift| 2^-53 / sigma
    slack = 1e-11 + 50 * abs(shift) * 2.0**-53 / sigma
    assert computed == pytest.approx(expected, abs=slack)


def test_tiles_hold_every_centre_once_within_its_box() -> None:
    centres = np.random.default_rng(3).standard_normal((1000, 3))
    tiles = tile(centres)
    found = tiles.values[tiles.place // TILE, :, tiles.place % TILE]
    assert np.array_equal(found, centres)
    assert tiles.counts.sum() == 1000
    assert (tiles.counts[:-1] == TILE).all()
    assert (tiles.values >= tiles.low[:, :, None]).all()
    assert (tiles.values <= tiles.high[:, :, None]).all()


def test_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    centres = clustered(rng, 3000, 3)
    points = rng.standard_normal((9000, 3))
    values = []
    for threads in (1, 2, 3):
        monkeypatch.setattr("entbench.mixture._mixture._threads", lambda count=threads: count)
        values.append(GaussianMixture(centres, 0.1).log_density(points))
    assert np.array_equal(values[0], values[1])
    assert np.array_equal(values[0], values[2])


def test_no_array_of_pairs_is_held() -> None:
    """10^5 x 10^5 pairs would be 80 GB; storage stays within a few times the centres'."""
    import tracemalloc

    centres = np.random.default_rng(0).standard_normal((100_000, 2))
    mixture = GaussianMixture(centres, 1e-3)
    mixture.log_density(centres[:10])
    tracemalloc.start()
    mixture.log_density(centres[:20_000])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 20_000 * 20


@pytest.mark.parametrize(
    ("centres", "sigma", "message"),
    [
        ([[np.nan]], 1.0, "`centres` must be finite"),
        (np.zeros((0, 2)), 1.0, "at least 1 rows"),
        ([[0.0]], 0.0, "`sigma` must be a finite number > 0"),
    ],
)
def test_bad_mixtures_are_refused(centres: object, sigma: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GaussianMixture(centres, sigma)


def test_points_of_another_dimension_are_refused() -> None:
    with pytest.raises(ValueError, match="`points` must have 2 columns, as the centres do; got 3"):
        GaussianMixture(np.zeros((2, 2)), 1.0).log_density(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="leaving one out needs at least 2 centres"):
        GaussianMixture(np.zeros((1, 2)), 1.0).leave_one_out_log_density()
