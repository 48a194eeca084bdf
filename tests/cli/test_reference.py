from __future__ import annotations

import csv
import io
import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from scipy.stats import norm

from entbench import Reference, ReferenceCheck
from entbench import _registry as registry
from entbench.cli import _progress
from entbench.cli._reference import _known, _verdict, reference
from entbench.runner import _certificates as certificates
from entbench.sources import _certificate as certificate
from entbench.sources.gaussian_mixture import RandomGaussianMixture


@pytest.fixture(autouse=True)
def _registered() -> None:
    if "gaussian-mixture" not in registry.sources.names():
        registry.register_source("gaussian-mixture")(RandomGaussianMixture)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(reference, [str(argument) for argument in arguments])


def data_of(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_exact_source(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    data = data_of("truncated-mixture", "d=1", "sigma=0.1", "--verify", "--store", store)
    assert data["value"] == pytest.approx(-0.18328432980601, abs=1e-12)
    assert data["confidence"] == 1.0
    assert data["verification"]["agrees"]
    assert data["params"] == {"d": 1, "sigma": 0.1, "tau": 0.02}
    assert data["facts"]["in_unit_cube"] is True
    assert not store.exists()
    assert "confidence" in run("truncated-mixture").stdout


def test_pairs() -> None:
    data = data_of("bivariate-normal", "--verify")
    assert data["quantity"] == "I(X;Y)"
    assert data["facts"] == {}


def test_pairs_that_are_a_channel_show_what_is_known_of_the_signal() -> None:
    text = run("bpsk-awgn", "d=1", "sigma=0.5").stdout
    # one bit, wrong where the noise exceeds 1: Phi(-2)
    (line,) = [line for line in text.splitlines() if line.startswith("decoding error")]
    assert line.split()[-2:] == ["<=", f"{norm.cdf(-2.0):.10g}"]
    assert "log values" in text


def test_verify_of_an_exact_source_names_its_check_once() -> None:
    asked = ("uniform-cube", "d=2", "sigma=0.3")
    (check,) = data_of(*asked)["checks"]
    text = " ".join(run(*asked, "--verify").stdout.split())
    assert text.count(" ".join(check["method"].split())) == 1
    assert "verified agrees with its check above, an evaluation of its own: differs by" in text
    verification = data_of(*asked, "--verify")["verification"]
    assert verification["fresh"] is False
    assert verification["error"] is None
    assert verification["value"] == check["value"]


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (0.5e-3, "other: differs by at most 1.0e-03 nats"),
        (5e-3, "other: differs by 5.0e-03 nats; looser than the error, it may by 1.0e-02"),
        (5e-2, "other: differs by 5.0e-02 nats, more than the 1.0e-02 ALLOWED"),
    ],
)
def test_a_check_beyond_the_error_is_explained(difference: float, said: str) -> None:
    truth = Reference(0.0, 1e-3, "", (ReferenceCheck("other", difference, difference),))
    assert _known(truth)[-1] == ("check", said)


@pytest.mark.parametrize(
    ("difference", "error", "said"),
    [
        (0.5e-3, 0.5e-3, "other: differs by at most 1.0e-03 nats"),
        (0.5e-3, 3e-3, "other: differs by at most 1.0e-03 nats; its own error is 3.0e-03"),
        (5e-3, 3e-3, "other: differs by 5.0e-03 nats, more than the 4.0e-03 ALLOWED"),
    ],
)
def test_a_check_says_how_loose_it_is(difference: float, error: float, said: str) -> None:
    truth = Reference(0.0, 1e-3, "", (ReferenceCheck("other", difference, difference, error),))
    assert _known(truth)[-1] == ("check", said)


