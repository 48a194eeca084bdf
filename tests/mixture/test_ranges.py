"""What is known of a mixture's terms before any draw, against draws and quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import norm, poisson

from entbench.mixture import GaussianMixture, Statistic, error_of
from entbench.mixture._integration import opposite
from entbench.mixture._ranges import Items, find_items
from entbench.mixture._strata import Known
from entbench.mixture._sums import Rung

REACH = 4.0
TOLERANCE = 1e-3


def populations() -> dict[str, NDArray[np.float64]]:
    """Return centres in units of sigma."""
    rng = np.random.default_rng(0)
    corners = 20.0 * rng.integers(0, 2, (300, 3))
    cloud = rng.standard_normal((200, 3))
    rare = np.zeros((1000, 3))
    rare[0] = 15.0
    return {
        "cloud": 3.0 * cloud,
        "cluster": 0.1 * cloud,
        "corners": corners + 0.3 * rng.standard_normal((300, 3)),
        "one far": np.vstack([0.5 * cloud, [[40.0, 0.0, 0.0]]]),
        "rare": rare,
        "copies": np.repeat(8.0 * cloud[:50], rng.integers(1, 5, 50), axis=0),
        "scales": np.vstack([10.0**k * cloud[:40] for k in (-3, -1, 0, 1, 2)]),
        "line": 5.0 * np.arange(100.0)[:, None] * np.array([1.0, 2.0, 2.0]) / 3.0,
        "thousands": rng.uniform(-6, 6, (5000, 3)),
    }


POPULATIONS = populations()


def terms(mixture: GaussianMixture, visits: int) -> tuple[NDArray, NDArray, NDArray]:
    """Return components, and the means over Z and -Z of terms with and without the own sample."""
    rng = np.random.default_rng(1)
    chosen, noise = opposite(rng.integers(0, mixture.n, visits), mixture.dim, rng)
    points = mixture.centres[chosen] + noise
    own = 0.5 * (noise**2).sum(axis=1) + 0.5 * mixture.dim * math.log(2 * math.pi)
    with_own = mixture.log_density(points, 1e-10) + own
    squares = ((points[:, None] - mixture.centres) ** 2).sum(axis=2)
    logs = -0.5 * squares
    logs[np.arange(len(points)), chosen] = -np.inf
    rest = np.logaddexp.reduce(logs, axis=1) - math.log(mixture.n - 1)
    without = rest + own - 0.5 * mixture.dim * math.log(2 * math.pi)
    return chosen[::2], with_own.reshape(-1, 2).mean(axis=1), without.reshape(-1, 2).mean(axis=1)


def items_of(mixture: GaussianMixture, reach: float = REACH) -> tuple[Items, NDArray[np.intp]]:
    """Return the items, and the item of each component."""
    items = find_items(mixture.tree, 1.0, TOLERANCE, mixture.n, reach)
    by_place = items.by_place(np.arange(len(items.starts)))
    found = np.empty(mixture.n, dtype=np.intp)
    found[mixture.neighbours()] = np.repeat(by_place, mixture.copies())
    return items, found


@pytest.mark.parametrize("name", POPULATIONS)
def test_no_term_is_below_its_range_and_few_are_above(name: str) -> None:
    """The lower end is certain. Above lie at most exp(-reach): of 4000, 7e-6 at 4.5 deviations."""
    mixture = GaussianMixture(POPULATIONS[name], 1.0)
    items, item = items_of(mixture)
    assert items.counts.sum() == len(mixture.tree.order)
    visits = 4000 if mixture.n <= 1000 else 400
    components, found, left_out = terms(mixture, visits)
    at = item[components]
    assert (found >= items.log_group[at] - items.drop[at] - 1e-9).all()
    assert (left_out >= -items.left_out_drop[at] - 1e-6).all()
    expected = math.exp(-REACH)
    slack = 4.5 * math.sqrt(expected / visits)
    assert (found > items.log_group[at] + items.above[at] + items.overlap).mean() <= (
        expected + slack
    )


@pytest.mark.parametrize("gap", [12.0, 14.0, 20.0])
def test_overlap_of_groups_is_bounded(gap: float) -> None:
    """Two weighted places with a gap: entropy of weights and noise, less the overlap."""
    for weight in (0.5, 1e-2, 1e-5):
        mixture = GaussianMixture([[0.0] * 3, [gap, 0.0, 0.0]], 1.0, [weight, 1 - weight])
        items = find_items(mixture.tree, 1.0, TOLERANCE, 0, REACH)
        assert items.alone.all()

        def lost(x: float, w: float = weight) -> float:
            p, q = w * norm.pdf(x), (1 - w) * norm.pdf(x, gap)
            return p * math.log1p(q / p) + q * math.log1p(p / q) if min(p, q) > 0.0 else 0.0

        overlap = quad(lost, -8, gap + 8, points=[gap / 2], limit=500, epsabs=1e-30)[0]
        assert 0.0 < overlap <= items.overlap <= 1e-3 * TOLERANCE


def test_places_are_settled_by_the_overlap_with_all_others() -> None:
    """Not a random subset of them: two places that nearly meet among thousands count."""
    rng = np.random.default_rng(0)
    centres = 60.0 * rng.standard_normal((6000, 6))
    centres[1] = centres[0] + [4.0, 0, 0, 0, 0, 0]
    mixture = GaussianMixture(centres, 1.0)
    known = Known(mixture, "plug-in", False, TOLERANCE, 1e-5, REACH, 10**6)
    (pair,) = [s for s in known.strata if not s.known.any()]
    assert {0, 1} <= set(pair.population.order)
    assert pair.weight < 0.05
    assert 0.0 < known.certain_errors[0] <= 1e-5


@pytest.mark.parametrize(
    "rung", [Rung(0, 0.1), Rung(0, 0.5), Rung(1, 0.5), Rung(1, math.inf), Rung(300, 1.5)]
)
@pytest.mark.parametrize("name", ["cloud", "corners", "one far", "scales", "thousands"])
def test_coarser_densities_are_within_their_range(name: str, rung: Rung) -> None:
    """Beyond it with probability exp(-reach) at most: of 4000, 7e-6 at 4.5 deviations."""
    mixture = GaussianMixture(POPULATIONS[name], 1.0)
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((4000, 3))
    points = mixture.centres[rng.integers(0, mixture.n, 4000)] + noise
    off = mixture.log_kernel_sums(points, 1e-8) - math.log(2) * mixture.coarse(points, rung)[0]
    beyond = (np.abs(off) > mixture.coarse_range(rung, REACH) + 2e-3).mean()
    expected = 0.0 if rung.most == 0 else math.exp(-REACH)
    assert beyond <= expected + 4.5 * math.sqrt(expected / 4000)


def test_error_holds_for_events_of_any_rarity() -> None:
    """N of Poisson's law visits add R to what is else constant: exact probabilities."""
    for rate in np.geomspace(0.01, 3000.0, 400):
        width = int(12 * math.sqrt(rate)) + 40
        counts = np.arange(max(int(rate) - width, 0), int(rate) + width)
        off, stated = np.abs(counts - rate), error_of(counts, 1.0)
        shares = poisson.pmf(counts, rate)
        assert shares[off > 1.96 * stated].sum() <= 0.05
        assert shares[off > 4.5 * stated].sum() <= 7e-6


