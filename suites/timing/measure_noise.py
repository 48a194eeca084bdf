"""Measure how far the same benchmark differs from run to run, and print a table: asked, measured.

    python suites/timing/measure_noise.py [repeats] [--quick]

One benchmark of each kind, 10 times each by default, by asv, on what is installed. Measured is the
largest value over the smallest, less 1; asked is that it stays below the threshold of
`asv.conf.json`, from which on asv calls a step a regression. With `--quick` a time is that of one
call; without, the median that asv takes. Results of earlier runs are left alone.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BENCHMARKS = (
    r"estimators.Fit.time_fit\('(kl|gaussian|sp)', 1000, 5\)",
    r"estimators.Memory.peakmem_fit\('(kl|sp)', 10000, 5\)",
    r"estimators.Error.track_mean_absolute_error\('(kl|sp)', 1000, 5\)",
    r"mixture.DensePairs.*\(5, 1e-05\)",
    r"runner.PerCell.track_(store|worker)",
    r"startup.Startup.time_help",
    r"main_job.*\('small'\)",
)


def settings(folder: Path) -> dict[str, Any]:
    """Return the repository's settings, with results in a folder of their own."""
    found: dict[str, Any] = json.loads((ROOT / "asv.conf.json").read_text())
    found["repo"] = str(ROOT)
    for key in ("benchmark_dir", "env_dir"):
        found[key] = str(ROOT / found[key])
    found["results_dir"] = str(folder / "results")
    return found


def measured(folder: Path, commit: str, options: list[str]) -> dict[str, float]:
    """Return the values of one run by benchmark and parameters."""
    config = folder / "asv.conf.json"
    chosen = [option for pattern in BENCHMARKS for option in ("--bench", pattern)]
    own = ["--config", str(config), "--set-commit-hash", commit, "-E", f"existing:{sys.executable}"]
    command = [sys.executable, "-m", "asv", "run", *own, *chosen, *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    (file,) = (folder / "results").glob("*/*-existing*.json")
    values = {}
    for name, (found, params, *_) in json.loads(file.read_text())["results"].items():
        for at, value in zip(itertools.product(*params), found, strict=True):
            if isinstance(value, float | int) and not math.isnan(value):
                values[f"{name}({', '.join(at)})" if at else name] = float(value)
    file.unlink()
    return values


def main() -> None:
    """Measure and print."""
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    numbers = [int(word) for word in sys.argv[1:] if not word.startswith("-")]
    revision = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    commit = subprocess.run(revision, capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        conf = settings(folder)
        (folder / "asv.conf.json").write_text(json.dumps(conf))
        runs = [measured(folder, commit, options) for _ in range((numbers or [10])[0])]
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("| benchmark | least | largest | asked | measured |\n| :-- | --: | --: | --: | --: |")
    for key in runs[0]:
        values = [run[key] for run in runs if key in run]
        low, high = min(values), max(values)
        limit = max(v for p, v in conf["regressions_thresholds"].items() if re.match(p, key))
        print(f"| `{key}` | {low:.3g} | {high:.3g} | <= {limit:.1%} | {high / low - 1:.1%} |")


if __name__ == "__main__":
    main()