def test_a_choice_named_none_is_a_word(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("0,0\n5,1\n9,7\n")
    data = data_of("empirical", f"data={rows}", "scaling=none", "--store", tmp_path / "s.sqlite")
    assert data["params"]["scaling"] == "none"


def test_what_is_rounding_is_not_printed() -> None:
    """Neither digits below the error, nor how far apart two are that agree to within it."""
    check = ReferenceCheck("other", 2.7084177695073075, 4.4e-16)
    exact = Reference(2.708417769507307, 9.92e-15, "", (check,))
    assert [row[1] for row in _known(exact)] == [
        *("2.70841776950731 nats", "<= 1.0e-14 nats", "1", ""),
        "other: differs by at most 1.0e-14 nats",
    ]
    verification = certificates.verify(RandomGaussianMixture(), exact)
    assert "differs by at most 1.0e-14, allowed" in _verdict(verification, exact)
    sampled = replace(exact, error=4.52e-3, confidence=0.95)
    assert [row[1] for row in _known(sampled)[:2]] == ["2.7084 nats", "<= 4.6e-03 nats"]
    assert _known(sampled)[-1][1] == "other: differs by 4.4e-16 nats"


def test_sampled_source_is_certified_and_kept(tmp_path: Path) -> None:
    asked = ("gaussian-mixture", "d=3", "--error", "0.02", "--store", tmp_path / "s.sqlite")
    data = data_of(*asked, "--confidence", "0.99", "--verify")
    assert data["error"] <= 0.02
    assert data["confidence"] == 0.99
    assert data["verification"]["agrees"]
    assert data["verification"]["method"] != data["method"]
    assert data["verification"]["fresh"] is True
    assert set(data["versions"]) == {"entbench", "numpy", "scipy", "numba"}
    assert data["checks"][0]["method"] != data["method"]
    # kept: one that is surer than asked does
    again = data_of(*asked)
    assert again["confidence"] == 0.99
    assert again["value"] == data["value"]
    truth = RandomGaussianMixture(d=3).certify(2e-3, 0.999)
    assert abs(data["value"] - truth.value) <= data["error"] + truth.error
    (line,) = csv.DictReader(io.StringIO(run(*asked, "--format", "csv").stdout))
    assert float(line["confidence"]) == 0.99


def test_disagreement_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    verification = certificates.Verification("other", 1.0, 0.1, 0.5, 0.2)
    monkeypatch.setattr(certificates, "verify", lambda *arguments: verification)
    done = run("truncated-mixture", "--verify")
    assert done.exit_code == 1
    assert done.stdout == ""  # a truth that is contradicted is not printed
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "entbench: error: the reference of source 'truncated-mixture' is refused"
    )
    assert "but 1 +- 1.0e-01 by other" in line


def test_a_hopeless_error_is_refused_at_the_first_look(tmp_path: Path) -> None:
    """Of 16 batches of 1024 samples; the budget ends at as many of 2^18, after minutes."""
    done = run("random-network", "--error", "1e-9", "--store", tmp_path / "s.sqlite")
    assert isinstance(done.exception, ValueError)
    assert "could be had at best, by an estimate from batches of 1024 sam" in str(done.exception)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def watch(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, patience: float) -> str:
    monkeypatch.setattr(_progress, "_PATIENCE", patience)
    monkeypatch.setattr(_progress, "_PAUSE", 0.01)
    monkeypatch.setattr(sys, "stderr", stream)
    told = "{stage}, {detail}" if stream.isatty() else "{stage} ..."
    with _progress.progress():
        for stage in ("first", "second"):
            for detail in ("one", "two"):
                certificate._tell(stage, detail)
                if patience < 1.0:
                    wait_for(told.format(stage=stage, detail=detail), stream)
    return re.sub(r"\b\d+ s:", "0 s:", stream.getvalue())  # a busy machine takes more


def wait_for(text: str, stream: io.StringIO) -> None:
    """Wait until another thread has printed that."""
    deadline = time.monotonic() + 300.0  # of what never comes
    while text not in stream.getvalue():
        assert time.monotonic() < deadline, stream.getvalue()
        time.sleep(0.01)


def test_progress_is_a_line_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    text = watch(io.StringIO(), monkeypatch, patience=0.01)
    assert text == "entbench: 0 s: first ...\nentbench: 0 s: second ...\n"


def test_progress_rewrites_a_terminal_s_line_and_wipes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = watch(Terminal(), monkeypatch, patience=0.01)
    shown = [line for line in text.split("\r\x1b[K") if line]
    assert list(dict.fromkeys(shown)) == [
        f"0 s: {stage}, {detail}" for stage in ("first", "second") for detail in ("one", "two")
    ]
    assert text.endswith("\r\x1b[K")
    assert "\n" not in text


def test_what_is_short_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watch(Terminal(), monkeypatch, patience=1e6) == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["truncated-mixture", "--error", "0"], "`error` must be a finite number > 0; got 0.0"),
        (["truncated-mixture", "--error", "1e-20"], "`error` must be at least"),
        (["truncated-mixture", "--confidence", "1"], "`confidence` must lie in (0, 1); got 1.0"),
        (["truncated-mixture", "d=0"], "`d` must be an integer >= 1; got 0"),
        (["truncated-mixtur"], "unknown source 'truncated-mixtur'. Did you mean"),
    ],
)
def test_bad_arguments(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)
