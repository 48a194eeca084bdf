"""Measure how often `entbench check` errs, on broken and on sound estimators.

    python -m entbench.suites.timing.verdicts_kit

The estimators are those of ``tests/testing``: `broken.py` with faults of the code, `subtle.py` with
faults of the value, and sound ones of different make. Seeds are those of the kit plus an offset.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from entbench import _registry
from entbench.suites.timing._verdicts import Verdict, print_table
from entbench.testing import run_checks
from entbench.testing._laws import seeds_from

_FOLDER = Path(__file__).resolve().parents[2] / "tests" / "testing"
_SEEDS = 5
_STEP = 100_000


def estimators(name: str) -> Any:
    """Return the module of this name beside the kit's tests."""
    return _registry.import_file(_FOLDER / f"{name}.py")


def refused(estimator: Any, offset: int) -> list[str]:
    """Return the checks that an estimator fails, with other samples."""
    with seeds_from(offset):
        return [str(result) for result in run_checks(estimator) if result.failed]


def missed(estimator: Any, check: str, words: str) -> bool:
    """Tell whether a fault is not found by its check, with the words of its cause."""
    failed = [result for result in run_checks(estimator) if result.failed and not result.root]
    return not any(result.name == check and words in str(result) for result in failed)


def verdicts(scale: float = 1.0) -> Iterator[Verdict]:
    """Yield how often the kit errs; `scale` shrinks the numbers of estimators and of seeds."""
    warnings.simplefilter("ignore")
    subtle, broken = estimators("subtle"), estimators("broken")
    seeds = max(1, round(scale * _SEEDS))
    sound = subtle.SOUND[: math.ceil(scale * len(subtle.SOUND))]
    hits = [n for n in sound for i in range(seeds) if refused(getattr(subtle, n), _STEP * i)]
    setting = f"{len(sound)} sound estimators at {seeds} seeds, refused"
    yield Verdict("kit", _named(setting, hits), len(hits), len(sound) * seeds, 0.0)
    for title, module, faults in (
        ("of the value or its error", subtle, subtle.FAULTS),
        ("of the code", broken, broken.FAULTS),
    ):
        cases = list(faults.items())[: math.ceil(scale * len(faults))]
        lost = [name for name, case in cases if missed(getattr(module, name), *case)]
        setting = _named(f"faults {title}, missed or with another cause", lost)
        yield Verdict("kit", setting, len(lost), len(cases), 0.0)


def _named(setting: str, names: list[str]) -> str:
    return f"{setting} ({', '.join(sorted(set(names)))})" if names else setting


def main() -> None:
    """Print the table."""
    print_table(verdicts())


if __name__ == "__main__":
    main()
