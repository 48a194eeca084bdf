"""``entbench runs``, ``show``, ``export``, ``merge`` and ``clean``."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

SMALL = ("d=1", "sigma=0.5", "n=20,40", "--trials", 2, "-e", "kl", "-e", "gaussian", "-j", 1, "-q")

InProcess = Callable[..., Result]


@pytest.fixture
def printed(in_process: InProcess) -> str:
    """Run a small suite, and return what it printed."""
    done = in_process("suite", *SMALL)
    assert done.exit_code == 0, done.output
    return done.stdout


def latest(in_process: InProcess) -> dict[str, object]:
    found: dict[str, object] = json.loads(in_process("runs", "--format", "json").stdout)["runs"][-1]
    return found


def test_show_prints_what_the_run_printed(in_process: InProcess, printed: str) -> None:
    shown = in_process("show")
    assert shown.exit_code == 0
    assert shown.stdout == printed
    assert "entbench suite d=1 sigma=0.5" in shown.stderr
    run = str(latest(in_process)["run"])
    for name in (run[:6], "truncated-mixture", "v0.1.0", "store.sqlite", f"store.sqlite:{run}"):
        assert in_process("show", name).stdout == printed
    assert json.loads(in_process("show", "--format", "json").stdout)["run"]["id"] == run


def test_show_writes_the_same_files(in_process: InProcess, printed: str, tmp_path: Path) -> None:
    in_process("suite", *SMALL, "--out", "one")
    in_process("show", "--out", "two")
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {path.name for path in (tmp_path / "two").iterdir()} >= {"results.csv"}
    for name in ("results.csv", "results.json"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()


def test_show_of_a_run_cut_short(in_process: InProcess, printed: str, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    connection.execute('DELETE FROM tasks WHERE place LIKE \'{"n":40,"trial":1,%\'')
    connection.execute("UPDATE runs SET finished = NULL")
    connection.commit()
    connection.close()
    shown = in_process("show")
    assert shown.exit_code == 1
    assert "not finished; 2 cells are missing" in shown.stderr
    assert "unfinished" in in_process("runs").stdout


def test_runs_lists_what_was_run(in_process: InProcess, printed: str) -> None:
    in_process("suite", "mutual-information", "n=50", "--trials", 1, "-e", "ksg1", "-j", 1, "-q")
    (first, second) = json.loads(in_process("runs", "--format", "json").stdout)["runs"]
    assert (first["suite"], first["planned"], first["computed"]) == ("truncated-mixture", 8, 8)
    assert first["command"].startswith("entbench suite d=1 sigma=0.5")
    assert second["suite"] == "mutual-information"
    lines = list(csv.DictReader(io.StringIO(in_process("runs", "--format", "csv").stdout)))
    assert json.loads(lines[0]["params"]) == first["params"]
    only = in_process("runs", "--suite", "truncated-mixture")
    assert first["run"] in only.stdout
    assert second["run"] not in only.stdout
    assert "n=20,40" in only.stdout
    none = in_process("runs", "--suite", "fig14")
    assert none.exit_code == 2
    assert "keeps no run of suite 'fig14'" in none.stderr


def test_runs_of_no_store(in_process: InProcess) -> None:
    assert in_process("runs").stdout.startswith("0 runs in ")
    shown = in_process("show")
    assert (shown.exit_code, "run a suite first" in shown.stderr) == (2, True)


def test_export_has_every_cell_to_the_bit(
    in_process: InProcess, printed: str, tmp_path: Path
) -> None:
    rows = list(csv.DictReader(io.StringIO(in_process("export").stdout)))
    assert len(rows) == 8
    objects = json.loads(in_process("export", "--format", "json").stdout)
    for row, each in zip(rows, objects, strict=True):
        assert float(row["value"]) == each["value"]
        assert each["error"] == each["value"] - each["reference"]
        assert row["source.sigma"] == "0.5"
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    stored = dict(connection.execute("SELECT key, value FROM results"))
    connection.close()
    # SQLite itself reads numbers to 15 digits
    assert {each["key"]: each["value"] for each in objects} == pytest.approx(stored, rel=1e-14)


def test_export_to_files(in_process: InProcess, printed: str, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    for name in ("cells.csv", "cells.json", "cells.parquet"):
        done = in_process("export", "-o", name)
        assert done.exit_code == 0, done.output
        assert done.stderr == f"wrote {name}: 8 lines\n"
    frames = [
        pd.read_csv("cells.csv"),
        pd.read_json("cells.json", precise_float=True),
        pd.read_parquet("cells.parquet"),
    ]
    for frame in frames:
        assert frame["estimator"].tolist() == frames[0]["estimator"].tolist()
        assert frame["value"].to_numpy() == pytest.approx(frames[2]["value"].to_numpy(), rel=1e-15)
    others = {path.name for path in tmp_path.iterdir() if "store.sqlite" not in path.name}
    assert others == {"cells.csv", "cells.json", "cells.parquet"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "cells.txt"), "the format of cells.txt is not known: name it with --format."),
        (("--format", "parquet"), "Parquet goes to a file: name it with -o FILE."),
        (("-o", "none/cells.csv"), "none/cells.csv cannot be written: No such file or directory."),
        (("nobody",), "keeps no run 'nobody'"),
    ],
)
def test_export_that_cannot_be(
    in_process: InProcess, printed: str, arguments: tuple[str, ...], message: str
) -> None:
    done = in_process("export", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_merge_and_what_is_new(in_process: InProcess, printed: str) -> None:
    in_process("suite", *SMALL, "--trials", 3, "--store", "other.sqlite")
    done = in_process("merge", "other.sqlite", "--format", "json")
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)["merged"]
    assert (found["runs"], found["tasks"], found["differ"]) == (1, 12, 0)
    again = in_process("suite", *SMALL, "--trials", 3, "--format", "json")
    assert json.loads(again.stdout)["run"]["computed"] == 0
    missing = in_process("merge", "none.sqlite")
    assert (missing.exit_code, missing.stderr) == (
        2,
        "entbench: error: there is no store none.sqlite.\n",
    )


def test_clean_takes_out_only_what_is_named(in_process: InProcess, printed: str) -> None:
    in_process("suite", *SMALL, "--rerun", "all")
    counted = in_process("clean")
    assert counted.exit_code == 0
    assert "nothing was taken out" in counted.stdout
    dry = json.loads(in_process("clean", "--superseded", "--dry-run", "--format", "json").stdout)
    assert dry["rows"][0]["tasks"] == 8
    assert not dry["removed"]
    done = json.loads(in_process("clean", "--superseded", "--format", "json").stdout)
    assert done["removed"]
    left = json.loads(in_process("clean", "--format", "json").stdout)
    assert all(row["tasks"] == 0 for row in left["rows"])
    run = str(latest(in_process)["run"])
    shared = in_process("clean", "--run", run)  # the first run asks for the same cells
    assert shared.exit_code == 0
    assert f"run {run} is still listed, as cells that it computed belong" in shared.stdout
    other = json.loads(in_process("runs", "--format", "json").stdout)["runs"][0]["run"]
    assert "still listed" not in in_process("clean", "--run", other, "--run", run).stdout
    assert in_process("runs").stdout.startswith("0 runs in ")
    for arguments, message in {
        ("--run", "zzz"): "keeps no run yet",
        ("--store", "none.sqlite"): "there is no store none.sqlite",
    }.items():
        wrong = in_process("clean", *arguments)
        assert (wrong.exit_code, message in wrong.stderr) == (2, True)


def test_clean_mends_a_damaged_store(in_process: InProcess, printed: str, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    connection.execute("UPDATE tasks SET seconds = seconds + 1 WHERE place LIKE '%trial\":0,%'")
    connection.commit()
    connection.close()
    broken = in_process("suite", *SMALL)
    assert broken.exit_code == 2
    assert "clean --damaged --store" in broken.stderr
    assert in_process("clean", "--damaged").exit_code == 0
    assert in_process("suite", *SMALL).stdout.splitlines()[:2] == printed.splitlines()[:2]
