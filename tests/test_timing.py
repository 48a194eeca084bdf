"""What is timed: the asv benchmarks cover what there is, and the scripts that tables name run."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from entbench import _registry
from entbench.suites.timing.benchmarks import estimators, report, runner

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "suites" / "timing"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("measure_*.py"))
BENCHMARKS = sorted(path.stem for path in (FOLDER / "benchmarks").glob("[a-z]*.py"))
PREFIXES = ("time_", "peakmem_", "track_")


def module(name: str) -> ModuleType:
    return importlib.import_module(f"entbench.suites.timing.{name}")


def benchmark(name: str) -> ModuleType:
    return module(f"benchmarks.{name}")


def benchmarks() -> list[str]:
    """Return names of all benchmarks as asv has them."""
    return [
        f"{name}.{cls.__name__}.{method}"
        for name in BENCHMARKS
        for cls in vars(benchmark(name)).values()
        if inspect.isclass(cls) and cls.__module__ == benchmark(name).__name__
        for method in dir(cls)
        if method.startswith(PREFIXES)
    ]


def test_every_estimator_is_timed() -> None:
    built_in = {
        name
        for name in _registry.estimators.names()
        if _registry.estimators.entry(name).provider == _registry.BUILT_IN
    }
    assert built_in == set(estimators.NAMES)
    assert {
        "estimators.Fit.time_fit",
        "estimators.Memory.peakmem_fit",
        "estimators.Error.track_mean_absolute_error",
    } <= set(benchmarks())
    for cls in (estimators.Fit, estimators.Memory, estimators.Error):
        assert cls.params[0] is estimators.NAMES


@pytest.mark.filterwarnings("ignore:`X` has")  # a hundred rows are few, and meant to be
@pytest.mark.parametrize("name", estimators.NAMES)
def test_only_what_takes_one_dimension_is_left_out(name: str) -> None:
    case = estimators.Fit()
    if name in estimators.ONE_DIMENSIONAL:
        with pytest.raises(NotImplementedError, match="one dimension only"):
            case.setup(name, 200, 2)
        case.setup(name, 200, 1)
    else:
        case.setup(name, 200, 2)
    case.time_fit(name, 200, 1)


def test_every_benchmark_has_one_threshold() -> None:
    """Where several fit, asv takes the largest: a small one would say nothing."""
    config = json.loads((ROOT / "asv.conf.json").read_text())
    found = benchmarks()
    assert len(found) > 20
    for name in found:
        fitting = [p for p in config["regressions_thresholds"] if re.match(p, name)]
        assert len(fitting) == 1, name
    for pattern in config["regressions_thresholds"]:
        assert any(re.match(pattern, name) for name in found), pattern


def test_tracked_numbers_have_units_and_no_rates() -> None:
    """A larger value is a regression to asv, so what is better when larger may not be tracked."""
    for name in benchmarks():
        if "track_" in name:
            file, cls, method = name.split(".")
            unit = getattr(getattr(benchmark(file), cls), method).unit
            assert unit
            assert not re.search(r"(^|[^ ^])/s\b|per second", unit)


def run_all(case: Any) -> None:
    case.setup()
    for method in dir(case):
        if method.startswith(PREFIXES):
            value = getattr(case, method)()
            assert value is None or 0.0 < value < 1.0
    case.teardown()


def test_store_benchmarks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """They use what is private: a change there shows here, and not first in a tracking run."""
    monkeypatch.setattr(runner, "CELLS", 5)
    monkeypatch.setattr(runner, "ROUNDS", 1)
    run_all(runner.PerCell())


@pytest.mark.slow
def test_report_benchmarks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "N", [50, 100])
    monkeypatch.setattr(report, "TRIALS", 2)
    run_all(report.Report())


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_has_one_shape(name: str) -> None:
    """It says what it measures and how to run it, and prints what was asked beside it."""
    script = module(name)
    lines = (script.__doc__ or "").splitlines()
    assert lines[0].startswith("Measure ")
    commands = (
        f"    python suites/timing/{name}.py",
        f"    python -m entbench.suites.timing.{name}",
    )
    assert any(line.startswith(commands) for line in lines)
    assert callable(script.main)
    assert "asked" in inspect.getsource(script)
    assert 'if __name__ == "__main__":\n    main()' in inspect.getsource(script)


def test_every_table_of_speed_names_the_script_that_makes_it() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    part = text.partition("\n## Speed\n")[2].partition("\n## ")[0]
    before = ""
    tables = 0
    for block in part.split("\n\n"):
        if not block.startswith("|"):
            before = block
            continue
        tables += 1
        named = re.findall(r"\bmeasure_\w+", before)
        assert named, block
        assert set(named) <= set(SCRIPTS)
    assert tables >= 4


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda page: page.stem)
def test_pages_name_scripts_that_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"suites[./]timing[./](\w+)", text):
        assert (FOLDER / f"{name}.py").is_file() or (FOLDER / name).is_dir(), name


def test_benchmarks_need_neither_torch_nor_each_other() -> None:
    """asv imports all of them, in an environment that has what a plain install has."""
    imports = "; ".join(f"import entbench.suites.timing.benchmarks.{name}" for name in BENCHMARKS)
    script = f"import sys; {imports}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
    for name in BENCHMARKS:
        assert "\nfrom ." not in inspect.getsource(benchmark(name))
