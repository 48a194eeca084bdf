"""What a user waits for before anything is computed."""

from __future__ import annotations

import subprocess
import sys


class Startup:
    """Seconds of whole processes."""

    number = 1
    repeat = 5

    def time_help(self) -> None:
        subprocess.run(
            [sys.executable, "-m", "entbench", "--help"], check=True, capture_output=True
        )

    def time_list(self) -> None:
        subprocess.run([sys.executable, "-m", "entbench", "list"], check=True, capture_output=True)
