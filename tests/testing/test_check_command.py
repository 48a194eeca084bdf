"""``entbench check``: exit codes and what is printed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entbench.cli import main
from entbench.cli._check import check
from entbench.testing import CHECK_NAMES

FILE = Path(__file__).with_name("broken.py")


def run(*arguments: object) -> Result:
    if "check" not in main.commands:
        main.add_command(check)
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def test_right_estimator() -> None:
    done = run(f"{FILE}:HonestNeighbours[k=3]")
    assert done.exit_code == 0
    assert "HonestNeighbours, estimate, reads noisy" in done.stdout
    for name in CHECK_NAMES:
        assert f" {name} " in done.stdout
    assert done.stdout.startswith("✓ The value is right on all 12 laws tried; ")
    assert "✓ all 26 checks that apply hold." in done.stdout
    assert "a verdict repeats" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 140


def test_wrong_estimator_names_the_cause() -> None:
    done = run(f"{FILE}:LogBaseTwo")
    assert done.exit_code == 1
    assert "✗   scaling" in done.stdout
    assert done.stdout.startswith("✗ The value is wrong: ")
    assert "checks failed: scaling, extreme-scale, truth-gaussian, " in done.stdout
    assert "Probably due to `scaling`." in done.stdout
    assert "✗ Look first at `scaling`. Likely cause: log base 2" in done.stdout


def test_every_format() -> None:
    target = f"{FILE}:ReturnsNothing"
    data = json.loads(run(target, "--only", "contract,sigma", "--format", "json").stdout)
    assert data["class"] == "ReturnsNothing"
    assert data["counts"] == {
        "passed": 0,
        "failed": 1,
        "known failure": 0,
        "not applicable": 1,
    }
    assert data["checks"][0]["cause"] == "`return self` is missing"
    printed = run(target, "--only", "contract,sigma", "--format", "csv").stdout
    lines = list(csv.DictReader(io.StringIO(printed)))
    assert [line["check"] for line in lines] == ["contract", "sigma"]
    assert lines[0]["status"] == "failed"
    printed = run(target, "--only", "contract", "--format", "markdown").stdout
    assert "| ✗ | contract |" in printed


def registering(path: Path, *classes: str) -> Path:
    """Write the estimators to a file that registers some of them, in lower case."""
    text = "from entbench import register_estimator\n" + FILE.read_text().replace(
        "from __future__ import annotations\n", ""
    )
    for name in classes:
        decorated = f'@register_estimator("{name.lower()}")\nclass {name}('
        text = text.replace(f"class {name}(", decorated)
    path.write_text(text)
    return path


def test_file_alone_and_registered_names(tmp_path: Path) -> None:
    one = registering(tmp_path / "one.py", "HonestNeighbours")
    assert "HonestNeighbours" in run("--only", "contract", one).stdout
    done = run("--plugin", one, "--only", "few-rows", "honestneighbours[k=2]")
    assert (done.exit_code, "n = k + 1 = 3" in done.stdout) == (0, True)
    assert run("--only", "contract", "--plugin", one, one).exit_code == 0
    two = registering(tmp_path / "two.py", "HonestLine", "WrongBall")
    done = run(two)
    assert done.exit_code == 2
    assert "registers 2 estimators (honestline, wrongball): say" in done.stderr


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("k", "unknown estimator 'k'. Did you mean 'kl'?"),
        ("kl[kk=3]", "unknown parameter of KozachenkoLeonenko 'kk'. Did you mean 'k'?"),
        ("kl[k=-1]", "`k` must be an integer >= 1; got -1"),
        ("nowhere.py:A", "there is no file nowhere.py"),
        ("nowhere.py", "plugin nowhere.py cannot be read"),
        ("kl --only scalling", "unknown check 'scalling'. Did you mean 'scaling'?"),
        (f"{FILE}:WrongBal", "Did you mean 'WrongBall'?"),
        (f"{FILE}:math", "`estimator` must be an EntropyEstimator or"),
        (f"{FILE}:NeedsRank", "NeedsRank needs `k`"),
    ],
)
def test_wrong_usage(target: str, message: str) -> None:
    done = run(*target.split(" "))
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_file_that_fails(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("1 / 0\n")
    done = run(f"{path}:Mine")
    assert done.exit_code == 2
    assert "mine.py failed: ZeroDivisionError: division by zero" in done.stderr


def test_what_an_estimator_prints_is_no_result(tmp_path: Path) -> None:
    path = tmp_path / "chatty.py"
    text = FILE.read_text()
    path.write_text(text.replace("n, dim = noisy.shape", 'n, dim = noisy.shape; print("hm")'))
    done = run(f"{path}:LogBaseTwo", "--only", "scaling", "--format", "json")
    assert json.loads(done.stdout)["counts"]["failed"] == 1
    assert "hm" in done.stderr
