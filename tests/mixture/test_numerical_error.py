"""Stated numerical errors against errors made, over mixtures whose entropies are known."""

from __future__ import annotations

import math
import sys
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import binom, norm

from entbench.suites.timing import measure_numerical_error as bed

SETTINGS = bed.settings()
# By a rule that knows no outcome: small and not too fine, and every eleventh of those.
CHEAP = [s for s in SETTINGS if s.n <= 1000 and s.tolerance >= 1e-3][::11]
SEEDS = range(5)


@cache
def judged(name: str) -> bed.Judged:
    return bed.judge(next(s for s in CHEAP if s.name == name), SEEDS)


@pytest.mark.parametrize("setting", CHEAP, ids=lambda s: s.name.replace(" ", "-"))
def test_stated_error_is_honest(setting: bed.Setting) -> None:
    """No converged value is off by more than 4.5 e: for honest errors a false alarm of 7e-6."""
    found = judged(setting.name)
    assert np.isfinite(found.values).all()
    assert (found.roundings >= 1.0).all()
    assert found.beyond(4.5) == 0


def test_one_in_twenty_is_beyond_its_interval() -> None:
    """At most as many as 5 % leave with probability 1e-4."""
    found = [judged(setting.name) for setting in CHEAP]
    converged = sum(int(j.converged.sum()) for j in found)
    assert converged >= 200
    assert sum(j.beyond(1.96) for j in found) <= binom.ppf(1.0 - 1e-4, converged, 0.05)


@pytest.mark.slow
def test_stated_errors_of_all_settings_are_honest() -> None:
    """All settings, some 37,000 values: 20 minutes to an hour on two cores."""
    found = list(bed.judge_all(SETTINGS, jobs=2))
    row = bed.summarise(found)
    assert row.converged >= 20_000
    assert row.share <= bed.ASKED_SHARE
    assert row.far_off <= bed.ASKED_BEYOND
    assert row.farther == 0
    assert row.rounding >= 1.0
    evenly = bed.summarise([j for j in found if j.setting.evenly])
    assert evenly.converged >= bed.ASKED_CONVERGED * evenly.values
    assert evenly.ratio <= bed.ASKED_RATIO


def test_settings_are_many_and_of_every_kind() -> None:
    names = [setting.name for setting in SETTINGS]
    assert len(SETTINGS) >= 400
    assert len(set(names)) == len(names)
    assert all(math.isfinite(setting.truth) for setting in SETTINGS)
    assert 2 * sum(setting.full_rank for setting in SETTINGS) >= len(SETTINGS)
    assert 2 * sum(setting.overlapping for setting in SETTINGS) >= len(SETTINGS)
    evenly = [setting for setting in SETTINGS if setting.evenly]
    assert len(evenly) >= 80
    assert all(setting.max_draws == bed.BUDGET for setting in evenly)
    assert {setting.statistic for setting in SETTINGS} == {"plug-in", *bed.CORRECTIONS}
    assert {setting.tolerance for setting in SETTINGS} == {1e-2, 1e-3, 1e-4}
    assert min(setting.n for setting in SETTINGS) == 2
    assert max(setting.n for setting in SETTINGS) >= 100_000


@pytest.mark.parametrize("setting", SETTINGS[::7], ids=lambda s: s.name.replace(" ", "-"))
def test_centres_have_the_shape_and_rank_stated(setting: bed.Setting) -> None:
    centres = setting.centres()
    assert len(centres) == setting.n
    assert setting.weights is None or setting.weights.shape == (setting.n,)
    if setting.n <= 2000:
        whole = np.linalg.matrix_rank(centres - centres.mean(axis=0)) == centres.shape[1]
        assert whole == setting.full_rank


def smallest() -> list[bed.Setting]:
    """Return for every family and statistic the setting that takes the least work to draw from."""
    found: dict[tuple[str, str], bed.Setting] = {}
    for setting in SETTINGS:
        key = setting.family, setting.statistic
        if setting.n <= 130 and (key not in found or setting.n < found[key].n):
            found[key] = setting
    return list(found.values())


