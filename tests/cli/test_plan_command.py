from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from entbench.cli import main
from entbench.cli._bounds import bounds
from entbench.cli._common import sample_size
from entbench.cli._plan import plan as command
from entbench.planner import _timing, plan
from entbench.sources.truncated_mixture import TruncatedMixture

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command line in this process, for time; what leaves a trace there is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setitem(main.commands, "plan", command)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        done = CliRunner().invoke(main, [*map(str, arguments)], prog_name="entbench")
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess("", done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def pilot(tmp_path: Path) -> np.ndarray:
    rows = TruncatedMixture(3, 0.2, 0.02).sample(400, np.random.default_rng(0))
    np.save(tmp_path / "pilot.npy", rows)
    return rows


def test_table_without_a_pilot(here: Command) -> None:
    done = here("plan", "d=3", "sigma=0.1", "error=0.1", "--no-time")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "sp to a mean absolute error of 0.1 nats: d = 3, sigma = 0.1"
    made = plan(3, error=0.1, sigma=0.1, timed=False)
    for answer in made.answers:
        (line,) = [line for line in lines if line.startswith(answer.about)]
        assert line.split()[-1] == sample_size(answer.n)
    assert "most S need far less" in done.stdout
    assert "seconds" not in done.stdout


def test_json_is_the_plan(here: Command, pilot: np.ndarray) -> None:
    arguments = ["sigma=0.2", "n=200", "error=0.05", "--pilot", "pilot.npy", "--no-time"]
    done = here("plan", *arguments, "--format", "json")
    data = json.loads(done.stdout)
    made = plan(error=0.05, sigma=0.2, n=200, pilot=pilot, timed=False)
    assert (data["d"], data["file"]) == (3, "pilot.npy")
    assert data["pilot"]["n_eff"] == made.pilot.n_eff
    assert [a["n"] for a in data["answers"]] == [a.n for a in made.answers]
    assert [a["does"] for a in data["answers"]] == [a.does for a in made.answers]
    lines = list(csv.DictReader(io.StringIO(here("plan", *arguments, "--format", "csv").stdout)))
    assert [line["name"] for line in lines] == [a.name for a in made.answers]
    table = here("plan", *arguments).stdout
    assert "not for every S" in table or made.answers[3].does is None
    (line,) = [line for line in table.splitlines() if line.startswith("sp, predicted")]
    assert line.split()[-1] == "yes"


def test_sigma_is_asked(here: Command) -> None:
    done = here("plan", "d=2", "n=1e4", "error=0.1")
    assert done.returncode == 0, done.stderr
    assert "sigma needed" in done.stdout
    assert "n needed" not in done.stdout


def test_seconds_are_predictions(
    here: Command, pilot: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_timing, "_MAX_DRAWS", 10_000)
    done = here("plan", "sigma=0.2", "error=0.05", "--pilot", "pilot.npy")
    assert "seconds: about, for one fit of sp here" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("sp, predicted")]
    assert re.search(r" about 0\.\d+$", line)


def test_out_of_reach_is_null_in_json(here: Command) -> None:
    done = here("plan", "d=1000", "sigma=0.1", "error=0.1", "--no-time", "--format", "json")
    answers = {a["name"]: a for a in json.loads(done.stdout)["answers"]}
    assert answers["risk"]["n"] is None
    assert "> 1e300" in here("plan", "d=1000", "sigma=0.1", "error=0.1", "--no-time").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["d=5", "sigma=0.1"], "`error` must be given, in nats: for example error=0.05."),
        (["d=5", "sigma=0.1", "error=0"], "`error` must be a finite number > 0; got 0"),
        (["d=5", "error=0.1"], "got neither"),
        (["sigma=0.1", "error=0.1"], "`d` must be an integer >= 1 where there is no pilot"),
        (["d=5", "sgima=0.1", "error=0.1"], "Did you mean 'sigma'?"),
        (["d=5", "sigma=much", "error=0.1"], "`sigma` must be a"),
        (["sigma=0.1", "error=0.1", "--pilot", "none.npy"], "'none.npy' does not exist"),
        (["d=2", "sigma=0.2", "error=0.1", "--pilot", "pilot.npy"], "columns, 3; got 2"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    here: Command, pilot: np.ndarray, arguments: list[str], message: str
) -> None:
    done = here("plan", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("n", "shown"),
    [
        (1, "1"),
        (12_345_678, "12345678"),
        (10**9, "1000000000"),
        (10**9 + 1, "1.01e9"),
        (4 * 10**9, "4e9"),
        (6_896_000_000, "6.90e9"),
        (9_990_000_000, "9.99e9"),
        (9_990_000_001, "1.00e10"),
        (10**13, "1e13"),
        (10**300, "1e300"),
    ],
)
def test_sizes_are_plain_to_1e9_and_rounded_up_beyond(n: int, shown: str) -> None:
    assert sample_size(n) == shown
    assert float(shown) >= n


def test_n_is_printed_alike_by_plan_and_bounds(here: Command) -> None:
    sizes = ["1", "99999999", "1000000000", "4e9", "1e13"]
    setting = ["d=2", "sigma=0.1"]
    table = CliRunner().invoke(bounds, [*setting, f"n={','.join(sizes)}"]).stdout
    assert [line.split()[0] for line in table.splitlines() if "  " in line][1:6] == sizes
    for size in sizes:
        shown = here("plan", *setting, f"n={size}", "error=0.1", "--no-time").stdout
        assert f"error at n = {size} " in shown
        assert f"n = {size}" in shown.splitlines()[0].split(", ")


def test_too_small_a_pilot_is_told_without_what_means_nothing(
    here: Command, tmp_path: Path
) -> None:
    np.save(tmp_path / "small.npy", np.random.default_rng(0).uniform(-1, 1, (50, 8)))
    asked = ["plan", "sigma=0.1", "error=0.05", "--pilot", "small.npy", "--no-time"]
    text = here(*asked).stdout
    assert "✗ too small a pilot: 50 of its 50 rows can be told apart" in text
    assert "I_chi2 >= 49" in text
    for nothing in ("sqrt(V)", "jackknife", "to leading order"):
        assert nothing not in text
    names = [
        answer["name"] for answer in json.loads(here(*asked, "--format", "json").stdout)["answers"]
    ]
    assert names[-2:] == ["sp", "sp-jackknife"]
