"""How often comparisons and ranks are wrong where nothing differs, and what losses they find.

Run with:

    python -m entbench.suites.timing.verdicts_compare
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from entbench._base import Reference, ReferenceCheck
from entbench._records import Case, Cell, Record, RunInfo, Spec, SuiteRun
from entbench.report._comparisons import mean_differences, mean_ratios
from entbench.report._contrasts import (
    FAMILY,
    Contrasts,
    average,
    without_shared,
)
from entbench.report._leaderboard import Leaderboard, Place, Standing, leaderboard
from entbench.report._ranks import pairs_of, rank_intervals, ranks_of
from entbench.suites.timing._verdicts import LAWS, Verdict, print_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RUNS = 1000
RANK_RUNS = 400
TRIALS = (3, 5, 10, 20)
ROWS = (1, 5, 30)
RANK_TRIALS = (2, 3, 5, 10, 20)
LEADERBOARD_RUNS = 100
LEADERBOARD_TRIALS = (2, 5, 20)
# Of a run: its times, over those of another.
SLOWER = 1.1
_SCATTER = 0.1  # of logarithms of times
# Of leaderboards: sizes of samples, and what true errors are in proportion to.
SIZES = (100, 400)
SCALES = {"equal": (1.0, 1.0, 1.0, 1.0, 1.0), "unequal": (1.0, 1.0, 1.3, 2.0, 4.0)}


class Kind(NamedTuple):
    """How the errors of two estimators are made of a law with deviation 1.

    Attributes
    ----------
    label : str
        For people.
    bias : float
        Added to both.
    shared : float
        Share of the variance that both have in common at each trial.
    paired : bool
        Whether both have the same samples.
    """

    label: str
    bias: float
    shared: float
    paired: bool

    def errors(self, law: str, shape: tuple[int, ...], rng: np.random.Generator) -> list[Floats]:
        """Draw the errors of both."""
        draw = LAWS[law]
        common = math.sqrt(self.shared) * draw(shape, rng) + self.bias
        return [common + math.sqrt(1.0 - self.shared) * draw(shape, rng) for _ in range(2)]


KINDS = (
    Kind("other samples", 0.0, 0.0, False),
    Kind("other samples, bias 1", 1.0, 0.0, False),
    Kind("other samples, bias 3", 3.0, 0.0, False),
    Kind("same samples, unlike", 0.0, 0.0, True),
    Kind("same samples, alike", 0.0, 0.9, True),
    Kind("same samples, alike, bias 1", 1.0, 0.9, True),
    Kind("same samples, alike, bias 3", 3.0, 0.9, True),
)


def losses(errors: list[Floats], paired: bool) -> int:
    """Return in how many runs some row is worse, of errors of shape (runs, rows, trials)."""
    found = mean_ratios(errors[0], errors[1], paired=paired).contrasts
    low, _ = found.limits(FAMILY / errors[0].shape[1])
    return int(np.sum(np.any(low > 0.0, axis=1)))


def time_losses(logs: list[Floats]) -> int:
    """Return in how many runs some row is slower, of log seconds of shape (runs, rows, trials)."""
    found = mean_differences(logs[0], logs[1], True)
    lost = 0
    for parts in zip(*found, strict=True):
        level = FAMILY / logs[0].shape[1]
        low, _ = without_shared(Contrasts(*parts), level)[0].limits(level)
        lost += bool(np.any(low > 0.0))
    return lost


def told_apart(errors: Floats) -> int:
    """Return in how many runs some item is behind another.

    Of errors of shape (runs, items, trials), or (sources, runs, items, trials).
    """
    found = pairs_of(errors)
    means = found.ratios if errors.ndim == 3 else average(list(map(Contrasts, *found.relative)))
    ranks = (rank_intervals(Contrasts(*parts)) for parts in zip(*means, strict=True))
    return sum(any(low > 1 for low, _ in intervals) for intervals in ranks)


def leaderboard_of(errors: Floats, rng: np.random.Generator) -> Leaderboard:
    """Return the leaderboard of estimators 0, 1, ... that take the same time, within 5 %.

    Of errors of shape (sources, sizes, estimators, trials).
    """
    truth = Reference(0.0, 0.0, "simulated", (ReferenceCheck("again", 0.0, 0.0),))
    of_sources, _, items, trials = errors.shape
    laws, methods = (
        [Spec(f"simulated-{i}", "1", "entbench", (), f"{i}") for i in range(count)]
        for count in (of_sources, items)
    )
    seconds = np.array(SIZES)[:, None, None] * np.exp(0.05 * rng.standard_normal(errors.shape))
    records = tuple(
        Record(
            Cell(laws[i], methods[k], SIZES[j], trial, 0),
            "ok",
            "",
            float(seconds[i, j, k, trial]),
            {"value": float(errors[i, j, k, trial])},
        )
        for i, j, k, trial in np.ndindex(errors.shape)
    )
    cases = tuple(Case(law, truth, None) for law in laws)
    info = RunInfo("simulated", "0", 0, "", "", "")
    return leaderboard(SuiteRun("simulated", {}, cases, records, (), (), info, trials))


def misses(board: Leaderboard, scales: Sequence[float]) -> set[str]:
    """Return the tables in which an interval does not hold a true rank.

    Equal estimators share the better one; their errors are in proportion to `scales`.
    """
    ranks = ranks_of(np.array(scales))
    source = board.run.cases[0].source
    shown: dict[str, list[Place | Standing]] = {
        "one source": [each for each in board.places if each.source == source],
        "all sources": list(board.by_n),
        "one source, equal time": [e for e in board.places_in_time if e.source == source],
        "all sources, equal time": list(board.in_time),
    }
    return {
        table
        for table, lines in shown.items()
        for line in lines
        if line.n in (None, SIZES[0]) and line.rank_ci is not None
        if not line.rank_ci[0] <= ranks[int(line.label)] <= line.rank_ci[1]
    }


def verdicts(scale: float = 1.0) -> Iterator[Verdict]:
    """Yield how often verdicts are wrong where nothing differs.

    Of the kinds of errors the worst stands for all.
    """
    runs, rank_runs = max(1, round(scale * RUNS)), max(1, round(scale * RANK_RUNS))
    yield from _compared(runs)
    yield from _shifted(runs)
    yield from _timed(runs)
    yield from _ranked(rank_runs)
    yield from _ranked_over_sources(rank_runs)
    yield from _printed(max(1, round(scale * LEADERBOARD_RUNS)))


def _compared(runs: int) -> Iterator[Verdict]:
    for law in LAWS:
        for trials in TRIALS:
            for rows in ROWS:
                rng = np.random.default_rng([1, trials, rows])
                lost = {
                    kind.label: losses(kind.errors(law, (runs, rows, trials), rng), kind.paired)
                    for kind in KINDS
                }
                worst = max(lost, key=lambda label: lost[label])
                setting = f"{law}, {trials} trials, rows: {rows} (worst: {worst})"
                yield Verdict("compare", setting, lost[worst], runs, FAMILY)


def _shifted(runs: int) -> Iterator[Verdict]:
    """Yield where a constant is added to errors of either sign: no mean size changes."""
    for trials in TRIALS:
        for rows in ROWS:
            rng = np.random.default_rng([2, trials, rows])
            errors = rng.standard_normal((runs, rows, trials))
            moved = errors + 0.01 + 0.001 * rng.standard_normal(errors.shape)
            setting = f"normal, {trials} trials, rows: {rows}, a constant added"
            yield Verdict("compare", setting, losses([errors, moved], True), runs, FAMILY)


def _timed(runs: int) -> Iterator[Verdict]:
    for law in LAWS:
        for trials in TRIALS:
            for rows in ROWS:
                rng = np.random.default_rng([3, trials, rows])
                shape = (runs, rows, trials)
                logs = [_SCATTER * LAWS[law](shape, rng) for _ in range(2)]
                logs[1] += math.log(SLOWER)
                setting = f"{law}, {trials} trials, rows: {rows}, all {SLOWER} times slower"
                yield Verdict("compare, time", setting, time_losses(logs), runs, FAMILY)


def _ranked(runs: int) -> Iterator[Verdict]:
    for law in LAWS:
        for trials in RANK_TRIALS:
            for items in (5, 10):
                rng = np.random.default_rng([4, trials, items])
                told = {}
                for bias, shared in ((0.0, 0.0), (1.0, 0.0), (0.0, 0.5), (3.0, 0.5)):
                    common = math.sqrt(shared) * LAWS[law]((runs, 1, trials), rng) + bias
                    own = LAWS[law]((runs, items, trials), rng)
                    errors = common + math.sqrt(1.0 - shared) * own
                    told[f"bias {bias:g}, {shared:g} shared"] = told_apart(errors)
                worst = max(told, key=lambda label: told[label])
                setting = f"{law}, {trials} trials, {items} equal (worst: {worst})"
                yield Verdict("ranks", setting, told[worst], runs, FAMILY)


def _ranked_over_sources(runs: int) -> Iterator[Verdict]:
    for law in LAWS:
        for trials in RANK_TRIALS:
            rng = np.random.default_rng([7, trials])
            errors = LAWS[law]((9, runs, 5, trials), rng) + 0.5
            setting = f"{law}, {trials} trials, 5 equal over 9 sources"
            yield Verdict("ranks", setting, told_apart(errors), runs, FAMILY)


def _printed(runs: int) -> Iterator[Verdict]:
    """Yield how often an interval of a leaderboard misses a rank, of three sources."""
    for law in LAWS:
        for trials in LEADERBOARD_TRIALS:
            for name, scales in SCALES.items():
                rng = np.random.default_rng([8, trials, len(name)])
                missed: Counter[str] = Counter()
                for _ in range(runs):
                    errors = LAWS[law]((3, len(SIZES), len(scales), trials), rng)
                    errors *= np.array(scales)[:, None] / np.sqrt(SIZES)[:, None, None]
                    missed.update(misses(leaderboard_of(errors, rng), scales))
                table, wrong = max(missed.items(), key=lambda item: item[1], default=("none", 0))
                setting = f"{law}, {trials} trials, 5 {name} (worst: {table})"
                yield Verdict("leaderboard", setting, wrong, runs, FAMILY)


def found(kind: Kind, law: str, factor: float, trials: int, rows: int, runs: int) -> float:
    """Return the share of runs in which one row of several, worse by a factor, is found."""
    rng = np.random.default_rng([5, trials, rows])
    ours, theirs = kind.errors(law, (runs, trials), rng)
    ratios = mean_ratios(ours, factor * theirs, paired=kind.paired).contrasts
    return float(np.mean(ratios.limits(FAMILY / rows)[0] > 0.0))


def stated(kind: Kind, law: str, trials: int, rows: int, runs: int) -> float:
    """Return the median of the ratios said to be found in 80 % of runs."""
    rng = np.random.default_rng([6, trials, rows])
    ratios = mean_ratios(*kind.errors(law, (runs, trials), rng), paired=kind.paired)
    return float(np.median(ratios.detectable(FAMILY / rows)))


def main() -> None:
    """Print both tables."""
    print_table(verdicts())
    print("\nlosses found, of 1 row and of one of 30, in per cent of 2000 runs\n")
    print("| law | errors | trials | +30 % | +50 % | +100 % | said to be found in 80 % | found |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for law in ("normal", "chi-square(1)"):
        for kind in KINDS:
            for trials in TRIALS[1:]:
                print(_power_line(law, kind, trials, 2000), flush=True)


def _power_line(law: str, kind: Kind, trials: int, runs: int) -> str:
    cells = [
        ", ".join(f"{100 * found(kind, law, factor, trials, rows, runs):.0f}" for rows in (1, 30))
        for factor in (1.3, 1.5, 2.0)
    ]
    least = [stated(kind, law, trials, rows, runs) for rows in (1, 30)]
    shares = [
        found(kind, law, ratio, trials, rows, runs) if ratio < 1e3 else math.nan
        for ratio, rows in zip(least, (1, 30), strict=True)
    ]
    cells += [", ".join(f"+{100 * (ratio - 1):.0f} %" for ratio in least)]
    cells += [", ".join(f"{100 * share:.0f}" for share in shares)]
    return f"| {law} | {kind.label} | {trials} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
