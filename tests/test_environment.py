"""What is found out about libraries and the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import entbench
from entbench import _environment, _machine
from entbench._environment import Finding


def by_name(found: object) -> dict[str, Finding]:
    return {each.what: each for each in found}  # type: ignore[attr-defined]


def test_versions_are_those_of_the_modules() -> None:
    import numba
    import numpy as np
    import scipy
    import sklearn

    found = _environment.library_versions()
    assert found["python"] == platform.python_version()
    assert found["entbench"] == entbench.__version__
    assert found["numpy"] == np.__version__
    assert found["scipy"] == scipy.__version__
    assert found["scikit-learn"] == sklearn.__version__
    assert found["numba"] == numba.__version__
    shown = by_name(_environment.find_versions())
    assert shown["numpy"].found == np.__version__
    assert {"llvmlite", "joblib", "pandas", "click"} <= set(shown)
    assert not [each for each in shown.values() if each.mark == "wrong"]


def test_what_is_missing_or_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"numpy": "1.9", "entbench": "9.9"}

    def version(name: str) -> str:
        if name in {"pyarrow", "scipy"}:
            raise importlib.metadata.PackageNotFoundError(name)
        return there.get(name) or importlib.metadata.version(name)

    monkeypatch.setattr(_environment, "version", version)
    found = by_name(_environment.find_versions())
    assert found["numpy"].mark == found["scipy"].mark == "wrong"
    assert found["numpy"].found == "1.9; needed is >=2.0"
    assert found["numpy"].advice == "pip install 'numpy>=2.0'"
    assert found["scipy"].found == "not installed"
    assert "pyarrow (parquet)" in found["extras"].found
    assert "pip install 'entbench[" in found["extras"].advice
    assert "parquet" in found["extras"].advice
    assert found["extras"].mark == "warning"
    assert found["entbench"].mark == "warning"  # a checkout that was installed at another version


def test_requirements_are_sorted_by_extra() -> None:
    asked = _environment._requirements()
    assert asked[""]["numpy"] == SpecifierSet(">=2.0")
    assert "torch" in asked["networks"]
    assert "pytest" in asked["test"]
    assert {"networks", "parquet"} <= set(_environment._useful_extras(asked))
    assert not {"test", "lint", "all"} & set(_environment._useful_extras(asked))


def test_an_exception_is_a_finding() -> None:
    def probe() -> list[Finding]:
        raise LookupError("two\nlines")

    (found,) = _environment.findings_of("here", probe)
    assert found.mark == "wrong"
    assert found.found == "LookupError: two lines"
    assert found.advice.startswith("it was raised at ")
    assert __file__ in found.advice


@pytest.mark.parametrize(
    ("said", "mark", "words"),
    [
        ({"devices": ["H1", "H2"], "cuda": "13.0"}, "ok", "cuda:0 H1, cuda:1 H2"),
        ({"devices": [], "cuda": "13.0"}, "warning", "made for CUDA 13.0"),
        ({"devices": [], "cuda": ""}, "ok", "none"),
        ({"devices": [], "cuda": "", "mps": True}, "ok", "Apple"),
    ],
)
def test_what_torch_says(said: dict[str, object], mark: str, words: str) -> None:
    given = {"version": "2.9", "threads": 4, "mps": False, **said}
    _, found = _environment._torch_said(given)
    assert found.mark == mark
    assert words in found.found


def test_torch_that_is_not_there() -> None:
    (found,) = _environment.find_torch(None)
    assert found.mark == "ok"
    assert "not installed" in found.found


def test_cores_within_affinity_and_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for limits, cores in (
        ([], 8),
        (["max 100000"], 8),
        (["200000 100000"], 2),
        (["max 100000", "350000 100000"], 4),
        (["1000 100000"], 1),
        (["1600000 100000"], 8),
    ):
        monkeypatch.setattr(_machine, "_limits", lambda name, limits=limits: iter(limits))
        assert _machine.usable_cores() == cores


@pytest.mark.parametrize(
    ("value", "mark"),
    [("2", "ok"), ("1,1", "ok"), ("9", "warning"), ("0", "wrong"), ("-1", "wrong"), ("", "wrong")],
)
def test_thread_variables(value: str, mark: str) -> None:
    assert _machine._find_variable("OMP_NUM_THREADS", value, 4).mark == mark


def test_too_many_threads_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_machine, "usable_cores", lambda: 0)
    pools = [each for each in _machine.find_cores() if "thread" in each.found]
    assert pools  # numpy's OpenBLAS at least
    assert {each.mark for each in pools} == {"warning"}
    assert by_name(_machine.find_compiler())["numba threads"].mark == "warning"


def test_vectors_are_as_wide_as_the_processor_says(monkeypatch: pytest.MonkeyPatch) -> None:
    import llvmlite.binding as llvm
    from numba import config

    _, bits = _machine._processor(config)
    flags = llvm.get_host_cpu_features()
    assert (bits == 512) == flags.get("avx512f", False)
    if platform.machine() == "x86_64":
        monkeypatch.setattr(config, "CPU_NAME", "nehalem")
        monkeypatch.setattr(config, "CPU_FEATURES", "")
        assert _machine._processor(config) == ("nehalem", 128)
        assert by_name(_machine.find_compiler())["processor"].mark == "warning"


def test_the_cache_of_compiled_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = _machine.find_cache(tmp_path / "new")
    assert found.mark == "ok"
    assert "empty" in found.found
    (tmp_path / "a.1.nbc").touch()
    assert "1 compiled" in next(_machine.find_cache(tmp_path)).found
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/nowhere")
    (found,) = _machine.find_cache(tmp_path)
    assert found.mark == "warning"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    (found,) = _machine.find_cache(Path("/proc/nowhere"))
    assert found.mark == "warning"


def test_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    free, total = _machine.free_memory()
    assert 0 < free < total
    if Path("/proc/meminfo").exists():
        (line,) = [x for x in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in x]
        assert total <= int(line.split()[1]) * 1024
    monkeypatch.setattr(_machine, "free_memory", lambda: (2**20, 2**30))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2**20))
    found = by_name(_machine.find_room(tmp_path / "store.sqlite"))
    assert found["memory"].mark == "warning"
    assert found["disk of the store"].mark == "wrong"


def test_memory_within_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"memory.max": ["max", "1000000"], "memory.current": ["1", "400000"]}
    monkeypatch.setattr(_machine, "_limits", lambda name: iter(said[name]))
    assert _machine.free_memory() == (600_000, 1_000_000)


def test_remote_file_systems_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert _machine.file_system(Path("/proc/self")) == "proc"
    monkeypatch.setattr(_machine, "file_system", lambda path: "nfs4")
    assert by_name(_machine.find_room(tmp_path / "s"))["file system of the store"].mark == "warning"


def test_the_clock() -> None:
    assert [each.mark for each in _machine.find_clock([("then", 0.0)])] == ["ok"]
    assert [each.mark for each in _machine.find_clock([("then", 1e11)])] == ["warning"]


def test_narrow_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((60, 20)))
    found = by_name(_machine.find_terminal())
    assert found["width"].mark == "warning"
    assert "file names in utf-8" in found["locale"].found
