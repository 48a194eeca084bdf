from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from entbench import _registry as registry
from entbench import estimate_entropy

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_help_comes_at_once(entbench: Command) -> None:
    start = time.perf_counter()
    done = entbench("--help")
    seconds = time.perf_counter() - start
    assert done.returncode == 0
    assert "entbench suite d=5 sigma=0.1" in done.stdout
    # 0.07 s on an idle machine; the target is 0.5 s, with room for a busy one
    assert seconds < 2.0
    for command in ("suite", "list", "describe", "reference", "estimate", "completion"):
        assert command in done.stdout
        assert entbench(command, "--help").returncode == 0


def test_list_has_everything(entbench: Command) -> None:
    data = json.loads(entbench("list", "--format", "json").stdout)
    listed = {(entry["kind"], entry["name"]) for entry in data["names"]}
    for kind in ("estimators", "sources", "suites"):
        assert {(kind[:-1], name) for name in getattr(registry, kind).names()} <= listed
    assert "sp" in entbench("list", "estimators").stdout
    assert "sp" not in entbench("list", "sources", "--format", "csv").stdout
    assert all(entry["summary"] for entry in data["names"])


@pytest.mark.parametrize("name", [*registry.estimators.names(), *registry.sources.names()])
def test_describe_tells_every_parameter(entbench: Command, name: str) -> None:
    data = json.loads(entbench("describe", name, "--format", "json").stdout)
    entry = data["entries"][0]
    assert entry["parameters"]
    for parameter in entry["parameters"]:
        assert parameter["description"], parameter
    assert "References" in entry["text"]
    text = entbench("describe", name).stdout
    assert "nats" in text or entry["kind"] == "source"


def test_describe_of_one_name_for_two_things(entbench: Command) -> None:
    data = json.loads(entbench("describe", "truncated-mixture", "--format", "json").stdout)
    assert [entry["kind"] for entry in data["entries"]] == ["source", "suite"]
    done = entbench("describe", "kk")
    assert done.returncode == 2
    assert "unknown name 'kk'. Did you mean" in done.stderr


def test_reference(entbench: Command) -> None:
    done = entbench("reference", "truncated-mixture", "d=5", "sigma=0.1")
    assert done.returncode == 0
    for expected in ("-0.91642164903", "error", "<= 4", "Gauss-Legendre", "QUADPACK"):
        assert expected in done.stdout
    data = json.loads(
        entbench("reference", "truncated-mixture", "d=1", "sigma=0.1", "--format", "json").stdout
    )
    assert data["value"] == pytest.approx(-0.18328432980601, abs=1e-12)
    assert data["error"] < 1e-12
    assert data["checks"][0]["difference"] < 1e-12
    assert data["params"] == {"d": 1, "sigma": 0.1, "tau": 0.02}
    (line,) = csv.DictReader(
        io.StringIO(entbench("reference", "truncated-mixture", "--format", "csv").stdout)
    )
    assert float(line["value"]) == pytest.approx(-0.916421649, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["truncated-mixtur"], "unknown source 'truncated-mixtur'. Did you mean"),
        (["truncated-mixture", "dd=5"], "unknown parameter of source 'truncated-mixture' 'dd'"),
        (["truncated-mixture", "d=0"], "`d` must be an integer >= 1; got 0"),
        (["truncated-mixture", "d"], "expected key=value; got 'd'"),
        (["truncated-mixture", "sigma=1e999"], "`sigma` must be finite"),
    ],
)
def test_bad_reference(entbench: Command, arguments: list[str], message: str) -> None:
    done = entbench("reference", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def samples() -> np.ndarray:
    return np.random.default_rng(0).choice([-1.0, 1.0], size=(200, 2))


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "headed.csv", "parquet"])
def test_estimate_reads_every_format(
    entbench: Command, tmp_path: Path, samples: np.ndarray, suffix: str
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
    done = entbench("estimate", path, "sigma=0.1", "-e", "sp", "-e", "kl[k=2]", "--format", "json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert (data["n"], data["d"], data["sigma"]) == (200, 2, 0.1)
    sp, kl = data["estimates"]
    expected = estimate_entropy(samples, "sp", sigma=0.1, random_state=0)
    assert sp["value"] == expected.value
    assert sp["standard_error"] == expected.standard_error
    assert kl["value"] == estimate_entropy(samples, "kl", sigma=0.1, random_state=0, k=2).value
    assert kl["standard_error"] is None


def test_estimate_warns_in_one_line_where_n_is_too_small(entbench: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((50, 10)))
    done = entbench("estimate", "x.npy", "sigma=0.1")
    assert done.returncode == 0
    assert done.stderr.startswith("entbench: warning: `X` has 50 rows, too few")
    assert done.stderr.count("\n") == 1
    assert "n_eff=50" in done.stdout


def test_estimate_without_noise_level_takes_the_rows_as_they_are(
    entbench: Command, tmp_path: Path
) -> None:
    noisy = np.random.default_rng(0).standard_normal((300, 1))
    np.save(tmp_path / "t.npy", noisy)
    done = entbench("estimate", "t.npy", "-e", "kl", "--format", "csv")
    (line,) = csv.DictReader(io.StringIO(done.stdout))
    assert float(line["value"]) == estimate_entropy(noisy, "kl").value
    done = entbench("estimate", "t.npy")
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
    ],
)
def test_bad_data_is_one_line(
    entbench: Command, tmp_path: Path, arguments: list[str], message: str | None
) -> None:
    write_bad_files(tmp_path)
    sigma = [] if any("sig" in argument for argument in arguments) else ["sigma=0.1"]
    done = entbench("estimate", *arguments, *sigma)
    if message is None:  # equal rows are fine where noise is added to them
        assert done.returncode == 0
        done, message = entbench("estimate", *arguments), "all samples of `X` are equal"
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


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(entbench: Command, shell: str) -> None:
    assert "_ENTBENCH_COMPLETE" in entbench("completion", shell).stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("entbench su", {"suite"}),
        ("entbench suite tr", {"truncated-mixture"}),
        ("entbench suite si", {"sigma="}),
        ("entbench suite -e kt", {"kt-lower", "kt-upper"}),
        ("entbench list es", {"estimators"}),
    ],
)
def test_names_are_completed(words: str, expected: set[str]) -> None:
    environment = {
        **os.environ,
        "_ENTBENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    command = "import sys; from entbench.cli import main; main(prog_name='entbench')"
    done = subprocess.run(
        [sys.executable, "-c", command], env=environment, capture_output=True, text=True
    )
    assert {line.partition(",")[2] for line in done.stdout.split()} == expected


def test_output_cut_off_by_head_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m entbench describe sp | head -1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "Traceback" not in done.stderr
