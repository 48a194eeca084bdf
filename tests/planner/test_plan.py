from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from entbench.planner import BOUNDS, Answer, Plan, _timing, calibrate, plan, samples_needed
from entbench.planner._timing import Timing
from entbench.sources.truncated_mixture import TruncatedMixture


@pytest.fixture(scope="module")
def pilot() -> np.ndarray:
    return TruncatedMixture(3, 0.2, 0.02).sample(400, np.random.default_rng(0))


def by_name(made: Plan) -> dict[str, Answer]:
    return {answer.name: answer for answer in made.answers}


def test_n_for_every_bound() -> None:
    made = plan(2, error=0.1, sigma=0.2, timed=False)
    assert (made.d, made.error, made.sigma, made.n, made.pilot) == (2, 0.1, 0.2, None, None)
    assert list(by_name(made)) == list(BOUNDS)
    for name, answer in by_name(made).items():
        assert answer.n == samples_needed(0.1, dim=2, sigma=0.2, bound=name)
        assert (answer.error, answer.does, answer.sigma, answer.seconds) == (None,) * 4


def test_verdicts_of_bounds() -> None:
    """Enough is said by sufficient bounds alone, too few by the necessary one alone."""
    few = by_name(plan(2, error=0.1, sigma=0.2, n=5, timed=False))
    assert [few[name].does for name in BOUNDS] == [None, None, None, False]
    more = by_name(plan(2, error=0.1, sigma=0.2, n=10**12, timed=False))["worst-case-bias"]
    assert (more.error, more.does) == (None, None)
    many = by_name(plan(2, error=0.1, sigma=0.2, n=10**9, timed=False))
    assert [many[name].does for name in BOUNDS] == [True, True, None, None]
    for name, answer in many.items():
        assert answer.error == BOUNDS[name].error_at(10**9, 2, 0.2)


def test_sigma_for_n() -> None:
    made = plan(2, error=0.1, n=10**6)
    assert list(by_name(made)) == ["risk", "theorem-4", "bias"]
    assert made.timing is None
    for name, answer in by_name(made).items():
        assert answer.n is None
        assert answer.sigma is not None
        back = samples_needed(0.1, dim=2, sigma=answer.sigma, bound=name)
        assert back == pytest.approx(10**6, rel=1e-3)


def test_pilot_predicts(pilot: np.ndarray) -> None:
    """Eight corners: I_chi2 = 7, so sp's bias is 7/(2n); the noise leaves V small."""
    made = plan(error=0.05, sigma=0.2, n=200, pilot=pilot, timed=False)
    assert made.pilot is not None
    assert made.d == 3
    sp, jackknife = made.answers[-2:]
    assert (sp.name, sp.kind, jackknife.name) == ("sp", "predicted", "sp-jackknife")
    assert sp.likely_n == pytest.approx(7 / (2 * 0.05), rel=0.25)
    assert sp.likely_n <= sp.n <= 1.6 * sp.likely_n
    assert jackknife.n < sp.n
    assert sp.error == made.pilot.error_at(200)
    assert sp.largest_error == made.pilot.largest_error_at(200)
    assert sp.does is True
    for error_at, n in (
        (made.pilot.error_at, sp.likely_n),
        (made.pilot.largest_error_at, sp.n),
    ):
        assert error_at(int(n)) <= 0.05 < error_at(int(n) - 1)
    assert by_name(plan(error=0.05, sigma=0.2, n=20, pilot=pilot, timed=False))["sp"].does is False


def test_pilot_finds_a_sigma(pilot: np.ndarray) -> None:
    """Wider gaps need no noise; the sigma found does, by the plan at that sigma itself."""
    signal = np.random.default_rng(0).uniform(-1, 1, (400, 1))
    made = plan(error=0.02, n=2000, pilot=signal, timed=False)
    sigma = by_name(made)["sp"].sigma
    assert sigma is not None
    again = by_name(plan(error=0.02, sigma=sigma, n=2000, pilot=signal, timed=False))
    assert again["sp"].does is True
    less = by_name(plan(error=0.02, sigma=0.5 * sigma, n=2000, pilot=signal, timed=False))["sp"]
    assert less.does is False
    assert any("less noise may do" in note for note in made.notes)


