"""Ways to do harm: a process with disks of its own, and outcomes that may not be."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from entbench.cli import main

# What every script of a sandbox begins with. One process imports once and calls the command line
# many times, which is a second a call sooner.
PRELUDE = '''
import json, os, shutil, sqlite3, subprocess, sys, time
from pathlib import Path
from click.testing import CliRunner
from entbench.cli import main

SMALL = ("suite", "d=1", "sigma=0.5", "-e", "gaussian", "-j", "1", "-q", "--format", "json")

class Said(dict):
    __getattr__ = dict.__getitem__

def entbench(*arguments, code=0):
    """Call the command line; code 2 comes with one line, and nothing with a traceback."""
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    if not (result.exception is None or isinstance(result.exception, SystemExit)):
        raise result.exception
    said = Said(code=result.exit_code, out=result.stdout, err=result.stderr)
    if code is not None:
        assert said.code == code, (arguments, said)
    if said.code == 2:
        assert said.err.startswith("entbench: error: ") and said.err.count("\\n") == 1, said
    return said

def disk(folder, size):
    """Make a folder a disk of its own."""
    Path(folder).mkdir(exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
    subprocess.run(["mount", *options, str(folder)], check=True)

def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)

def fill(folder):
    """Leave no room."""
    with open(Path(folder) / "filler", "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError as error:
            assert error.errno == 28

def names(folder):
    return sorted(each.name for each in Path(folder).iterdir())

def numbers(store, run="latest"):
    """What a run found, to the bit: status, value and error of each cell."""
    rows = json.loads(entbench("export", run, "--store", store, "--format", "json").out)
    return {row["key"]: (row["status"], row["value"], row["numerical_error"]) for row in rows}

def is_whole(store):
    connection = sqlite3.connect(store)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    return True
'''

_OWN_DISKS = ["unshare", "--user", "--map-root-user", "--mount"]


@cache
def can_have_own_disks() -> bool:
    """Tell whether this system lets a process mount disks that nobody else sees."""
    try:
        mount = ["mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        return not subprocess.run([*_OWN_DISKS, *mount], capture_output=True).returncode
    except OSError:
        return False


class Sandbox:
    """Runs Python in a process of its own, in a folder of its own; it succeeds or says why."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "LOKY_MAX_CPU_COUNT": "1"}

    def __call__(self, script: str, *, disks: bool = False, timeout: float = 600) -> str:
        if disks and not can_have_own_disks():
            pytest.skip("needs user namespaces and mounts in them")
        code = PRELUDE + textwrap.dedent(script)
        done = subprocess.run(
            [*(_OWN_DISKS if disks else ()), sys.executable, "-c", code],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.delenv("ENTBENCH_STORE")
    folder = tmp_path / "sandbox"
    folder.mkdir()
    made = Sandbox(folder)
    made.environment["HOME"] = str(folder)
    made.environment.pop("XDG_DATA_HOME", None)
    return made


class Outcome(NamedTuple):
    """What came of a call of the command line."""

    code: int
    out: str
    err: str

    @property
    def refused(self) -> bool:
        """Whether it was refused in one line."""
        one = self.err.startswith("entbench: error: ") and self.err.count("\n") == 1
        return self.code == 2 and one


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Call the command line in this process; what it lets through is raised here."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: Any) -> Outcome:
        result = CliRunner().invoke(main, [str(each) for each in arguments])
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run
