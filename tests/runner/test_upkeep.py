"""What is done to whole stores: health, cleaning, merging; and runs rebuilt from them."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from entbench import run_suite
from entbench._records import ExperimentRun, SuiteRun
from entbench.report import suite_data, summarise
from entbench.runner import Store, StoreError, experiment_suite, read_suite, run_info, stored_run
from entbench.runner import run_experiment as run_steps
from entbench.runner._store import StoredRun
from entbench.runner._upkeep import KINDS, health, merge, remove, rubbish, rubbish_of_runs

PARAMS = {"d": 1, "sigma": 0.5, "n": [20, 40]}
SPOILT = "json_set(result, '$.value', json_extract(result, '$.value') + 1e-9)"


def run(path: Path, params: dict[str, Any] | None = None, **options: Any) -> SuiteRun:
    options = {"estimators": ["kl", "binning"], "trials": 2, "jobs": 1, **options}
    return run_suite(params={**PARAMS, **(params or {})}, store=path, **options)


def counts(path: Path) -> dict[str, int]:
    connection = sqlite3.connect(path)
    tables = ("runs", "tasks", "specs")
    found = {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}
    connection.close()
    return found


def named(store: Store, run_id: str) -> StoredRun:
    (found,) = [each for each in store.runs() if each.info.id == run_id]
    return found


def test_run_is_rebuilt_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    sweep = {"d": [1, 2], "tau": 0.05}
    first = run(path, sweep, estimators=["sp[tolerance=0.01]", "kl[k=3]"])
    second = run(path, sweep, estimators=["sp[tolerance=0.01]", "kl[k=3]"], rerun="all")
    assert stored_run(store=path) == second
    again = stored_run(first.info.id[:6], path)
    assert again == first
    assert isinstance(again, SuiteRun)
    assert suite_data(summarise(again)) == suite_data(summarise(first))
    assert [r.seconds for r in first.records] != [r.seconds for r in second.records]
    assert first.info.versions["numpy"]
    assert first.info.finished is not None
    assert eval(first.info.command, {"run_suite": lambda *a, **k: (a, k)})[0][1] == PARAMS | sweep


def test_run_cut_short_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    whole = run(path)
    connection = sqlite3.connect(path)
    connection.execute('DELETE FROM tasks WHERE place LIKE \'{"n":40,"trial":1,%\'')
    connection.execute("UPDATE runs SET finished = NULL")
    connection.commit()
    connection.close()
    found = stored_run(store=path)
    assert isinstance(found, SuiteRun)
    assert found.missing == 2
    kept = tuple(r for r in whole.records if (r.cell.n, r.cell.trial) != (40, 1))
    assert found.records == kept
    assert found.info.finished is None


def test_experiment_is_rebuilt(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    suite = experiment_suite(read_suite("single-neuron"), {"epochs": 10})
    with Store(path) as store:
        made = run_steps(suite, store, run_info(0, "a command"), jobs=1)
    found = stored_run("single-neuron", path)
    assert isinstance(found, ExperimentRun)
    assert found == made
    assert found.info.command == "a command"


def test_run_goes_by_many_names(tmp_path: Path) -> None:
    one, two = tmp_path / "one.sqlite", tmp_path / "two.sqlite"
    first, second, third = run(one), run(one, {"d": 2}), run(two, {"d": 3})
    for text, expected in {
        "latest": second,
        first.info.id: first,
        first.info.id[:8]: first,
        "truncated-mixture": second,
        f"v{first.info.version}": second,
        str(two): third,
        f"{two}:{third.info.id[:8]}": third,
        f"{two}:latest": third,
    }.items():
        assert stored_run(text, one).info == expected.info, text
    for text, message in {
        "zzz": r"keeps no run 'zzz'; `entbench runs` lists them\. Suites run: truncated-mixture\.",
        "": f"'' is the beginning of 2 runs: {first.info.id}, {second.info.id}",
        f"{two}:zzz": "keeps no run 'zzz'",
        "none.sqlite": "there is no store 'none.sqlite'",
        "none/x:latest": "there is no store 'none/x'",
    }.items():
        with pytest.raises(ValueError, match=message):
            stored_run(text, one)
    with pytest.raises(ValueError, match="there is no store .*: run a suite first"):
        stored_run("latest", tmp_path / "nothing")
    Store(tmp_path / "empty").__exit__(None, None, None)
    with pytest.raises(ValueError, match="keeps no run yet"):
        stored_run("latest", tmp_path / "empty")


def test_merged_store_has_the_runs_of_both(tmp_path: Path) -> None:
    one, two = tmp_path / "one.sqlite", tmp_path / "two.sqlite"
    first = run(one)
    shutil.copy(one, two)  # with a run that both have
    theirs, same = run(two, {"d": 2}), run(two, trials=3)
    ours = run(one, trials=3)
    with Store(one) as store:
        found = merge(store, two)
    # of `same`, four cells more than in `first`, which `ours` computed too: kept by run
    assert (found.runs, found.tasks, found.differ, found.largest) == (2, 8 + 4, 0, 0.0)
    for each in (first, theirs, same, ours):
        assert stored_run(each.info.id, one) == each
    with Store(one) as store:
        assert merge(store, two) == replace(found, runs=0, tasks=0)
    assert run(one, {"d": 2}).computed == 0
    assert health(one)["damaged"] == 0


def test_merge_tells_values_that_differ(tmp_path: Path) -> None:
    one, two = tmp_path / "one.sqlite", tmp_path / "two.sqlite"
    run(one)
    other = run(two)
    first = other.records[0]
    spoilt = replace(first, result=first.result | {"value": (first.value or 0.0) + 0.25})
    with Store(two) as store:
        store.add(spoilt, other.info.id)
    with Store(one) as store:
        found = merge(store, two)
    assert found.differ == 1
    assert found.largest == pytest.approx(0.25)


def test_nothing_of_a_damaged_store_is_taken(tmp_path: Path) -> None:
    one, two = tmp_path / "one.sqlite", tmp_path / "two.sqlite"
    run(one)
    other = run(two, {"d": 2})
    damage(two, "tasks", f"result = {SPOILT} WHERE json_extract(place, '$.trial') = 1")
    before = counts(one)
    with Store(one) as store:
        with pytest.raises(StoreError, match="4 damaged rows; nothing of it was taken"):
            merge(store, two)
        for path, message in {
            one: "cannot be merged into itself",
            tmp_path / "three": "there is no store",
        }.items():
            with pytest.raises(StoreError, match=message):
                merge(store, path)
    assert counts(one) == before
    with Store(two) as store:
        assert remove(store, [rubbish(store, "damaged")]) >= 0
    with Store(one) as store:
        assert merge(store, two).tasks == 4
    assert stored_run(other.info.id, one).missing == 4


def damage(path: Path, table: str, change: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE {table} SET {change}")
    connection.commit()
    connection.close()


def test_health_counts_and_tells_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    assert health(path) == {"path": str(path), "exists": False}
    run(path)
    found = health(path)
    assert found["integrity"] == "ok"
    assert (found["tasks"], found["runs"], found["unfinished"], found["damaged"]) == (8, 1, 0, 0)
    assert found["bytes"] == path.stat().st_size
    for table, change in {
        "tasks": 'seconds = seconds + 1 WHERE place LIKE \'{"n":20,"trial":0,%\'',
        "runs": "plan = replace(plan, '0.5', '0.6')",
    }.items():
        damage(path, table, change)
    assert health(path)["damaged"] == 3


def test_damaged_rows_go_and_are_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    first = run(path)
    damage(path, "tasks", f"result = {SPOILT} WHERE json_extract(place, '$.trial') = 1")
    damage(path, "runs", "info = replace(info, '3.', '4.')")
    with pytest.raises(StoreError, match="damaged"):
        run(path)
    with Store(path) as store:
        found = rubbish(store, "damaged")
        assert len(found) == 5
        remove(store, [found])
    assert health(path)["damaged"] == 0
    with pytest.raises(ValueError, match="lost its plan when damage was removed"):
        stored_run(first.info.id, path)
    again = run(path)
    assert again.computed == 4
    assert [r.value for r in again.records] == [r.value for r in first.records]


def test_what_can_go(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    first = run(path)
    second = run(path, rerun="all")
    third = run(path, {"n": [20, 80]})  # uses four cells of the second
    with Store(path) as store:
        sizes = {kind: len(rubbish(store, kind)) for kind in KINDS}
        assert sizes == {"damaged": 0, "failed": 0, "superseded": 8, "unplanned": 0}
        remove(store, [rubbish(store, "superseded")])
        assert stored_run(first.info.id, path).missing == 8
        assert stored_run(second.info.id, path) == second
        # of the second run, what the third uses stays; the first asks for the same
        remove(store, [rubbish_of_runs(store, [named(store, first.info.id)])])
        assert len(store.runs()) == 2
        remove(store, [rubbish_of_runs(store, [named(store, second.info.id)])])
        assert [each.info.id for each in store.runs()] == [second.info.id, third.info.id]
        assert stored_run(third.info.id, path) == third
        assert counts(path)["tasks"] == 8
        remove(store, [rubbish_of_runs(store, [named(store, third.info.id)])])
    assert health(path)["damaged"] == 0


def test_cleaning_gives_space_back(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    run(path, trials=200)
    with Store(path) as store:
        (only,) = store.runs()
        assert remove(store, [rubbish_of_runs(store, [only])]) > 50_000
    assert counts(path) == {"runs": 0, "tasks": 0, "specs": 0}
