"""Where entbench keeps what it can make again: results, certificates, trained networks."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def default_path() -> Path:
    """Return the file where results are kept unless told otherwise.

    ``$ENTBENCH_STORE``, or ``store.sqlite`` in the user's data directory.
    """
    if os.environ.get("ENTBENCH_STORE"):
        return Path(os.environ["ENTBENCH_STORE"])
    try:
        return _data_folder() / "entbench" / "store.sqlite"
    except RuntimeError as error:
        raise ValueError(
            "there is no home directory to keep results in: name a file with --store, or in "
            "$ENTBENCH_STORE."
        ) from error


def _data_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def networks_folder() -> Path:
    """Return the folder of trained networks: ``networks`` beside the store."""
    return default_path().parent / "networks"
