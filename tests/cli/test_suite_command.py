"""The main job through real processes."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from entbench.runner import Store, load_suite, make_plan, override, run_info
from entbench.runner._plan_rows import plan_row

Command = Callable[..., "subprocess.CompletedProcess[str]"]
SMALL = ["suite", "d=2", "n=20,50", "--trials", "3", "-e", "kl", "-e", "sp[tolerance=0.01]"]
SMALL += ["--jobs", "1"]


def test_table_on_standard_output_progress_on_the_other(entbench: Command) -> None:
    done = entbench(*SMALL)
    assert done.returncode == 0, done.stderr
    assert "truncated-mixture[d=2,sigma=0.1,tau=0.02]: h(S+Z) =" in done.stdout
    assert "✓ check plug-in-bias" in done.stdout
    assert "0 cells stored, 12 to compute" in done.stderr
    assert "12/12 cells" in done.stderr
    again = entbench(*SMALL)
    assert "12 cells stored, 0 to compute" in again.stderr
    assert again.stdout == done.stdout


def test_quiet_says_nothing_on_standard_error(entbench: Command) -> None:
    assert entbench(*SMALL, "--quiet").stderr == ""


@pytest.mark.parametrize("format_", ["json", "csv", "markdown"])
def test_formats(entbench: Command, format_: str) -> None:
    done = entbench(*SMALL, "--format", format_)
    assert done.returncode == 0
    if format_ == "json":
        data = json.loads(done.stdout)
        assert len(data["rows"]) == 4
        assert data["params"] == {
            "source": "truncated-mixture",
            "d": 2,
            "sigma": 0.1,
            "tau": 0.02,
            "n": [20, 50],
            "trials": 3,
        }
    elif format_ == "csv":
        assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 4
    else:
        assert "| estimator | n | bias |" in done.stdout


def test_jobs_change_no_digit(entbench: Command, tmp_path: Path) -> None:
    tables = []
    for jobs in (1, 2):
        done = entbench(*SMALL, "--jobs", jobs, "--store", f"{jobs}.sqlite", "--format", "json")
        tables.append(json.loads(done.stdout))
        for row in tables[-1]["rows"]:
            del row["seconds"]
    assert tables[0]["rows"] == tables[1]["rows"]
    assert (tmp_path / "1.sqlite").exists()


def test_sweeps_and_two_sources(entbench: Command) -> None:
    done = entbench(
        "suite", "d=1,2", "n=1e1:1e2:log3", "--trials", 2, "-e", "kl[k=1]", "--format", "json"
    )
    data = json.loads(done.stdout)
    assert [row["n"] for row in data["rows"]] == [10, 32, 100] * 2
    assert [reference["source"]["d"] for reference in data["reference"]] == [1, 2]


def test_out_writes_files(entbench: Command, tmp_path: Path) -> None:
    done = entbench(*SMALL, "--out", "results")
    assert done.returncode == 0
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert names == {"results.csv", "results.json", "error_vs_n.png", "error_vs_n.svg"}
    assert "wrote results/error_vs_n.png" in done.stderr


def test_dry_run_computes_and_makes_nothing(entbench: Command, tmp_path: Path) -> None:
    done = entbench(*SMALL, "--dry-run", "--out", "results")
    assert done.returncode == 0
    assert "12 cells: 0 stored in" in done.stdout
    assert not (tmp_path / "store.sqlite").exists()
    assert not (tmp_path / "results").exists()
    entbench("suite", "d=2", "n=20", "--trials", "3", "-e", "kl")
    data = json.loads(entbench(*SMALL, "--dry-run", "--format", "json").stdout)
    assert (data["cells"], data["stored"], data["missing"]) == (12, 3, 9)


def test_failed_cells_make_exit_code_1_and_can_be_rerun(entbench: Command) -> None:
    command = ["suite", "d=2", "n=5,20", "--trials", "2", "-e", "kl[k=7]"]
    done = entbench(*command)
    assert done.returncode == 1
    assert "✗ 2/2" in done.stdout
    assert "got k=7 with n_samples=5. [2 cells" in " ".join(done.stdout.split())
    assert "2 cells stored, 2 to compute" in entbench(*command, "--rerun", "failed").stderr
    assert "0 cells stored, 4 to compute" in entbench(*command, "--rerun", "all").stderr


def test_violated_check_makes_exit_code_1(entbench: Command, tmp_path: Path) -> None:
    entbench(*SMALL)
    suite = override(
        load_suite("truncated-mixture"),
        {"d": 2, "n": [20, 50]},
        estimators=["sp[tolerance=0.01]"],
        trials=3,
    )
    plan, info = make_plan(suite), run_info(0)
    with Store(tmp_path / "store.sqlite") as store:
        store.start_run(info, plan_row(plan))
        for record in list(store.records(plan.cells)):
            # so far off that three trials tell, whose scatter may hide most of that of the errors
            off = record.result | {"value": (record.value or 0.0) + 1000.0}
            store.add(replace(record, result=off), info.id)
        store.finish_run(info.id)
    done = entbench(*SMALL)
    assert done.returncode == 1
    assert "✗ check VIOLATED plug-in-bias" in done.stdout


def test_plugin_joins_the_table(entbench: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from entbench import EntropyEstimator, MutualInformationEstimator, register_estimator\n"
        "@register_estimator('for-pairs')\n"  # which does not fit the suite
        "class ForPairs(MutualInformationEstimator):\n"
        "    reads, version = 'noisy', '1'\n"
        "    def fit(self, X, y):\n"
        "        return self\n"
        "@register_estimator('mine')\n"
        "class Mine(EntropyEstimator):\n"
        '    """Zero."""\n'
        "    reads, version = 'signal', '1'\n"
        "    def __init__(self, sigma, extra=0.0):\n"
        "        self.sigma = sigma\n"
        "        self.extra = extra\n"
        "    def fit(self, X, y=None):\n"
        "        self.entropy_ = self.sigma + self.extra\n"
        "        return self\n"
    )
    arguments = ["suite", "d=1", "n=20", "--trials", "2", "--plugin", "mine.py", "--format", "json"]
    done = entbench(*arguments)
    assert "for-pairs of the plugin is not added: it estimates a mutual information" in done.stderr
    data = json.loads(done.stdout)
    assert [row["estimator"] for row in data["rows"]][-2:] == ["kt-lower", "mine"]
    data = json.loads(entbench(*arguments, "-e", "mine[extra=2]", "--jobs", 2).stdout)
    assert [row["estimator"] for row in data["rows"]] == ["mine[extra=2]"]
    assert data["rows"][0]["mean"] == pytest.approx(2.1)
    assert "Zero." in entbench("list", "--plugin", "mine.py").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["truncated"], "unknown suite 'truncated'. Did you mean 'truncated-mixture'?"),
        (["-e", "kll"], "unknown estimator 'kll'. Did you mean 'kl'?"),
        (["sigm=0.1"], "unknown key for suite 'truncated-mixture' 'sigm'. Did you mean 'sigma'?"),
        (["-e", "kl[kk=1]"], "unknown parameter of estimator 'kl' 'kk'. Did you mean 'k'?"),
        (["d=0"], "`d` must be an integer >= 1; got 0"),
        (["d=2.5"], "`d` must be an integer >= 1; got 2.5"),
        (["d=abc"], "`d` must be an integer >= 1; got 'abc'"),
        (["sigma=0"], "`sigma` must be a finite number > 0; got 0"),
        (["sigma=-0.1"], "`sigma` must be a finite number > 0; got -0.1"),
        (["sigma=inf"], "`sigma` must be finite; got inf"),
        (["sigma=nan"], "`sigma` must be finite; got nan"),
        (["tau=0"], "`tau` must be a finite number > 0; got 0"),
        (["n=1"], "`n` must be an integer >= 2; got 1"),
        (["n=1e2:1e3"], "`n` must be like 100,1000 or 1e2:1e5:log7"),
        (["n="], "`n` needs a value"),
        (["d=1", "d=2"], "`d` is given twice"),
        (["trials=3"], "`trials` is an option: write --trials VALUE"),
        (["--trials", "0"], "`trials` must be an integer >= 1; got 0"),
        (["--seed", "-1"], "`seed` must be an integer >= 0; got -1"),
        (["--jobs", "0"], "`jobs` must be an integer >= 1; got 0"),
        (["truncated-mixture", "other"], "one suite at a time; got truncated-mixture and other"),
        (["./nowhere.toml"], "suite file './nowhere.toml' does not exist"),
        (["-e", "kl[k=0]"], "`k` must be an integer >= 1; got 0"),
        (["-e", "kl["], "an estimator must be like kl or kl[k=3,norm=linf]"),
        (["--plugin", "nowhere.py"], "plugin nowhere.py cannot be read: No such file"),
        (["--store", "."], "is a folder; --store takes a file"),
        (["--out", "/dev/null/x"], "output folder /dev/null/x cannot be written"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    in_process: Callable[..., Result], arguments: list[str], message: str
) -> None:
    done = (
        in_process("suite", "n=10", *arguments)
        if "n=" not in " ".join(arguments)
        else in_process("suite", *arguments)
    )
    assert done.exit_code == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_bad_store_is_one_line_and_left_alone(entbench: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.sqlite").write_bytes(b"certainly not a database, whatever its name says" * 50)
    before = (tmp_path / "bad.sqlite").read_bytes()
    done = entbench(*SMALL, "--store", "bad.sqlite")
    assert done.returncode == 2
    assert "is no entbench store of format 4, or is damaged" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "bad.sqlite").read_bytes() == before


def test_suite_with_unknown_check_is_refused_before_it_runs(
    entbench: Command, tmp_path: Path
) -> None:
    text = 'n = [10]\nestimators = ["kl"]\nchecks = ["plug-in-bia"]\n'
    (tmp_path / "mine.toml").write_text(text + '[source]\nname = "truncated-mixture"\n')
    done = entbench("suite", "mine.toml")
    assert done.returncode == 2
    assert "unknown check 'plug-in-bia'. Did you mean 'plug-in-bias'?" in done.stderr


def test_traceback_on_request(entbench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTBENCH_DEBUG", "1")
    assert "Traceback" in entbench("suite", "d=0").stderr


def test_terminal_shows_a_live_bar(tmp_path: Path) -> None:
    """Under a pseudo-terminal, with room for the whole table and with room for less."""
    main, other = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "LINES": "40", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-m", "entbench", *SMALL],
        stdout=other,
        stderr=other,
        cwd=tmp_path,
        env=environment,
    )
    os.close(other)
    seen = b""
    while True:
        try:
            chunk = os.read(main, 65536)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    os.close(main)
    assert process.wait() == 0
    text = seen.decode()
    assert "12/12" in text or "11/12" in text
    assert "to go" in text
    assert "theory beside the data" in text
