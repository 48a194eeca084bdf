from __future__ import annotations

import csv
import io
import json
import math
import re
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from entbench import estimate_entropy
from entbench._comparison import Wanted, compare_estimates
from entbench.cli import main
from entbench.cli._estimate import _announce, _plain, _printout
from entbench.report import Screen, render

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command line in this process, for time; what leaves a trace there is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        done = CliRunner().invoke(main, [*map(str, arguments)], prog_name="entbench")
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess("", done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def samples() -> np.ndarray:
    return np.random.default_rng(0).choice([-1.0, 1.0], size=(200, 2))


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "headed.csv", "parquet"])
def test_estimate_reads_every_format(
    here: Command, tmp_path: Path, samples: np.ndarray, suffix: str
) -> None:
    path = tmp_path / f"samples.{suffix}"
    if suffix == "npy":
        np.save(path, samples)
    elif suffix == "npz":
        np.savez(path, S=samples)
    elif suffix == "parquet":
        pd.DataFrame(samples, columns=["a", "b"]).to_parquet(path)
    else:
        frame = pd.DataFrame(samples, columns=["a", "b"])
        frame.to_csv(path, index=False, header=suffix == "headed.csv")
    done = here("estimate", path, "sigma=0.1", "-e", "sp", "-e", "kl[k=2]", "--format", "json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert (data["n"], data["d"], data["sigma"]) == (200, 2, 0.1)
    sp, kl = data["estimates"]
    expected = estimate_entropy(samples, "sp", sigma=0.1, random_state=0)
    assert sp["value"] == expected.value
    assert sp["numerical_error"] == expected.numerical_error
    assert expected.interval is not None
    assert sp["interval_low"] == expected.interval.low
    assert sp["interval_high"] == expected.interval.high
    assert sp["interval_low"] < 2 * math.log(2) + math.log(2 * math.pi * math.e * 0.01)
    assert kl["interval_low"] is None
    assert kl["no_interval"] == "bias unknown"
    wanted = [Wanted("sp", {}, "sp"), Wanted("kl", {"k": 2}, "kl[k=2]")]
    same = compare_estimates(samples, wanted, sigma=0.1).estimates
    assert [sp["value"], kl["value"]] == [estimate.value for estimate in same]
    assert [sp["standard_error"], kl["standard_error"]] == [e.standard_error for e in same]
    assert kl["numerical_error"] is None
    assert data["bracket"]["low"] == sp["diagnostics"]["bracket_low"]
    assert {(f["kind"], *f["labels"]) for f in data["findings"]} == {
        (f.kind, *f.labels) for f in compare_estimates(samples, wanted, sigma=0.1).findings
    }


def test_estimate_warns_in_one_line_where_n_is_too_small(entbench: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((50, 10)))
    done = entbench("estimate", "x.npy", "sigma=0.1", "-e", "sp", "-e", "kl", "-e", "kt-upper")
    assert done.returncode == 0
    assert done.stderr.startswith("entbench: warning: `X` has 50 rows, too few")
    assert done.stderr.count("\n") == 1
    assert "n_eff=50" in done.stdout
    marked = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    # kl above sp and above an upper bound; sp's n_eff, bracket and movement
    assert [" differ by " in line for line in marked] == [True, True, False, False, False]
    assert "✗ n is too small: the noise leaves 50 of 50 samples apart (sp's n_eff)" in marked[2]
    assert "✗ n is too small: the bracket is 3" in marked[3]
    assert "✗ n is too small for sp: from n/2 to n it moved by +0.693 nats" in marked[4]
    assert "✓" not in done.stdout
    assert "- With a finding or a warning against sp, no two estimates" in done.stdout


def test_a_far_row_leaves_no_two_estimates_to_agree(
    here: Command, tmp_path: Path, samples: np.ndarray
) -> None:
    """It widens the bracket of `sp` and spoils the bandwidth of `kde`: `kl` alone is left."""
    np.save(tmp_path / "x.npy", np.vstack([samples, [[1e6, 1e6]]]))
    text = " ".join(here("estimate", "x.npy", "sigma=0.5").stdout.split())
    assert "✗ sp and kde differ by " in text
    told = (
        "- With a finding or a warning against sp and kde, no two estimates are left to test for "
    )
    assert text.endswith(f"{told}agreement.")


def test_the_tick_names_who_is_left_out(entbench: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((800, 4)))
    asked = ["-e", "sp", "-e", "kl", "-e", "kl[k=6]"]
    text = " ".join(entbench("estimate", "x.npy", "sigma=0.1", *asked).stdout.split())
    assert "✓ kl and kl[k=6] agree within 0.1 nats (95 % confidence)" in text
    assert text.endswith("Left out, for a finding or a warning: sp.")


@pytest.mark.parametrize("margin", ["0.05", "1"])
def test_what_is_not_known_is_no_tick(
    here: Command, tmp_path: Path, samples: np.ndarray, margin: str
) -> None:
    np.save(tmp_path / "x.npy", samples[:, :1])
    arguments = ["estimate", "x.npy", "sigma=0.5", "-e", "sp", "-e", "kl", "--margin", margin]
    text = here(*arguments).stdout
    agreement = json.loads(here(*arguments, "--format", "json").stdout)["agreement"]
    assert agreement["labels"] == ["sp", "kl"]
    assert agreement["margin"] == float(margin)
    if margin == "1":
        assert agreement["verdict"] == "agree"
        assert "✓ sp and kl agree within 1 nats" in text
    else:
        assert agreement["verdict"] == "not known"
        assert f"may differ by {agreement['most']:.2g} nats." in text
        assert "✓" not in text


def test_estimates_that_agree_say_so_and_show_their_errors(
    entbench: Command, tmp_path: Path, samples: np.ndarray
) -> None:
    np.save(tmp_path / "x.npy", np.repeat(samples, 5, axis=0)[:, :1])
    done = entbench("estimate", "x.npy", "sigma=0.5")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "✓ sp, kl and kde agree within 0.1 nats (95 % confidence). They can" in done.stdout
    assert "✗" not in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line[:3] in ("sp ", "kl ", "kde")]
    assert [row[0] for row in rows[:3]] == ["sp", "kl", "kde"]
    assert rows[0][3].startswith("[")
    for row in rows[:3]:
        value, error, numerical = row[1], row[2], row[-1]
        assert len(value.partition(".")[2]) >= 3  # two digits of an error of 0.0x
        assert 0.001 < float(error) < 0.1
        assert numerical in ("-", "<1e-09")  # quadrature, in one dimension
    assert "sp: asymptotic interval; assumes no mass below about 3/n" in done.stdout
    assert "kl, kde: no interval: bias unknown." in done.stdout
    assert "jackknife" not in done.stdout


