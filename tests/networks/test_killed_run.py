"""A run of an experiment, killed again and again, ends in what an unbroken one measures."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from entbench.networks._checkpoints import read_checkpoint

pytestmark = pytest.mark.torch

SMALL = ("suite", "szt", "epochs=215", "records=3", "passes=2", "n_inputs=20", "sigma=0.02")
STEPS = 3

# One process that has imported everything; each line names a folder, where a child of it runs the
# command line. Its number comes back at once, and its end when it comes.
NURSERY = """
import os, sys
import torch._dynamo
import entbench.networks.experiments, entbench.report, entbench.runner
from entbench.cli import main
from entbench.networks import InformationFlow, train

print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.chdir(line.strip())
        os.environ["ENTBENCH_STORE"] = os.path.abspath("store.sqlite")
        for place, name in ((1, "printed.csv"), (2, "said.txt")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), place)
        main(sys.argv[1:], prog_name="entbench")
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Nursery:
    """Starts runs, each in a process of its own."""

    def __init__(self) -> None:
        options = (*SMALL, "--jobs", "1", "--format", "csv")
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", NURSERY, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._hear() == "ready\n"

    def run(self, folder: Path, most: int | None = None) -> int:
        """Run in a folder, killed as soon as so much is kept there; return the exit code."""
        assert self.process.stdin is not None
        folder.mkdir(exist_ok=True)
        said = folder / "said.txt"
        said.unlink(missing_ok=True)
        self.process.stdin.write(f"{folder}\n")
        self.process.stdin.flush()
        child = int(self._hear())
        end = time.monotonic() + 600
        while most is not None and count_kept(folder) < most:
            assert time.monotonic() < end
            if select.select([self.process.stdout], [], [], 0.001)[0]:
                break  # over before its kill
        if most is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return int(self._hear())

    def _hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.process.communicate(timeout=120)


def count_kept(folder: Path) -> int:
    """Return how many checkpoints and measurements there are."""
    checkpoints, store = len(list(folder.glob("networks/*/epoch_*.npz"))), folder / "store.sqlite"
    if not store.exists():
        return checkpoints
    connection = sqlite3.connect(store)
    try:
        return checkpoints + int(connection.execute("SELECT count(*) FROM tasks").fetchone()[0])
    except sqlite3.OperationalError:  # its tables are not made yet
        return checkpoints
    finally:
        connection.close()


def printed(folder: Path) -> list[list[str]]:
    """Return the lines of what a run prints, but for seconds."""
    rows = [line.split(",") for line in (folder / "printed.csv").read_text().splitlines()]
    place = rows[0].index("flow_seconds")
    return [[*row[:place], *row[place + 1 :]] for row in rows]


def measured(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Return the table of the measurements, but for seconds and the names of runs."""
    connection = sqlite3.connect(folder / "store.sqlite")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute(
            "SELECT key, specs.spec, place, status, message, result "
            "FROM tasks JOIN specs ON specs.id = tasks.spec"
        ).fetchall()
    finally:
        connection.close()
    found = {}
    for key, *columns, result in rows:
        table = json.loads(result)
        del table["flow_seconds"]
        # numbers are written so that they come back bit for bit
        found[key] = (*columns, json.dumps(table))
    return found


def weights(folder: Path) -> dict[str, dict[str, bytes]]:
    """Return all that has the name of a whole checkpoint."""
    found = {}
    for path in sorted(folder.glob("networks/*/epoch_*.npz")):
        checkpoint = read_checkpoint(path)
        arrays = {**checkpoint.weights, **checkpoint.optimiser, "history": checkpoint.history}
        name = str(path.relative_to(folder))
        found[name] = {key: array.tobytes() for key, array in arrays.items()}
    return found


def test_a_killed_experiment_ends_in_the_same_bits(nursery: Nursery, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert nursery.run(whole) == 0
    expected, kept = measured(whole), weights(whole)
    assert len(expected) == STEPS
    assert {status for *_, status, _, _ in expected.values()} == {"ok"}

    stored = []
    for most in (1, len(kept), len(kept) + 1, len(kept) + 2):
        code = nursery.run(broken, most)
        if code == 0:  # over before its kill
            break
        assert code == -signal.SIGKILL, (broken / "said.txt").read_text()
        assert measured(broken).items() <= expected.items()
        # what has the name of a checkpoint is whole, and the unbroken run's
        assert weights(broken).items() <= kept.items()
        stored.append(len(measured(broken)))
    # a life took up another's work, and left some
    assert any(0 < count < STEPS for count in stored), stored

    assert nursery.run(broken) == 0, (broken / "said.txt").read_text()
    assert printed(broken) == printed(whole)
    assert measured(broken) == expected
    assert weights(broken) == kept
