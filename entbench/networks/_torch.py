"""Whether PyTorch is there, asked before anything is begun. Does not import it."""

from __future__ import annotations

from importlib.util import find_spec


def require_torch() -> None:
    """Raise ImportError, with what to install, where PyTorch is not there."""
    if find_spec("torch") is None:
        raise ImportError("entbench.networks needs PyTorch: pip install 'entbench[networks]'")