def test_groups_zero_leaves_errors_over_samples_out(
    here: Command, tmp_path: Path, samples: np.ndarray
) -> None:
    np.save(tmp_path / "x.npy", samples)
    command = ["estimate", "x.npy", "sigma=0.1", "-e", "sp", "-e", "kl", "--groups", 0]
    done = here(*command)
    assert (
        "--groups 0: whether estimates agree, or still move with n, is not judged." in done.stdout
    )
    assert "✓" not in done.stdout
    (sp, _) = json.loads(here(*command, "--format", "json").stdout)["estimates"]
    assert sp["half_value"] is None
    assert 0 <= sp["numerical_error"] < sp["standard_error"]


def test_rows_of_the_csv_are_the_errors_of_the_json(
    here: Command, tmp_path: Path, samples: np.ndarray
) -> None:
    np.save(tmp_path / "x.npy", samples)
    command = ["estimate", "x.npy", "sigma=0.1", "-e", "kl", "-e", "kt-lower", "--format"]
    rows = list(csv.DictReader(io.StringIO(here(*command, "csv").stdout)))
    data = json.loads(here(*command, "json").stdout)
    assert [row["role"] for row in rows] == ["estimate", "lower bound"]
    for row, estimate in zip(rows, data["estimates"], strict=True):
        for key in ("value", "standard_error", "half_value"):
            assert float(row[key]) == estimate[key]
        assert row["numerical_error"] == ""


