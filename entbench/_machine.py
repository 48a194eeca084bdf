"""The machine under this process: cores, compiler, memory and disk, terminal, clock.

Probes as in `entbench._environment`; what a library must be asked for is imported on use.
"""

from __future__ import annotations

import locale
import os
import platform
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from entbench._environment import Finding, Mark

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)
_GIB = 2**30
# the main job's processes take 0.8 GiB together
_LITTLE_MEMORY = 1.0
_LITTLE_DISK = 1.0
_NO_DISK = 0.05
# file systems where SQLite's locks and shared memory cannot be relied on
_REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "lustre", "gpfs", "beegfs", "fuse.sshfs")
_CLOCK_SLACK = 86_400.0


def find_cores() -> Iterator[Finding]:
    """Look at cores, thread variables, and the threads of libraries that are loaded."""
    section = "threads"
    there, usable = os.cpu_count() or 1, usable_cores()
    text = f"{usable} of {there} may be used" if usable < there else f"{there}"
    yield Finding(section, "cores", text)
    for name in _THREAD_VARIABLES:
        if name in os.environ:
            yield _find_variable(name, os.environ[name], usable)
    yield from _find_pools(usable)


def usable_cores() -> int:
    """Return how many cores this process may use: its affinity, and its container's share."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        count = os.cpu_count() or 1
    for text in _limits("cpu.max"):
        quota, _, period = text.partition(" ")
        if quota.isdigit() and period.strip().isdigit():
            count = min(count, max(1, round(int(quota) / int(period))))
    return count


def _limits(name: str) -> Iterator[str]:
    """Yield what a control file says in this process's group and those above (Linux)."""
    root = Path("/sys/fs/cgroup")
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    folder = root / own.lstrip("/")
    for place in (folder, *folder.parents):
        if place.is_relative_to(root):
            try:
                yield (place / name).read_text(encoding="utf-8").strip()
            except OSError:
                continue


def _find_variable(name: str, value: str, usable: int) -> Finding:
    number = value.partition(",")[0].strip()
    if not (number.isascii() and number.isdecimal() and int(number) > 0):
        advice = f"unset {name}, or set it to a whole number from 1 up"
        return Finding("threads", name, repr(value), "wrong", advice)
    if int(number) > usable:
        advice = f"set {name}={usable}: more threads than cores wait for each other"
        return Finding("threads", name, value, "warning", advice)
    return Finding("threads", name, value)


def _find_pools(usable: int) -> Iterator[Finding]:
    """Look at the thread pools of BLAS and OpenMP libraries that numpy and scipy load."""
    from threadpoolctl import threadpool_info

    for module in ("numpy", "scipy.linalg"):
        import_module(module)  # for the libraries that they load
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pools = threadpool_info()
    for pool in pools:
        threads = int(pool["num_threads"])
        package = next((p for p in Path(pool["filepath"]).parts if p.endswith(".libs")), "")
        kind = str(pool.get("architecture") or pool["user_api"])
        found = f"{pool['version'] or ''} {kind}, {threads} thread{'s' * (threads != 1)}".strip()
        what = f"{pool['internal_api']} {f'({package[:-5]})' if package else ''}".strip()
        much = threads > usable
        advice = f"set OMP_NUM_THREADS={usable}" if much else ""
        yield Finding("threads", what, found, "warning" if much else "ok", advice)
    for warning in caught:
        text = " ".join(str(warning.message).split())
        advice = "import one of them only, or set OMP_NUM_THREADS=1"
        yield Finding("threads", "OpenMP", text, "warning", advice)


def find_compiler() -> Iterator[Finding]:
    """Look at numba, and at the processor that its code is made for."""
    section = "compiler"
    from numba import config

    settings: Any = config
    if settings.DISABLE_JIT:
        advice = "unset NUMBA_DISABLE_JIT: compiled loops have no other form"
        yield Finding(section, "NUMBA_DISABLE_JIT", "set", "wrong", advice)
    threads = int(settings.NUMBA_NUM_THREADS)
    many = threads > usable_cores()
    yield Finding(
        section,
        "numba threads",
        f"{threads}; entbench runs them itself, numba's own layers are not used "
        f"(there: {', '.join(_threading_layers()) or 'none'})",
        "warning" if many else "ok",
        f"set NUMBA_NUM_THREADS={usable_cores()}" if many else "",
    )
    svml = "in use" if settings.USING_SVML else "not there"
    yield Finding(section, "SVML", f"{svml}; the kernels have their own exponential")
    name, bits = _processor(settings)
    few = platform.machine().lower() in ("x86_64", "amd64") and bits < 256
    yield Finding(
        section,
        "processor",
        f"{name}, vectors of {bits} bits",
        "warning" if few else "ok",
        "kernels run at a half or a quarter of the speed of AVX2; look for NUMBA_CPU_NAME, "
        "NUMBA_CPU_FEATURES or an emulator"
        if few
        else "",
    )


def _threading_layers() -> list[str]:
    layers = {"tbb": "tbbpool", "omp": "omppool", "workqueue": "workqueue"}
    found = []
    for name, module in layers.items():
        try:
            import_module(f"numba.np.ufunc.{module}")
        except ImportError:
            continue
        found.append(name)
    return found


_VECTOR_IR = """
define void @f(ptr %p) {
  %a = load <16 x float>, ptr %p, align 64
  %b = fmul <16 x float> %a, %a
  store <16 x float> %b, ptr %p, align 64
  ret void
}
"""