@pytest.mark.parametrize("statistic", ["plug-in", "leave-one-out", "miller-madow", "jackknife"])
def test_order_and_a_far_row_move_a_value_within_its_error(statistic: Statistic) -> None:
    """4.5 joint errors: 7e-6. A far row adds the entropy of its weight, and known corrections."""
    rng = np.random.default_rng(3)
    n = 400
    centres = np.vstack([rng.uniform(-3, 3, (n - 8, 3)), np.full((8, 3), 10.0)])

    def value(rows: NDArray, seed: int) -> tuple[float, float]:
        found = GaussianMixture(rows, 1.0).entropy(
            3e-3, 10**7, np.random.default_rng(seed), statistic
        )
        assert found.converged
        return found.value, found.numerical_error

    first, error = value(centres, 0)
    again, other = value(rng.permutation(centres), 1)
    assert abs(first - again) <= 4.5 * math.hypot(error, other)
    if statistic != "plug-in":
        return
    far, other = value(np.vstack([centres, [[500.0, 0.0, 0.0]]]), 2)
    w = 1 / (n + 1)
    noise = 1.5 * math.log(2 * math.pi * math.e)
    expected = (1 - w) * (first - math.log1p(-w)) + w * (noise - math.log(w))
    assert abs(far - expected) <= 4.5 * math.hypot(error, other)


@pytest.mark.parametrize("far", [1e14, 1e150, 1e300])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_rows_beyond_double_precision_are_refused(far: float, dim: int) -> None:
    centres = np.random.default_rng(0).standard_normal((50, dim))
    centres[0] = far
    with pytest.raises(ValueError, match="coordinates must be at most 1e\\+13 sigma"):
        GaussianMixture(centres, 1.0).entropy(1e-3, 1000, np.random.default_rng(0))


def test_kernels_of_a_far_row_do_not_blur_the_others() -> None:
    """Its leave-one-out value is as large as its distance squared, and rounded accordingly."""
    centres = np.random.default_rng(0).standard_normal((50, 3))
    centres[0] = 1e9
    found = GaussianMixture(centres, 1.0).entropy(1e-3, 10**6, np.random.default_rng(0))
    assert found.converged
    assert found.kernel_error < 1e-4