def test_many_pairs_are_cut_short(here: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.random.default_rng(0).uniform(size=(2_000, 1)))
    widths = [f"binning[bin_width={width}]" for width in (1, 10, 100, 1000)]
    chosen = [argument for width in widths for argument in ("-e", width)]
    done = here("estimate", "t.npy", *chosen)
    lines = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    assert ["differ by" in line for line in lines] == [True] * 5 + [False]
    assert lines[-1] == "✗ 1 more pairs disagree: see --format json."


def test_what_is_too_big_for_kde_is_said(here: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.random.default_rng(0).standard_normal((20_001, 1)))
    done = here("estimate", "t.npy")
    assert "kde is left out above 20,000 rows" in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("kl")]


def test_long_refits_are_announced(capsys: pytest.CaptureFixture[str]) -> None:
    _announce("kde", 11, 4.9)
    _announce("kde", 11, 61.2)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == ("entbench: kde: 11 more fits, about 61 s (--groups 0 leaves them out)\n")


def test_numbers_that_json_lacks_become_null() -> None:
    given = {"a": math.nan, "b": [math.inf, np.float64(1.5)], "c": (np.int64(2), "x", None, True)}
    assert _plain(given) == {"a": None, "b": [None, 1.5], "c": [2, "x", None, True]}
    assert all(type(value) is not np.float64 for value in _plain(given)["b"])


def test_mutual_information_needs_pairs(here: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from entbench import MutualInformationEstimator, register_estimator\n"
        "@register_estimator('mine-mi')\n"
        "class Mine(MutualInformationEstimator):\n"
        "    reads, version = 'noisy', '1'\n"
        "    def fit(self, X, y):\n"
        "        return self\n"
    )
    np.save(tmp_path / "t.npy", np.ones((5, 1)))
    done = here("estimate", "t.npy", "-e", "mine-mi", "--plugin", "mine.py")
    assert done.returncode == 2
    assert "estimator 'mine-mi' estimates a mutual information: it needs pairs (X" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("width", [80, 120])
def test_table_fits_a_terminal(tmp_path: Path, samples: np.ndarray, width: int) -> None:
    """Of the numbers no line is broken, whatever the diagnostics need."""
    compared = compare_estimates(
        samples, [Wanted("sp", {}, "sp"), Wanted("kl", {}, "kl")], sigma=0.1
    )
    text = render(_printout(compared, {"file": "x.npy", "sigma": 0.1}, []), "table", Screen(width))
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    headers = ["estimator", "nats", "standard error", "95 % interval", "numerical"]
    assert re.split(r"  +", lines[2].strip()) == headers
    assert [line.split()[0] for line in lines[4:6]] == ["sp", "kl"]


def test_estimate_without_noise_level_takes_the_rows_as_they_are(
    here: Command, tmp_path: Path
) -> None:
    noisy = np.random.default_rng(0).standard_normal((300, 1))
    np.save(tmp_path / "t.npy", noisy)
    done = here("estimate", "t.npy", "-e", "kl", "--format", "csv")
    (line,) = csv.DictReader(io.StringIO(done.stdout))
    assert float(line["value"]) == estimate_entropy(noisy, "kl").value
    data = json.loads(here("estimate", "t.npy", "--format", "json").stdout)
    assert [estimate["estimator"] for estimate in data["estimates"]] == ["kl", "kde"]
    assert (data["sigma"], data["bracket"]) == (None, None)
    done = here("estimate", "t.npy", "-e", "sp")
    assert done.returncode == 2
    assert "estimator 'sp' needs `sigma`" in done.stderr


