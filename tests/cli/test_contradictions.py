"""Certificates that contradict each other: ``reference``, ``merge``, ``clean`` and ``doctor``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from entbench.cli._doctor_store import find_store

InProcess = Callable[..., Result]

PLUGIN = '''
import os
import numpy as np
from entbench import Reference, ReferenceCheck, Source, register_source

@register_source("disputed")
class Disputed(Source):
    """A point, whose truth is what the environment says."""
    version, dim = "1", 1

    def __init__(self, sigma: float = 1.0):
        self.sigma = sigma

    def sample(self, n, rng):
        return np.zeros((n, 1))

    def reference(self):
        return self.certify(5e-3)

    def certify(self, error, confidence=0.95, seed=0):
        value = float(os.environ["TRUTH"])
        check = ReferenceCheck("other", value, 0.0)
        return Reference(value, error, "asking", (check,), confidence=confidence)
'''
ASKED = ("reference", "disputed", "--plugin", "disputed.py")


@pytest.fixture
def _disputed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_process: InProcess) -> None:
    """Two stores with a certificate each, 0.5 nats apart, beyond all errors."""
    (tmp_path / "disputed.py").write_text(PLUGIN)
    for value, error, store in ((1.0, 5e-3, "one.sqlite"), (1.5, 1e-3, "two.sqlite")):
        monkeypatch.setenv("TRUTH", str(value))
        done = in_process(*ASKED, "--error", error, "--store", store)
        assert done.exit_code == 0, done.output


def named(in_process: InProcess, store: str) -> str:
    done = in_process(*ASKED, "--store", store, "--format", "json")
    assert done.exit_code == 0, done.output
    return str(json.loads(done.stdout)["certificate"])


@pytest.mark.usefixtures("_disputed")
@pytest.mark.parametrize(("ours", "theirs"), [("one", "two"), ("two", "one")])
def test_merge_says_so_and_one_of_them_can_be_deleted(
    in_process: InProcess, ours: str, theirs: str
) -> None:
    mine, other = f"{ours}.sqlite", f"{theirs}.sqlite"
    ids = [named(in_process, mine), named(in_process, other)]
    for new in ("1", "0"):  # as long as both are there
        done = in_process("merge", other, "--into", mine)
        assert done.exit_code == 1
        (row,) = [line for line in done.stdout.splitlines() if line.startswith(other)]
        assert row.split()[-1] == new
        (told,) = done.stderr.splitlines()
        begin = "entbench: error: 2 certificates of source disputed[sigma=1.0] contradict each"
        assert told.startswith(begin)
        assert all(name in told for name in ids), (told, ids)
        assert "h(S+Z) = 1.0000 +- 5.0e-03 nats (at 95 %) by asking" in told
        assert "h(S+Z) = 1.5000 +- 1.0e-03 nats (at 95 %) by asking" in told
    found = json.loads(in_process("merge", other, other, "--into", mine, "--format", "json").stdout)
    assert [each["contradictions"] for each in found["merged"]] == [1, 1]
    assert found["contradictions"] == [told.removeprefix("entbench: error: ")]

    refused = in_process(*ASKED, "--store", mine)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == f"{told}\n"
    (command,) = re.findall(r"`entbench ([^`]*)`", refused.stderr)
    dry = in_process(*command.split(), "--dry-run")
    assert (dry.exit_code, "nothing was taken out" in dry.stdout) == (0, True)
    assert in_process(*ASKED, "--store", mine).exit_code == 2
    done = in_process(*command.split())
    assert done.exit_code == 0
    gone = command.split()[-1]
    assert f"certificate {gone} of disputed[sigma=1.0]" in done.stdout
    (left,) = (name for name in ids if name != gone)
    assert named(in_process, mine) == left
    (row,) = [
        line
        for line in in_process(*ASKED, "--store", mine).stdout.splitlines()
        if line.startswith("certificate")
    ]
    assert row.split() == ["certificate", left]
    wrong = in_process(*command.split())
    assert (wrong.exit_code, wrong.stderr) == (
        2,
        f"entbench: error: store {mine} keeps no certificate {gone!r}. Those it keeps: {left} of "
        "disputed[sigma=1.0].\n",
    )


@pytest.mark.usefixtures("_disputed")
def test_merge_of_sound_ones_exits_with_0(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUTH", "1.002")
    in_process(*ASKED, "--error", 1e-3, "--store", "three.sqlite")
    done = in_process("merge", "three.sqlite", "--into", "one.sqlite")
    assert (done.exit_code, done.stderr) == (0, "")
    assert named(in_process, "one.sqlite") == named(in_process, "three.sqlite")


@pytest.mark.usefixtures("_disputed")
def test_a_tighter_one_that_contradicts_the_stored_one_is_not_printed(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRUTH", "1.2")
    (tmp_path / "mine.toml").write_text(
        'n = [10]\ntrials = 1\nestimators = ["sp"]\nsource = { name = "disputed" }\n'
    )
    suite = ("suite", "./mine.toml", "--plugin", "disputed.py", "-q", "--store", "one.sqlite")
    for asked in (
        (*ASKED, "--error", 1e-3, "--store", "one.sqlite"),
        (*ASKED, "--error", 0.1, "--verify", "--store", "one.sqlite"),
        (*suite, "--dry-run"),
        (*suite, "-j", 1),
    ):
        done = in_process(*asked)
        assert (done.exit_code, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert "2 certificates of source disputed[sigma=1.0] contradict each other" in line
        assert "h(S+Z) = 1.0000 +-" in line
        assert "h(S+Z) = 1.2000 +-" in line
    assert in_process("runs", "--store", "one.sqlite").stdout.startswith("0 runs")
    found = [each for each in find_store(tmp_path / "one.sqlite") if each.mark == "wrong"]
    assert [each.what for each in found] == ["certificates"]
    assert "contradict each other" in found[0].found


@pytest.mark.usefixtures("_disputed")
def test_doctor_finds_nothing_wrong_with_one(tmp_path: Path) -> None:
    assert [e for e in find_store(tmp_path / "two.sqlite") if e.mark == "wrong"] == []
