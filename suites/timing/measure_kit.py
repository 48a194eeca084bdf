"""Measure how long `entbench check` takes on every registered estimator, and print a table.

    python suites/timing/measure_kit.py

One run each in one process, after imports and one fit that compiles; asked is at most 30 s.
"""

from __future__ import annotations

import time
import warnings

import numpy as np

from entbench import _registry
from entbench.testing import run_checks

ASKED = 30.0


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    pairs = rng.standard_normal((100, 1)), rng.standard_normal((100, 1))
    print(
        "| estimator | asked | seconds | CPU seconds | checks that hold | known failures | fail |"
    )
    print("| :-- | --: | --: | --: | --: | --: | :-- |")
    for name in _registry.estimators.names():
        estimator = _registry.make_estimator(name, {}, sigma=0.5, random_state=0)
        given = pairs if estimator.value_name == "mutual_information_" else pairs[:1]
        estimator.fit(*given)
        start, cpu = time.perf_counter(), time.process_time()
        results = run_checks(type(estimator))
        seconds, used = time.perf_counter() - start, time.process_time() - cpu
        statuses = [result.status for result in results]
        failed = ", ".join(result.name for result in results if result.failed) or "none"
        print(
            f"| `{name}` | <= {ASKED:g} | {seconds:.1f} | {used:.1f} | {statuses.count('passed')} "
            f"| {statuses.count('known failure')} | {failed} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
