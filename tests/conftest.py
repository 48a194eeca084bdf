from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entbench import _registry as registry
from entbench.cli import main

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's store."""
    monkeypatch.setenv("ENTBENCH_STORE", str(tmp_path / "store.sqlite"))


@contextmanager
def _registrations_forgotten() -> Iterator[None]:
    kinds = (registry.estimators, registry.sources, registry.experiments)
    known = [(kind, dict(kind._registered)) for kind in kinds]
    loaded = dict(registry._loaded_plugins)
    yield
    for kind, entries in known:
        kind._registered.clear()
        kind._registered.update(entries)
    registry._loaded_plugins.clear()
    registry._loaded_plugins.update(loaded)


@pytest.fixture(autouse=True)
def _forget_registrations() -> Iterator[None]:
    with _registrations_forgotten():
        yield


@pytest.fixture(autouse=True, scope="module")
def _forget_registrations_of_modules() -> Iterator[None]:
    """A fixture of a module registers before any of its tests, and for no other module's."""
    with _registrations_forgotten():
        yield


@pytest.fixture
def entbench(tmp_path: Path) -> Command:
    """Run the command line in a process of its own, in a folder of its own."""

    # the limit is for what hangs, however slow or busy the machine
    def run(*arguments: object, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "entbench", *map(str, arguments)],
            cwd=tmp_path,
            # workers take seconds to start; who asks for --jobs has them all the same
            env={**os.environ, "LOKY_MAX_CPU_COUNT": "1"},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command line in this process, which is a second sooner, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, [str(each) for each in arguments])
