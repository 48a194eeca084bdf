"""Where entbench keeps what it can make again: results, certificates, trained networks."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def default_path() -> Path:
    """Return the file where results are kept unless told otherwise.

    ``$ENTBENCH_STORE``, or ``store.sqlite`` in the user's data directory.
    """
    if "ENTBENCH_STORE" in os.environ:
        return Path(os.environ["ENTBENCH_STORE"])
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "entbench" / "store.sqlite"


def networks_folder() -> Path:
    """Return the folder of trained networks: ``networks`` beside the store."""
    return default_path().parent / "networks"
