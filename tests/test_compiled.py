"""What numba keeps on disk is named by all the files that went into it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from entbench import _compiled, estimate_entropy
from entbench.mixture import _leaf
from entbench.mixture._walk import kernel_sums
from entbench.neighbours import _tree
from entbench.neighbours._walk import search_nearest

ROOMS = [(_leaf._compiler, kernel_sums), (_tree._compiler, search_nearest)]


@pytest.mark.parametrize(("compiler", "function"), ROOMS)
def test_a_change_to_any_source_changes_the_name(
    compiler: _compiled.Compiler, function: Any, tmp_path: Path
) -> None:
    """numba looks at one file only: a change to another must not leave old code in use."""
    copies = []
    for source in compiler.sources:
        copies.append(tmp_path / source.name)
        copies[-1].write_bytes(source.read_bytes())
    name, _, digest = function.py_func.__qualname__.partition("-")
    assert name == function.py_func.__name__
    digests = {digest, _compiled._digest.__wrapped__(tuple(copies))}
    assert len(digests) == 1
    for copy in copies:
        copy.write_bytes(copy.read_bytes() + b"# changed\n")
        digests.add(_compiled._digest.__wrapped__(tuple(copies)))
    assert len(digests) == 1 + len(copies)


@pytest.mark.parametrize(("compiler", "function"), ROOMS)
def test_every_source_is_named(compiler: _compiled.Compiler, function: Any) -> None:
    room = Path(function.py_func.__code__.co_filename).parent
    needed, seen = {"_walk.py"}, set()
    while needed - seen:
        (name, *_) = sorted(needed - seen)
        seen.add(name)
        found = re.findall(rf"entbench\.{room.name}\.(_\w+) import", (room / name).read_text())
        needed |= {f"{module}.py" for module in found}
    assert needed == {source.name for source in compiler.sources}


def test_where_nothing_can_be_kept_all_is_compiled_anew() -> None:
    """A process with no folder that numba can write to: one warning, and the same numbers."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import warnings\n"
            "with warnings.catch_warnings(record=True) as said:\n"
            "    warnings.simplefilter('always')\n"
            "    from entbench import estimate_entropy\n"
            "    from entbench.neighbours import _walk\n"
            "    X = [[0.0], [1.0], [3.0]]\n"
            "    result = estimate_entropy(X, 'kl', k=1, sigma=0.5, random_state=0)\n"
            "print(result.value, *(each.message for each in said), sep='\\n')",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator",
            "NUMBA_CACHE_DIR": "/proc/nowhere",
        },
    )
    value, *said = done.stdout.splitlines()
    assert len(said) == 1
    assert "no folder for compiled code can be written" in said[0]
    expected = estimate_entropy([[0.0], [1.0], [3.0]], "kl", k=1, sigma=0.5, random_state=0).value
    assert float(value) == expected
