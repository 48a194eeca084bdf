"""What a user waits for before anything is computed."""

from __future__ import annotations

import subprocess
import sys


class Startup:
    """Seconds of whole processes."""

    number = 1
    repeat = (3, 5, 20.0)

    def setup(self) -> None:
        self.entbench("--help")

    def entbench(self, *arguments: str) -> None:
        """Run the command line."""
        command = [sys.executable, "-m", "entbench", *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def time_help(self) -> None:
        self.entbench("--help")

    def time_list(self) -> None:
        self.entbench("list")

    def time_describe(self) -> None:
        self.entbench("describe", "sp")

    def time_import(self) -> None:
        code = "from entbench import estimate_entropy"
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
