"""What this process runs with: versions of the libraries that numbers depend on, and torch.

A probe tells what is wrong as a `Finding`; ``entbench doctor`` prints them.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

Mark = Literal["ok", "warning", "wrong"]

_LIBRARIES = ("entbench", "numpy", "scipy", "scikit-learn", "numba", "torch")
_TORCH_SECONDS = 60.0


@dataclass(frozen=True)
class Finding:
    """One line of a diagnosis.

    Attributes
    ----------
    section, what : str
        Where it stands and what was looked at.
    found : str
        What was found, in one line.
    mark : {"ok", "warning", "wrong"}
        A warning is something to know of; with anything wrong, results cannot be had.
    advice : str
        What to do; "" where nothing is to be done.
    """

    section: str
    what: str
    found: str
    mark: Mark = "ok"
    advice: str = ""


Probe = Callable[[], Iterable[Finding]]


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that are there; none is imported."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def findings_of(section: str, probe: Probe) -> list[Finding]:
    """Return what a probe finds; what it raises is a finding too."""
    found: list[Finding] = []
    try:
        found.extend(probe())
    except (Exception, SystemExit) as error:
        found.append(failure(section, "probe", error))
    return found


def failure(section: str, what: str, error: BaseException) -> Finding:
    """Return an exception as a finding, with the place that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
    message = " ".join(str(error).split())
    return Finding(
        section, what, f"{type(error).__name__}: {message}", "wrong", f"it was raised at {where}"
    )


def find_versions() -> Iterator[Finding]:
    """Look at Python, entbench and what it requires; nothing is imported."""
    section = "versions"
    where = f"{platform.python_version()} ({sys.executable})"
    yield Finding(section, "Python", where)
    yield _find_entbench()
    asked = _requirements()
    for name, specifier in {**asked[""], "llvmlite": ""}.items():
        yield _find_library(name, specifier)
    missing = []
    for extra in _useful_extras(asked):
        for name, specifier in asked[extra].items():
            found = _find_library(name, specifier, extra)
            if found.found == "not installed":
                missing.append((extra, name))
            else:
                yield found
    if missing:
        extras = ",".join(dict.fromkeys(extra for extra, _ in missing))
        names = ", ".join(f"{name} ({extra})" for extra, name in missing)
        yield Finding(
            section,
            "extras",
            f"not installed: {names}",
            "warning",
            f"if you need them: pip install 'entbench[{extras}]'",
        )


def _find_entbench() -> Finding:
    section, what = "versions", "entbench"
    folder = Path(__file__).parent
    own = str(sys.modules["entbench"].__version__)  # an import would be one of all rooms
    text = f"{own}, imported from {folder}"
    try:
        installed = version("entbench")
    except PackageNotFoundError:
        advice = f"no estimator is known by name: pip install {folder.parent}"
        return Finding(section, what, f"{text}, not installed", "wrong", advice)
    if installed != own:
        advice = "install it again: pip install -e . in the checkout, or pip install entbench"
        found = f"{text}; {installed} is installed"
        return Finding(section, what, found, "warning", advice)
    return Finding(section, what, text)


def _find_library(name: str, specifier: Any, extra: str = "") -> Finding:
    section = "versions"
    command = f"pip install 'entbench[{extra}]'" if extra else f"pip install '{name}{specifier}'"
    try:
        found = version(name)
    except PackageNotFoundError:
        return Finding(section, name, "not installed", "wrong", command)
    if specifier and not specifier.contains(found, prereleases=True):
        return Finding(section, name, f"{found}; needed is {specifier}", "wrong", command)
    return Finding(section, name, found)


def _requirements() -> dict[str, dict[str, Any]]:
    """Return version specifiers by name, by extra; what every user needs is under ""."""
    from packaging.requirements import Requirement

    found: dict[str, dict[str, Any]] = {"": {}}
    names = distribution("entbench").metadata.get_all("Provides-Extra") or []
    for text in requires("entbench") or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            found[""][requirement.name] = requirement.specifier
            continue
        for extra in names:
            if marker.evaluate({"extra": extra}):
                chosen = requirement.extras if requirement.name == "entbench" else ()
                entries = dict.fromkeys(chosen) or {requirement.name: requirement.specifier}
                found.setdefault(extra, {}).update(entries)
    return found


def _useful_extras(asked: dict[str, dict[str, Any]]) -> list[str]:
    """Return the extras that `all` is made of: the others are for those who work on entbench."""
    return [extra for extra in asked if extra in asked.get("all", {})]


_TORCH = """
import json, torch
there = torch.cuda.is_available()
mps = getattr(torch.backends, "mps", None)
print(json.dumps({
    "version": torch.__version__,
    "one": float(torch.ones(1).exp().log()),
    "cuda": torch.version.cuda or "",
    "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
               if there else [],
    "mps": bool(mps and mps.is_available()),
    "threads": torch.get_num_threads(),
}))
"""


class ChildError(Exception):
    """A child that broke, was killed or took too long; the message is one line."""


class Child:
    """A Python process that is asked something: what breaks there is not the end here.

    Parameters
    ----------
    arguments : str
        Of the interpreter. It prints JSON as its last line.
    """

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def answer(self, seconds: float) -> Any:
        """Wait for the answer.

        Raises
        ------
        ChildError
            If there is none.
        """
        try:
            out, said = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise ChildError(f"no answer after {seconds:g} s") from None
        code = self._process.returncode
        if code < 0:
            raise ChildError(f"killed by signal {-code} {_last_line(said)}".rstrip())
        if code:
            raise ChildError(_last_line(said) or f"ended with exit code {code}")
        try:
            return json.loads(_last_line(out))
        except ValueError:
            raise ChildError(f"an answer that is none: {_last_line(out)!r}") from None


def find_torch(child: Child | None) -> Iterator[Finding]:
    """Tell what torch says of itself, asked by `ask_torch`."""
    section = "torch"
    if child is None:
        yield Finding(section, "torch", "not installed; networks and accelerators need it")
        return
    try:
        said = child.answer(_TORCH_SECONDS)
    except ChildError as error:
        advice = "install it again (pip install --force-reinstall torch), or pip uninstall torch"
        yield Finding(section, "torch", f"`import torch` fails: {error}", "wrong", advice)
        return
    yield from _torch_said(said)


def ask_torch() -> Child | None:
    """Start to ask torch what it has; None where it is not installed."""
    return None if find_spec("torch") is None else Child("-c", _TORCH)


def _torch_said(said: dict[str, Any]) -> Iterator[Finding]:
    section = "torch"
    yield Finding(section, "torch", f"{said['version']}, {said['threads']} threads")
    if said["devices"]:
        names = ", ".join(f"cuda:{i} {name}" for i, name in enumerate(said["devices"]))
        yield Finding(section, "accelerator", names)
    elif said["cuda"]:
        advice = "look at nvidia-smi: the driver is missing, too old, or hidden from this process"
        found = f"none, although torch is made for CUDA {said['cuda']}"
        yield Finding(section, "accelerator", found, "warning", advice)
    else:
        mps = "; Apple's has no double precision and is not used" if said["mps"] else ""
        yield Finding(section, "accelerator", f"none; the CPU's own kernels are used{mps}")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