def test_too_small_a_pilot_says_so() -> None:
    signal = np.random.default_rng(0).uniform(-2, 2, (50, 8))
    made = plan(error=0.05, sigma=0.1, n=10**6, pilot=signal, timed=False)
    sp, jackknife = made.answers[-2:]
    assert sp.at_least
    assert sp.n == pytest.approx(49 / (2 * 0.05), rel=0.01)
    assert (sp.does, jackknife.does, jackknife.n) == (None, None, math.inf)
    assert any(note.startswith("✗ too small a pilot: 50 of its 50 rows") for note in made.notes)
    assert any("leaves the cube" in note for note in made.notes)
    assert plan(error=0.05, sigma=0.1, n=100, pilot=signal, timed=False).answers[-2].does is False


def zipf(exponent: float, n: int) -> np.ndarray:
    weights = np.arange(1.0, 1e5) ** -exponent
    rng = np.random.default_rng(0)
    return rng.choice(len(weights), size=n, p=weights / weights.sum())[:, None].astype(float)


def test_rare_mass_is_told() -> None:
    """A heavy tail of atoms and a pilot with one value: neither shows what n does."""
    made = plan(error=0.05, sigma=0.01, pilot=zipf(1.3, 1000), timed=False)
    assert made.pilot is not None
    assert not made.pilot.too_small
    for answer in made.answers[-2:]:
        assert answer.at_least
        assert answer.n == answer.likely_n
    (note,) = [note for note in made.notes if note.startswith("✗")]
    assert "does not tell n" in note
    assert "Draw at least 4000 rows" in note
    for rows in (100, 2000):
        made = plan(error=0.03, sigma=0.01, pilot=np.zeros((rows, 1)), timed=False)
        sp = made.answers[-2]
        assert sp.likely_n == 2  # sp takes no fewer
        assert sp.at_least is (rows == 100)
        if not sp.at_least:
            assert 20 < sp.n < 100