def write_bad_files(folder: Path) -> None:
    good = np.zeros((5, 2))
    np.save(folder / "nan.npy", np.array([[0.0, np.nan]] * 5))
    np.save(folder / "flat.npy", np.zeros(5))
    np.save(folder / "cube.npy", np.zeros((5, 2, 2)))
    np.save(folder / "few.npy", np.random.default_rng(0).standard_normal((4, 2)))
    np.save(folder / "equal.npy", good)
    np.save(folder / "pickled.npy", np.array([[{}, {}]] * 5), allow_pickle=True)
    np.savez(folder / "two.npz", a=good, b=good)
    (folder / "empty.npy").write_bytes(b"")
    (folder / "empty.csv").write_bytes(b"")
    (folder / "broken.npy").write_bytes(b"\x93NUMPY garbage")
    (folder / "broken.npz").write_bytes(b"PK garbage")
    (folder / "broken.parquet").write_bytes(b"PAR1 garbage")
    (folder / "words.csv").write_text("a,b\n1,2\n3,four\n")
    (folder / "ragged.csv").write_text("1,2\n3\n4,5,6\n")
    (folder / "missing.csv").write_text("1,2\n3,\n")
    (folder / "header.csv").write_text("a,b\n")
    (folder / "inf.csv").write_text("1,2\n3,inf\n")
    (folder / "data.txt").write_text("1 2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.npy"], "data file 'nowhere.npy' does not exist"),
        (["nan.npy"], "`nan.npy` must be finite; got nan in row 0, column 1"),
        (["flat.npy"], "`flat.npy` must have shape (n_samples, dim); got shape (5,)"),
        (["cube.npy"], "`cube.npy` must have shape (n_samples, dim)"),
        (["few.npy", "-e", "kl"], "got k=4 with n_samples=4"),
        (["equal.npy", "-e", "kl"], None),
        (["pickled.npy"], "data file 'pickled.npy' cannot be read"),
        (["two.npz"], "it holds 2 arrays (a, b); name one by key"),
        (["two.npz", "--key", "c"], "unknown array 'c'"),
        (["nan.npy", "--key", "c"], "a key names an array of a .npz file"),
        (["empty.npy"], "data file 'empty.npy' is empty"),
        (["empty.csv"], "data file 'empty.csv' is empty"),
        (["broken.npy"], "data file 'broken.npy' cannot be read"),
        (["broken.npz"], "data file 'broken.npz' cannot be read"),
        (["broken.parquet"], "data file 'broken.parquet' cannot be read"),
        (["words.csv"], "column 'b' holds something other than numbers"),
        (["ragged.csv"], "data file 'ragged.csv' cannot be read"),
        (["missing.csv"], "`missing.csv` must be finite; got nan in row 1, column 1"),
        (["header.csv"], "`header.csv` must have"),
        (["inf.csv"], "`inf.csv` must be finite; got inf"),
        (["data.txt"], "data file must end in .npy, .npz, .csv, .parquet"),
        (["few.npy", "sigm=1"], "unknown key 'sigm'. Did you mean 'sigma'?"),
        (["few.npy", "sigma=0"], "`sigma` must be a finite number > 0; got 0"),
        (["few.npy", "sigma=abc"], "`sigma` must be a finite number > 0; got 'abc'"),
        (["few.npy", "-e", "nothing"], "unknown estimator 'nothing'"),
        (["few.npy", "-e", "sp[sigma=1]"], "`sigma` is given once, as sigma=VALUE"),
        (["few.npy", "--groups", "1"], "`groups` must be 0 or at least 2; got 1"),
        (["few.npy", "--margin", "0"], "`margin` must be a finite number > 0; got 0.0"),
        (["few.npy", "--seed", "-1"], "`seed` must be an integer >= 0; got -1"),
    ],
)
def test_bad_data_is_one_line(
    here: Command, tmp_path: Path, arguments: list[str], message: str | None
) -> None:
    write_bad_files(tmp_path)
    sigma = [] if any("sig" in argument for argument in arguments) else ["sigma=0.1"]
    done = here("estimate", *arguments, *sigma)
    if message is None:  # equal rows are fine where noise is added to them
        assert done.returncode == 0
        done, message = here("estimate", *arguments), "all samples of `X` are equal"
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_parquet_without_its_extra_says_what_to_install(
    entbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "pyarrow.py").write_text("raise ImportError('hidden')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hidden"))
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    done = entbench("estimate", "x.parquet", "sigma=1")
    assert done.returncode == 2
    assert "pip install 'entbench[parquet]'" in done.stderr