def log_ratios(
    apart: NDArray[np.float64], logs: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``log w_j phi(T - c_j)/phi(Z)`` of draws from a component, j in columns."""
    return np.asarray(logs - noise @ apart.T - 0.5 * (apart**2).sum(axis=1))


def lost(ratios: NDArray[np.float64], own: int) -> NDArray[np.float64]:
    """Return ``sum_{i != own} log(1 - r_i)``, the largest share by the sum of the others."""
    total = logsumexp(ratios, axis=1)
    shares = np.exp(ratios - total[:, None])
    top = shares.argmax(axis=1)
    rows = np.arange(len(top))
    others = ratios.copy()
    others[rows, top] = -np.inf
    shares[rows, top] = 0.0
    logs = np.log1p(-shares)
    logs[rows, top] = logsumexp(others, axis=1) - total
    logs[:, own] = 0.0
    return np.asarray(logs.sum(axis=1))


def by_draws(setting: bed.Setting, draws: int) -> tuple[float, float]:
    """Return a statistic by its definition, every component visited as often, and its error."""
    centres, n = setting.centres(), setting.n
    shares = np.full(n, 1.0 / n) if setting.weights is None else setting.weights
    rng = np.random.default_rng(0)
    mean, variance = 0.0, 0.0
    for j, share in enumerate(shares):
        noise = rng.standard_normal((draws // n, centres.shape[1]))
        ratios = log_ratios((centres[j] - centres) / setting.sigma, np.log(shares), noise)
        values: NDArray[np.float64] = -np.asarray(logsumexp(ratios, axis=1))
        if setting.statistic == "leave-one-out":
            values = math.log((n - 1) / n) - logsumexp(np.delete(ratios, j, axis=1), axis=1)
        elif setting.statistic == "miller-madow":
            values += (n * np.exp(ratios[:, j] + values) - 1.0) / (2 * n)
        elif setting.statistic == "jackknife":
            values += (n - 1) * math.log(n / (n - 1)) + lost(ratios, j)
        # -log phi(Z) in place of its mean is noise that the sum does not need
        mean += share * values.mean()
        variance += share**2 * values.var(ddof=1) / len(values)
    noise_entropy = norm(scale=setting.sigma).entropy() * centres.shape[1]
    return mean + noise_entropy, math.sqrt(variance)


@pytest.mark.parametrize("setting", smallest(), ids=lambda s: s.name.replace(" ", "-"))
def test_truths_agree_with_draws(setting: bed.Setting) -> None:
    """4.5 standard errors, and an event that no draw has met: false alarm 7e-6 a case.

    Of m draws from a component none meets an event of probability 12/m in 6e-6 of cases. It adds
    the log of the least share and of its own rarity at most.
    """
    draws = min(1_000_000, 10_000_000 // setting.n)
    value, error = by_draws(setting, draws)
    shares = np.full(setting.n, 1 / setting.n) if setting.weights is None else setting.weights
    each = draws // setting.n
    unseen = 12 / each * shares.max() * (math.log(each) - math.log(shares.min()))
    assert value == pytest.approx(setting.truth, abs=4.5 * error + unseen + 1e-9 * abs(value))
    assert error < 5e-3 * max(1.0, abs(value))


def by_quad(positions: NDArray[np.float64]) -> float:
    """Return the entropy in one dimension, between the ends of pieces of one sigma."""

    def integrand(x: float) -> float:
        q = float(np.mean(norm.pdf(x, positions)))
        return -q * math.log(q)

    edges = np.arange(positions.min() - 12.0, positions.max() + 13.0)
    return math.fsum(
        quad(integrand, low, low + 1.0, epsabs=1e-14, epsrel=1e-13)[0] for low in edges
    )


@pytest.mark.parametrize(
    "positions", [[0.0, 2.0], [0.0, 10.0], [0.0, 0.0, 7.0], [0.0, 0.01, 3.0, 3.5, 20.0, 20.0]]
)
def test_lines_agree_with_quadpack(positions: list[float]) -> None:
    """The jackknife by leaving each out: entropies only."""
    at = np.array(positions)
    law = bed.line(at)
    assert law.entropy == pytest.approx(by_quad(at), abs=1e-11)
    left = [by_quad(np.delete(at, i)) for i in range(law.n)]
    expected = law.n * law.entropy - (law.n - 1) * np.mean(left)
    assert law.value("jackknife") == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("gap", [*bed.GAPS, 0.3])
@pytest.mark.parametrize("weight", [0.5, 0.01, 1e-6])
def test_truths_do_not_depend_on_the_step(gap: float, weight: float) -> None:
    places, mass = np.array([-3.0, 0.0, gap]), np.array([0.2, 0.8 - weight / 2, weight / 2])
    fine = bed.integrate_line(places, mass, bed.STEP / 3.0)
    assert bed.integrate_line(places, mass) == pytest.approx(fine, abs=1e-13)


def entropy_of_counts(counts: NDArray[np.int64]) -> float:
    return bed.entropy_of(counts[counts > 0] / counts.sum())


@pytest.mark.parametrize("counts", [[2, 1, 1, 1], [5, 1], [3, 3, 2], [999, 1]])
def test_far_points_have_the_statistics_of_counts(counts: list[int]) -> None:
    law = bed.far([bed.point(3, count) for count in counts])
    given, noise = np.array(counts), 3 * bed.NOISE
    assert law.value("plug-in") == pytest.approx(noise + entropy_of_counts(given))
    expected = entropy_of_counts(given) + (len(given) - 1) / (2 * given.sum())
    assert law.value("miller-madow") == pytest.approx(noise + expected)
    every = np.eye(len(given), dtype=np.int64)
    left = [entropy_of_counts(given - row) for row in every]
    expected = law.n * entropy_of_counts(given) - (law.n - 1) * float(given @ left) / law.n
    assert law.value("jackknife") == pytest.approx(noise + expected, abs=1e-10)


@pytest.mark.parametrize("gap", [2.0, 5.0, 8.0])
def test_cubes_are_products_and_do_not_depend_on_the_step(gap: float) -> None:
    found = bed.corner_sums(gap)
    assert found == pytest.approx(bed.corner_sums(gap, 0.6), abs=1e-9)
    expected = 3 * bed.NOISE + math.log(8.0) - found[0]
    assert bed.cube(gap).entropy == pytest.approx(expected, abs=1e-10)


def test_groups_within_reach_are_refused() -> None:
    near = bed.product([bed.line([0.0, 100.0])] * 3)
    with pytest.raises(ValueError, match="groups must be 30.0 apart; got "):
        bed.far([near, bed.point(3)])


def test_table_has_a_row_for_every_family(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["measure", "--only", "grid d=3 n=64", "--seeds", "2"])
    bed.main()
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].startswith(bed.processor())
    assert sum(row.startswith("| budgets | 5 | 10 |") for row in rows) == 1
    assert sum(row.startswith("| **all** | 5 | 10 |") for row in rows) == 1