def _processor(settings: Any) -> tuple[str, int]:
    """Return the processor that numba compiles for, and how wide its vectors come out."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name = settings.CPU_NAME or llvm.get_host_cpu_name()
    features = settings.CPU_FEATURES
    if features is None:
        features = llvm.get_host_cpu_features().flatten() if not settings.CPU_NAME else ""
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=name, features=features, opt=3)
    text = machine.emit_assembly(llvm.parse_assembly(_VECTOR_IR))
    return name, 512 if "zmm" in text else 256 if "ymm" in text else 128


def find_cache(folder: Path) -> Iterator[Finding]:
    """Look at the folder where numba keeps compiled code.

    Parameters
    ----------
    folder : Path
        What numba says of a kernel.
    """
    section, what = "compiler", "numba cache"
    asked = os.environ.get("NUMBA_CACHE_DIR")
    if asked and not folder.is_relative_to(Path(asked)):
        advice = "make that folder writable, or unset NUMBA_CACHE_DIR"
        found = f"{folder}; NUMBA_CACHE_DIR={asked} cannot be written"
        yield Finding(section, what, found, "warning", advice)
    elif not is_writable(folder):
        advice = "set NUMBA_CACHE_DIR to a folder that can be written, or wait for it every time"
        yield Finding(section, what, f"{folder} cannot be written", "warning", advice)
    else:
        kept = len(list(folder.glob("*.nbc")))
        text = f"{kept} compiled" if kept else "empty: the first run compiles for some 20 s"
        yield Finding(section, what, f"{folder}, {text}")


def is_writable(folder: Path) -> bool:
    """Tell whether a file can be made in a folder, or in the one where it would be made.

    By making one without a name: what the permissions say is not true of every user and disk.
    """
    try:
        with tempfile.TemporaryFile(dir=nearest(folder)):
            return True
    except OSError:
        return False


def nearest(path: Path) -> Path:
    """Return the path, or the nearest folder above it that is there."""
    there = path.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    return there


def find_room(store: Path) -> Iterator[Finding]:
    """Look at memory, and at the disk under the store."""
    yield from _find_memory()
    yield from _find_disk(store)


def _find_memory() -> Iterator[Finding]:
    free, total = free_memory()
    text = f"{free / _GIB:.1f} GiB free of {total / _GIB:.1f}"
    little = free < _LITTLE_MEMORY * _GIB
    advice = "run with fewer --jobs; the main job with 2 takes 0.8 GiB" if little else ""
    yield Finding("room", "memory", text, "warning" if little else "ok", advice)


def free_memory() -> tuple[int, int]:
    """Return free and all memory in bytes, within the container's limit."""
    import psutil

    machine = psutil.virtual_memory()
    free, total = int(machine.available), int(machine.total)
    for limit, used in zip(_limits("memory.max"), _limits("memory.current"), strict=False):
        if limit.isdigit() and used.isdigit() and int(limit) < total:
            total, free = int(limit), min(free, max(0, int(limit) - int(used)))
    return free, total


def _find_disk(store: Path) -> Iterator[Finding]:
    section, folder = "room", nearest(store.parent)
    free = shutil.disk_usage(folder).free / _GIB
    mark: Mark = "wrong" if free < _NO_DISK else "warning" if free < _LITTLE_DISK else "ok"
    advice = "" if mark == "ok" else "free some, or keep the store elsewhere with --store"
    yield Finding(section, "disk of the store", f"{free:.1f} GiB free, {folder}", mark, advice)
    kind = file_system(folder)
    if kind.startswith(_REMOTE):
        yield Finding(
            section,
            "file system of the store",
            kind,
            "warning",
            "do not write one store from several machines: SQLite's locks do not reach that far",
        )
    target = store if store.exists() else folder
    if not (os.access(target, os.W_OK) and is_writable(folder)):
        advice = "choose another with --store or ENTBENCH_STORE"
        yield Finding(section, "store", f"{target} cannot be written", "wrong", advice)


def file_system(path: Path) -> str:
    """Return the type of the file system that a path is on; "" where not known."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    mounts = {fields[1]: fields[2] for fields in map(str.split, lines) if len(fields) > 2}
    holding = [place for place in mounts if path.resolve().is_relative_to(place)]
    return mounts[max(holding, key=len)] if holding else ""


def find_terminal() -> Iterator[Finding]:
    """Look at what the terminal can show, and at the locale."""
    section = "terminal"
    encoding = sys.stdout.encoding or "unknown"
    if can_show("✓≥─"):
        yield Finding(section, "encoding", encoding)
    else:
        advice = "set PYTHONUTF8=1, or a locale such as LC_ALL=C.UTF-8"
        yield Finding(section, "encoding", f"{encoding}: some signs show as ?", "warning", advice)
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        narrow = width < 100
        advice = "tables fold below 100 columns; --format csv or json do not" if narrow else ""
        found = f"{width} columns, TERM={os.environ.get('TERM', '')}"
        yield Finding(section, "width", found, "warning" if narrow else "ok", advice)
    names = ".".join(filter(None, locale.getlocale())) or "C"
    yield Finding(section, "locale", f"{names}, file names in {sys.getfilesystemencoding()}")


def can_show(text: str) -> bool:
    """Tell whether standard output has these signs."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def find_clock(latest: Sequence[tuple[str, float]]) -> Iterator[Finding]:
    """Compare the clock with what must lie in the past.

    Parameters
    ----------
    latest : sequence of (str, float)
        What it is, and when it was in seconds since 1970.
    """
    now = time.time()
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    ahead = [(what, when) for what, when in latest if when > now + _CLOCK_SLACK]
    if not ahead:
        yield Finding("clock", "clock", text)
    for what, when in ahead:
        date = time.strftime("%Y-%m-%d", time.gmtime(when))
        found = f"{text}, but {what} is of {date}"
        advice = "set the clock; `latest` and the dates of runs go by it"
        yield Finding("clock", "clock", found, "warning", advice)