def test_a_pilot_that_does_not_tell_n_does_not_say_yes() -> None:
    signal = zipf(1.3, 1000)
    likely = plan(error=0.05, sigma=0.01, pilot=signal, timed=False).answers[-2].n
    assert likely is not None
    for n, does in ((2 * int(likely), None), (int(likely) // 2, False)):
        made = plan(error=0.05, sigma=0.01, n=n, pilot=signal, timed=False)
        assert made.answers[-2].does is does


def test_no_n_is_below_what_the_estimators_take() -> None:
    made = plan(1, error=0.5, sigma=1e6, pilot=np.zeros((500, 1)), timed=False)
    assert min(answer.n for answer in made.answers) == 2


def test_small_sigma_leaves_out_what_is_slow() -> None:
    made = plan(3, error=0.4, sigma=0.005, timed=False)
    assert "worst-case-bias" not in by_name(made)
    assert any("left out below sigma = 0.05" in note for note in made.notes)


def test_same_seed_same_plan(pilot: np.ndarray) -> None:
    options = {"error": 0.05, "sigma": 0.2, "pilot": pilot, "timed": False}
    assert plan(n_jobs=1, **options) == plan(n_jobs=2, **options)
    assert plan(random_state=1, **options).pilot != plan(random_state=2, **options).pilot


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "give `sigma`, .* or `n`, .*; got neither"),
        ({"sigma": 0.1}, "`d` must be an integer >= 1 where there is no pilot; got none"),
        ({"sigma": 0.1, "d": 2.5}, "`d` must be an integer >= 1; got 2.5"),
        ({"sigma": 0.1, "d": 2, "error": -1}, "`error` must be a finite number > 0; got -1"),
        ({"d": 2, "n": 0}, "`n` must be an integer >= 1; got 0"),
        (
            {"sigma": 0.1, "d": 2, "pilot": np.zeros((30, 3))},
            "pilot's number of columns, 3; got 2",
        ),
        ({"sigma": 0.1, "pilot": np.zeros((19, 3))}, "`pilot` must have at least 20 rows; got 19"),
    ],
)
def test_bad_input(options: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        plan(**{"error": 0.1, **options})  # type: ignore[arg-type]


def test_times_by_hand() -> None:
    timing = Timing((500, 1000, 2000), (0.1, 0.2, 0.4), 0.1, 0.5)
    assert timing.predict(100) == pytest.approx(0.1)
    assert timing.predict(1000) == pytest.approx(0.2)
    assert timing.predict(1414.2135623730951) == pytest.approx(0.2 * math.sqrt(2))
    assert timing.predict(8000) == pytest.approx(0.1 * 4 + 0.3 * 2)
    assert timing.between(8000) == pytest.approx((0.1 * 4 + 0.3, 0.4 * 4))
    assert timing.between(1000) == pytest.approx((0.2, 0.2))
    assert timing.predict(math.inf) == math.inf


@pytest.mark.parametrize(
    ("power", "last"), [(3.0, 32_000), (4.0, 8000), (-0.5, 128_000), (0.6, 128_000)]
)
def test_growth_is_measured(monkeypatch: pytest.MonkeyPatch, power: float, last: int) -> None:
    """A clock on which a fit to n rows takes 1e-7 n and, if whole, 0.01 (n/2000)^power seconds."""
    clock = [0.0]

    def fit(rows: np.ndarray, *others: int) -> None:
        clock[0] += 1e-7 * len(rows)
        if others[-1] == _timing._MAX_DRAWS:
            clock[0] += 0.01 * (len(rows) / 2000) ** power

    monkeypatch.setattr(_timing, "_fit", fit)
    monkeypatch.setattr(_timing.time, "perf_counter", lambda: clock[0])
    timing = calibrate(None, 0.1, dim=2)
    assert timing.sizes == tuple(n for n in (2000, 8000, 32_000, 128_000) if n <= last)
    growth = min(max(power, 0.0), 1.0) if last > 8000 else 0.3
    assert timing.measured == (last > 8000)
    assert timing.growth == pytest.approx(growth)
    least, rest = 1e-7 * last, 0.01 * (last / 2000) ** power
    assert timing.predict(10 * last) == pytest.approx(10 * least + rest * 10**growth)
    assert timing.between(10 * last) == pytest.approx((10 * least + rest, 10 * (least + rest)))


def test_growth_is_a_least_squares_line() -> None:
    sizes, seconds = [2000, 8000, 32_000, 128_000], np.array([9.0, 0.2, 0.25, 0.6])
    line = np.polyfit(np.log(sizes[1:]), np.log(seconds[1:]), 1)
    assert _timing._growth(sizes, seconds) == pytest.approx(line[0], rel=1e-12)


def test_one_slow_fit_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(_timing, "_fit", lambda *given: None)
    monkeypatch.setattr(_timing.time, "perf_counter", lambda: 7.0 * next(ticks))
    timing = calibrate(None, 0.1)
    assert (timing.sizes, timing.seconds, timing.growth) == ((2000,), (7.0,), 0.3)


def test_the_shorter_of_two_fits_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, fits = [0.0], itertools.count()

    def fit(*given: object) -> None:
        clock[0] += 9.0 if next(fits) == 1 else 0.25  # after the one that loads compiled code

    monkeypatch.setattr(_timing, "_fit", fit)
    monkeypatch.setattr(_timing.time, "perf_counter", lambda: clock[0])
    assert calibrate(None, 0.1).seconds == (0.25,)


def test_plan_is_timed(pilot: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_timing, "_MAX_DRAWS", 10_000)
    made = plan(error=0.1, sigma=0.2, pilot=pilot)
    assert made.timing is not None
    for answer in made.answers:
        if answer.name == "sp-jackknife" or answer.n > 1e9:
            assert answer.seconds is None
        else:
            assert answer.seconds == made.timing.predict(answer.n)
            low, high = answer.seconds_between
            assert low <= answer.seconds <= high
    assert any(note.startswith("seconds: about, for one fit of sp") for note in made.notes)
