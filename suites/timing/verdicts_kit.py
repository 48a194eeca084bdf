"""Measure how often `entbench check` errs, on broken and on sound estimators.

    python -m entbench.suites.timing.verdicts_kit

The estimators are those of ``tests/testing``: `broken.py` with faults of the code, `subtle.py` with
faults of the value, and sound ones of different make. Seeds are those of the kit plus an offset.
A second table has the smallest faults that the kit finds, and how often it does.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from entbench import _registry
from entbench.suites.timing._verdicts import Verdict, print_table
from entbench.testing import CHECK_NAMES, run_checks
from entbench.testing._errors import _N
from entbench.testing._laws import gaussian, seeds_from
from entbench.testing._subject import SIGMA

_FOLDER = Path(__file__).resolve().parents[2] / "tests" / "testing"
_SEEDS = 5
_RUNS = 20
_SCATTER = 5000
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


def found(scale: float = 1.0) -> Iterator[tuple[str, str, int, int]]:
    """Yield sizes of faults, the checks that see them, in how many runs they do, of how many."""
    warnings.simplefilter("ignore")
    subtle = estimators("subtle")
    honest, plug_in = subtle.HonestErrors, subtle.WrapsPropagation
    runs = max(1, round(scale * _RUNS))
    scatter = _scatter(honest)
    truths = tuple(name for name in CHECK_NAMES if name.startswith("truth-"))
    for factor in (1.0, 1.2, 1.3, 1.35, 1.5, 2.0):
        made = type("Stated", (honest,), {"stated": lambda *_, by=factor: scatter / by})
        yield f"{factor:g} times too small", "standard-error", _seen(made, runs), runs
    for off in (0.0, 0.01, 0.02, 0.03, 0.05):
        by = {"value": lambda self, t, off=off: honest.value(self, t) + off * t.shape[1]}
        made = type("Off", (honest,), by)
        yield f"{off:g} nats a dimension too large", "truth-*", _seen(made, runs, truths), runs
    for share in (0.0, 0.02, 0.03, 0.05):
        made = type("Wide", (plug_in,), {"level": lambda self, by=1.0 + share: by * self.sigma})
        yield f"{100.0 * share:g} % too large", "sigma", _seen(made, runs, ("sigma",)), runs


def _seen(made: type, runs: int, checks: Sequence[str] = ("standard-error",)) -> int:
    """Return at how many seeds any of these checks fails."""
    seen = 0
    for run in range(runs):
        with seeds_from(_STEP * run):
            seen += any(result.failed for result in run_checks(made, checks=checks))
    return seen


def _scatter(made: Any) -> float:
    """Return the scatter of values on the law of `standard-error`, to 1 %."""
    law = gaussian(SIGMA)
    samples = (law.sample(seed, _N, 1) for seed in range(_STEP // 2, _STEP // 2 + _SCATTER))
    return float(np.std([made().fit(sample.noisy).entropy_ for sample in samples], ddof=1))


def main() -> None:
    """Print both tables."""
    print_table(verdicts())
    print("\n| fault | checks | found |\n| :-- | :-- | --: |")
    for size, checks, seen, runs in found():
        print(f"| {size} | `{checks}` | {seen} of {runs} |", flush=True)


if __name__ == "__main__":
    main()
