"""Measure how much of the plug-in's error its corrections remove, and print a table.

    python suites/timing/measure_corrections.py

Truncated mixture, n = 1000, sigma = 0.1, 40 trials with seed 0, in a store of its own.
"""

from __future__ import annotations

import tempfile
import warnings

from entbench import run_suite
from entbench.report import suite_data, summarise

ASKED = {5: 4, 10: 3}
NAMES = ["sp", "sp-miller-madow", "sp-jackknife"]


def main() -> None:
    """Measure and print."""
    params = {"d": list(ASKED), "sigma": 0.1, "n": 1000}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = run_suite(params=params, estimators=NAMES, trials=40, store=f"{folder}/store")
    mae = {
        (row["source"]["d"], row["estimator"]): (row["mae"], row["seconds"])
        for row in suite_data(summarise(run))["rows"]
    }
    print("| d | estimator | MAE | seconds | MAE of sp / MAE | asked of sp-jackknife |")
    print("| --: | :-- | --: | --: | --: | --: |")
    for (d, name), (error, seconds) in mae.items():
        ratio = mae[d, "sp"][0] / error
        print(f"| {d} | {name} | {error:.4f} | {seconds:.2f} | {ratio:.1f} | >= {ASKED[d]} |")


if __name__ == "__main__":
    main()
