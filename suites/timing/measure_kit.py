"""Measure how long `entbench check` takes on every registered estimator, and print a table.

    python suites/timing/measure_kit.py

One run each in one process, after imports and one fit that compiles; asked is at most 20 s.
"""

from __future__ import annotations

import time
import warnings

import numpy as np

from entbench import _registry
from entbench.testing import run_checks

ASKED = 20.0


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    pairs = rng.standard_normal((100, 1)), rng.standard_normal((100, 1))
    print("| estimator | asked | seconds | checks that hold | fail |")
    print("| :-- | --: | --: | --: | --: |")
    for name in _registry.estimators.names():
        estimator = _registry.make_estimator(name, {}, sigma=0.5, random_state=0)
        given = pairs if estimator.value_name == "mutual_information_" else pairs[:1]
        estimator.fit(*given)
        start = time.perf_counter()
        results = run_checks(type(estimator))
        seconds = time.perf_counter() - start
        statuses = [result.status for result in results]
        counts = statuses.count("passed"), statuses.count("failed")
        print(f"| `{name}` | <= {ASKED:g} | {seconds:.1f} | {counts[0]} | {counts[1]} |")


if __name__ == "__main__":
    main()
