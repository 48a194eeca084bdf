"""The main job as a user meets it: `entbench suite d=5 sigma=0.1`, whole processes.

What is compiled is compiled before. The small size is a few cells, so that what every run pays
shows; the full size is the default.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import ClassVar

PAUSE = 0.1

SIZES = {"small": ["n=100,1000", "--trials", "3"], "full": []}
SUITE = [sys.executable, "-m", "entbench", "suite", "d=5", "sigma=0.1", "--quiet", "--jobs", "2"]


class MainJob:
    """Seconds and peak memory with an empty store, and seconds with a full one."""

    params: ClassVar[list[str]] = list(SIZES)
    param_names: ClassVar[list[str]] = ["size"]
    number = 1
    repeat = (1, 3, 30.0)
    warmup_time = 0.0
    timeout = 600

    def setup_cache(self) -> str:
        """Fill a store of each size, in the folder that asv keeps for this class."""
        for size in SIZES:
            run(size, Path(f"{size}.sqlite"))
        return str(Path.cwd())

    def setup(self, full: str, size: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.runs = 0

    def teardown(self, full: str, size: str) -> None:
        self.folder.cleanup()

    def new_store(self) -> Path:
        """Return the path of a store that no run has had."""
        self.runs += 1
        return Path(self.folder.name, f"{self.runs}.sqlite")

    def time_first_run(self, full: str, size: str) -> None:
        run(size, self.new_store())

    def time_everything_stored(self, full: str, size: str) -> None:
        run(size, Path(full, f"{size}.sqlite"))

    def track_peak_memory(self, full: str, size: str) -> float:
        return peak_memory([*SUITE, *SIZES[size]], environment(self.new_store()))

    track_peak_memory.unit = "MiB"  # type: ignore[attr-defined]


def run(size: str, store: Path) -> None:
    """Run the job of a size with a store."""
    command = [*SUITE, *SIZES[size]]
    subprocess.run(command, env=environment(store), check=True, stdout=subprocess.DEVNULL)


def peak_memory(command: list[str], variables: dict[str, str]) -> float:
    """Return the peak memory of a command's processes together in MiB, as sampled.

    Pages that processes share are counted once (Linux).
    """
    import psutil  # asv imports this file at commits that do not have it, too

    def memory(process: psutil.Process) -> int:
        try:
            found = process.memory_full_info()
        except psutil.Error:
            return 0  # it is gone
        return int(getattr(found, "pss", found.uss))

    peak = 0.0
    with psutil.Popen(command, env=variables, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(memory, [process, *process.children(recursive=True)])))
            time.sleep(PAUSE)
    return peak / 2**20


def environment(store: Path) -> dict[str, str]:
    """Return the environment of a run with a store."""
    return {**os.environ, "ENTBENCH_STORE": str(store.resolve())}
