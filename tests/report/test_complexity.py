"""Samples for an error: exact curves, simulated ones, and the order of what is asked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import foldnorm

from entbench import bounds
from entbench._base import SourceFacts
from entbench._records import SuiteRun
from entbench.report import Screen, render, suite_printout, summarise
from entbench.report._complexity import Needed, exponents, samples_needed, setting_labels
from entbench.report._statistics import rows_of

RunOf = Callable[..., SuiteRun]

SIZES = (10, 30, 100, 300, 1000, 3000)
SUITE_SIZES = (10, 18, 32, 56, 100, 178, 316, 562, 1000, 1778, 3162, 5623, 10000, 17783)
SIGNS = np.array([1.0, -1.0, 1.0])


def needed(run: SuiteRun, error: float = 0.1) -> list[Needed]:
    facts = {case.source: case.facts for case in run.cases}
    return list(samples_needed(rows_of(run), facts, error))


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0 / 7.0])
@pytest.mark.parametrize("n", [11.0, 47.3, 2999.0])
def test_power_laws_give_their_n(run_of: RunOf, power: float, n: float) -> None:
    """MAE = (N/n)^power/10 is 0.1 at N, wherever N lies between the points."""
    curve = {size: SIGNS * 0.1 * (n / size) ** power for size in SIZES}
    (found,) = needed(run_of(curve))
    assert found.n == pytest.approx(n, rel=1e-12)
    assert found.interval == pytest.approx((n, n), rel=1e-12)
    assert found.censored == ""


def test_order_of_n_is_no_matter(run_of: RunOf) -> None:
    curve = {size: SIGNS * 5.0 / size for size in reversed(SIZES)}
    assert needed(run_of(curve))[0].n == pytest.approx(50.0, rel=1e-12)


def test_limits_by_hand(run_of: RunOf) -> None:
    """Relative error r of the mean, t of 2 degrees of freedom: limits are off by exp(r t)."""
    spread = np.array([0.9, 1.0, 1.1])
    (found,) = needed(run_of({size: spread * 5.0 / size for size in SIZES}))
    factor = math.exp(4.30265272991 * 0.1 / math.sqrt(3.0))
    assert found.interval == pytest.approx((50.0 / factor, 50.0 * factor), rel=1e-10)


def test_censored_where_the_run_does_not_tell(run_of: RunOf) -> None:
    (small,) = needed(run_of({10: SIGNS * 0.09, 100: SIGNS * 0.01}))
    assert (small.censored, small.n, small.interval) == ("<=", pytest.approx(10.0), None)
    (large,) = needed(run_of({10: SIGNS * 0.9, 100: SIGNS * 0.11}))
    assert (large.censored, large.n, large.interval) == (">", pytest.approx(100.0), None)
    # at the error is not above it
    (at,) = needed(run_of({10: SIGNS * 0.1, 100: SIGNS * 0.1}))
    assert at.censored == "<="


def test_limits_are_open_where_the_run_does_not_tell(run_of: RunOf) -> None:
    wide = np.array([0.2, 1.0, 1.8])
    (found,) = needed(run_of({10: wide * 0.11, 100: wide * 0.09}))
    assert found.censored == ""
    assert found.interval == (0.0, math.inf)


def test_the_error_is_reached_for_good(run_of: RunOf) -> None:
    """Below the error at 30, above it again at 100: what counts is the last time."""
    curve = {10: 0.5, 30: 0.05, 100: 0.2, 1000: 0.02}
    (found,) = needed(run_of({n: SIGNS * e for n, e in curve.items()}))
    # from 0.2 at 100 to 0.02 at 1000 the slope is -1
    assert found.n == pytest.approx(200.0, rel=1e-12)


def test_rows_without_two_errors_are_left_out(run_of: RunOf) -> None:
    curve = {n: SIGNS * 5.0 / n for n in SIZES}
    single: dict[int, Any] = {n: [0.01, None, None] for n in (20, 40)}
    (found,) = needed(run_of(curve | single))
    assert found.n == pytest.approx(50.0, rel=1e-12)
    unknown = run_of(curve)
    unknown = replace(unknown, cases=(replace(unknown.cases[0], facts=None),))
    assert needed(unknown) == []


def test_theory_beside_it(run_of: RunOf) -> None:
    facts = SourceFacts(3, 0.2, log_values=math.log(27.0), decoding_error=0.0)
    curve = {n: SIGNS * 5.0 / n for n in SIZES}
    (sp,) = needed(run_of(curve, "sp", facts=facts), error=0.3)
    # log 27 - log n is at least 0.3 up to here
    assert sp.theorem_6 == pytest.approx(math.log(27.0) - 0.3, rel=1e-14)
    assert sp.order_theorem_3 == bounds.theorem_3_log_rate(3, 0.2, 0.3)
    (kl,) = needed(run_of(curve, "kl", facts=facts), error=0.3)
    assert kl.theorem_6 is None
    assert kl.order_theorem_3 == sp.order_theorem_3


def by_dimension(
    run_of: RunOf,
    together: Callable[..., SuiteRun],
    curves: dict[int, Callable[[int], np.ndarray]],
    sizes: Sequence[int] = SIZES,
    **params: Any,
) -> SuiteRun:
    return together(
        *(
            run_of(
                {n: curve(n) for n in sizes},
                "sp",
                source_params={"d": d, **params},
                facts=SourceFacts(d, 0.1),
                tables=("samples-for-error",),
            )
            for d, curve in curves.items()
        )
    )


def doubling(factor: float, rate: float) -> dict[int, Callable[[int], np.ndarray]]:
    return {
        d: (lambda n, need=factor * rate**d: SIGNS * 0.1 * need / n)  # type: ignore[misc]
        for d in (1, 2, 3, 5)
    }


def test_exponents_are_the_bits_of_exact_data(
    run_of: RunOf, together: Callable[..., SuiteRun]
) -> None:
    """N = 20 2^d is one bit per dimension, N = 15 3^d log2(3) bits; settings are kept apart."""
    one = by_dimension(run_of, together, doubling(20.0, 2.0), k=2, sigma=0.1)
    two = by_dimension(run_of, together, doubling(12.0, 3.0), k=3, sigma=0.1)
    three = by_dimension(run_of, together, doubling(40.0, 2.0), k=3, sigma=0.5)
    found = needed(together(one, two, three))
    labels = setting_labels(found)
    slopes = {labels[setting]: slope for (_, setting), slope in exponents(found).items()}
    assert list(slopes) == [
        "made-up[k=2,sigma=0.1]",
        "made-up[k=3,sigma=0.1]",
        "made-up[k=3,sigma=0.5]",
    ]
    for slope, bits in zip(slopes.values(), (1.0, math.log2(3.0), 1.0), strict=True):
        assert slope.slope == pytest.approx(bits, rel=1e-12)
        assert slope.ci == pytest.approx((bits, bits), rel=1e-12)


def test_censored_dimensions_do_not_count(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    far = {12: lambda n: SIGNS * 0.1 * 2.0**12 / n, 1: lambda n: SIGNS * 0.2 / n}
    both = by_dimension(run_of, together, {2: doubling(20.0, 2.0)[2], **far})
    assert [each.censored for each in needed(both)] == ["", ">", "<="]
    assert exponents(needed(both)) == {}
    more = by_dimension(run_of, together, doubling(20.0, 2.0) | {12: far[12]})
    ((_, slope),) = exponents(needed(more)).items()
    assert slope.slope == pytest.approx(1.0, rel=1e-12)


def test_sources_without_d_are_told_by_name_and_noise(run_of: RunOf) -> None:
    curve = {n: SIGNS * 5.0 / n for n in SIZES}
    (found,) = needed(run_of(curve, source_params={"r": 1, "m": 2, "sigma": 0.5}))
    assert found.setting == ("made-up", (("sigma", 0.5),))
    assert setting_labels([found]) == {found.setting: "made-up"}


def test_exponent_with_an_open_end(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    """Where the n of one dimension has no upper limit, neither has the slope; JSON says null."""
    wide = np.array([0.2, 1.0, 1.8])
    curves = doubling(20.0, 2.0) | {6: lambda n: wide * 0.1 * 2900.0 / n}
    run = by_dimension(run_of, together, curves)
    ((_, slope),) = exponents(needed(run)).items()
    assert slope.ci[0] < slope.slope < slope.ci[1] == math.inf
    printout = suite_printout(summarise(run))
    *points, exponent = json.loads(render(printout, "json"))["tables"]["samples-for-error"]
    assert points[-1]["n_ci_high"] is None
    assert exponent["bits_ci_high"] is None
    assert exponent["bits"] == slope.slope
    assert ", inf]" in render(printout, "table", Screen(100))


# errors N(-bias/n, deviation^2/n), as a plug-in's, from bias alone to none
LAWS = {"bias": (30.0, 0.1), "both": (30.0, 1.0), "some bias": (10.0, 1.0), "scatter": (0.0, 2.0)}


def draw(rng: np.random.Generator, law: tuple[float, float], n: int, trials: int) -> np.ndarray:
    return -law[0] / n + law[1] / math.sqrt(n) * rng.standard_normal(trials)


def mean_error(law: tuple[float, float], n: float) -> float:
    spread = law[1] / math.sqrt(n)
    return float(foldnorm.mean(law[0] / n / spread, scale=spread))


def true_log_n(law: tuple[float, float], sizes: Sequence[int], error: float = 0.1) -> float:
    """Return where the lines through the true mean errors are at the error."""
    x, y = np.log(sizes), np.log([mean_error(law, n) for n in sizes])
    return float(brentq(lambda at: np.interp(at, x, y) - math.log(error), x[0], x[-1]))


@pytest.mark.parametrize("law", LAWS)
def test_intervals_cover_the_n_of_the_true_errors(run_of: RunOf, law: str) -> None:
    """At the n and the 20 trials of the suite, 300 runs: 95 % at least, but for 2 sd (2.5 %).

    Over 2000 runs they covered 95.7 to 99.5 %. The half width is at most 3.5 standard deviations
    of log n over runs: 1.96 would be that of an exact interval, and 2.3 to 2.7 were found.
    """
    rng = np.random.default_rng(len(law))
    true, covered, halves, found = true_log_n(LAWS[law], SUITE_SIZES), 0, [], []
    for _ in range(300):
        run = run_of({n: draw(rng, LAWS[law], n, 20) for n in SUITE_SIZES})
        (each,) = needed(run)
        covered += each.log_low <= true <= each.log_high
        halves.append(0.5 * (each.log_high - each.log_low))
        found.append(each.log_n)
    assert covered / 300 >= 0.95 - 2.0 * math.sqrt(0.95 * 0.05 / 300)
    assert float(np.median(halves)) <= 3.5 * float(np.std(found))


@pytest.mark.parametrize("scatter", [0.1, 0.5])
def test_intervals_cover_the_exponent_of_the_true_errors(
    run_of: RunOf, together: Callable[..., SuiteRun], scatter: float
) -> None:
    """Biases 5 2^d/n, four dimensions, 5 trials, 300 runs: 95 % at least, but for 2 sd."""
    rng = np.random.default_rng(5)
    laws = {d: (5.0 * 2.0**d, scatter * 2.0 ** (0.5 * d)) for d in (1, 2, 3, 4)}
    true = np.polyfit(
        list(laws), [true_log_n(law, SIZES) / math.log(2) for law in laws.values()], 1
    )
    covered, halves, found = 0, [], []
    for _ in range(300):
        curves = {
            d: (lambda n, law=law: draw(rng, law, n, 5))  # type: ignore[misc]
            for d, law in laws.items()
        }
        run = by_dimension(run_of, together, curves)
        (slope,) = exponents(needed(run)).values()
        covered += slope.ci[0] <= true[0] <= slope.ci[1]
        halves.append(0.5 * (slope.ci[1] - slope.ci[0]))
        found.append(slope.slope)
    assert covered / 300 >= 0.95 - 2.0 * math.sqrt(0.95 * 0.05 / 300)
    assert float(np.median(halves)) <= 5.0 * float(np.std(found))
