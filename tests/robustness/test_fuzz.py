"""Inputs that nobody would write: an answer or one line, soon and in little memory.

Every input is made by its kind and a number, so that `outcome_of(folder, kind, number)` repeats it.
What was found stands at the end, each as a test of its own.
"""

from __future__ import annotations

import datetime
import io
import json
import math
import os
import random
import resource
import shutil
import signal
import sqlite3
import tomllib
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from entbench import _registry
from entbench.cli import main
from entbench.runner import _schema as schema

SECONDS, BYTES = 10, 2**30
Rng = random.Random

# evaluated by sampling, which takes as long as the error asked for does, or needing data sets
LONG_SUITES = {"noisy-network", "information-plane-mnist"}
LONG_SOURCES = {"random-network", "empirical", "network-layer", "random-codebook", "reed-muller"}
# what looks at the machine, and the kit, which fits for a minute
LONG_VERBS = {"doctor"}

TEXTS = (
    *("", " ", "x", "nan", "inf", "-inf", "1e400", "1e-400", "0", "-1", "1e2:1e5:log7", "0:1:lin5"),
    *(
        "1:2:log99999",
        "a:b:c",
        "1,2,,3",
        "kl",
        "sp[",
        "kl[k=3]",
        "kl[k=]",
        "kl[=]",
        "[]",
        "=",
        "a=b",
    ),
    *(
        "\x1b[31m",
        "two\nlines",
        "\0",
        "é" * 50,
        "x" * 5000,
        "../..",
        "/dev/null",
        "--help",
        "-",
        "--",
    ),
    *(
        "true",
        "none",
        "latest",
        "v0.1.0",
        "1" * 400,
        "0x10",
        "1_000",
        "\uff11\uff12",
        "\u202e",
        "$(x)",
        "%s",
    ),
)
NUMBERS = (
    *(
        0,
        1,
        -1,
        2,
        3,
        7,
        100,
        10**6,
        10**9,
        10**20,
        10**400,
        2**31,
        2**63,
        2**64,
        -(2**63),
        0.0,
        -0.0,
    ),
    *(0.5, 1e-3, 1e-10, 1e-300, 5e-324, 1e10, 1e100, 1.7e308, math.inf, -math.inf, math.nan, 1 / 3),
)


def scalar(rng: Rng) -> Any:
    pool = rng.choice((TEXTS, NUMBERS, NUMBERS, (True, False)))
    return rng.choice(pool)


def value(rng: Rng, depth: int = 0) -> Any:
    """Return anything that TOML can say."""
    kind = rng.random()
    if kind < 0.7 or depth > 3:
        return scalar(rng)
    if kind < 0.85:
        return [value(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 5)))]
    if kind < 0.95:
        return {rng.choice(("name", "d", "sigma", "x")): value(rng, depth + 1) for _ in range(2)}
    return datetime.datetime(2026, 1, 1)


# --- suites ------------------------------------------------------------------------------------


def toml(table: Any) -> str:
    """Return a value as TOML."""
    if isinstance(table, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in table.items()) + "}"
    if isinstance(table, list):
        return "[" + ", ".join(map(toml, table)) + "]"
    if isinstance(table, str):
        return json.dumps(table).replace("\x7f", "\\u007f")
    if isinstance(table, float):
        return repr(table)
    return table.isoformat() if hasattr(table, "isoformat") else json.dumps(table)


def document(table: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {toml(inner)}\n" for key, inner in table.items())


def base_suite(rng: Rng) -> dict[str, Any]:
    """Return a registered suite, small."""
    names = [name for name in _registry.suites.names() if name not in LONG_SUITES]
    name = rng.choice(names)
    package = _registry.suites.load(name).__name__
    found = tomllib.loads((resources.files(package) / f"{name}.toml").read_text())
    return {key: shortened(inner) for key, inner in found.items()}


def shortened(inner: Any) -> Any:
    if isinstance(inner, list):
        return [shortened(each) for each in inner[:2]]
    if isinstance(inner, dict):
        return {key: shortened(each) for key, each in inner.items()}
    return inner


def places(table: Any) -> list[tuple[Any, Any]]:
    """Return every container in a table with each of its keys or indices."""
    found: list[tuple[Any, Any]] = []
    if isinstance(table, dict | list):
        keys = list(table) if isinstance(table, dict) else range(len(table))
        for key in keys:
            found.append((table, key))
            found += places(table[key])
    return found


def mutate(rng: Rng, table: dict[str, Any]) -> None:
    """Change a table at one place."""
    where, key = rng.choice(places(table) or [(table, "x")])
    match rng.randrange(6):
        case 0 | 1:
            where[key] = value(rng)
        case 2 if key in where or isinstance(where, list):
            del where[key]
        case 3 if isinstance(where, dict):
            where[rng.choice(TEXTS)] = where.pop(key, 1)
        case 4:
            where[key] = [where[key]] * rng.choice((1, 2, 50)) if isinstance(where, list) else {}
        case _ if isinstance(where, dict):
            where[rng.choice(("n", "error", "max_n", "seed", "trials", "tables", "d"))] = value(rng)


def mutate_bytes(rng: Rng, data: bytes) -> bytes:
    """Flip, drop, double or insert bytes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(changed) + 1) if changed else 0
        match rng.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at : at + rng.choice((1, 4, 100))]
            case 2:
                changed[at:at] = changed[at : at + rng.choice((1, 10, 100))]
            case 3:
                changed[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 4))))
            case _ if at < len(changed):
                changed[at] = rng.choice((0, 0xFF, 0x7F, 0x80, ord("["), ord('"'), ord("=")))
    return bytes(changed)


def fuzz_suite(rng: Rng, folder: Path) -> list[str]:
    table = base_suite(rng)
    for _ in range(rng.choice((1, 1, 2, 4))):
        mutate(rng, table)
    text = document(table)
    if rng.random() < 0.02:
        text = f"x = {'[' * 20_000}{']' * 20_000}" + text
    data = text.encode(rng.choice(("utf-8", "utf-8", "utf-8", "utf-16", "utf-8-sig")), "replace")
    if rng.random() < 0.2:
        data = mutate_bytes(rng, data)
    (folder / "fuzz.toml").write_bytes(data)
    return ["suite", "./fuzz.toml", "--dry-run"]


PLUGIN = """
from entbench import EntropyEstimator, register_estimator

@register_estimator("mine")
class Mine(EntropyEstimator):
    reads, version = "noisy", "1"

    def __init__(self, x=1):
        self.x = x

    def fit(self, X, y=None):
        self.entropy_ = float(len(X)) / self.x
        return self
"""

# --- the command line ----------------------------------------------------------------------------


LIKELY = ("d=2", "sigma=0.5", "n=100", "n=20,30", "n=1e1:1e3:log3", "error=0.1", "d=1,2", "tau=0.1")


def token(rng: Rng) -> str:
    if rng.random() < 0.6:
        return rng.choice(LIKELY)
    keys = ("n", "d", "sigma", "error", "tau", "k", "preset", "q", "x", "")
    return f"{rng.choice(keys)}={text_value(rng)}"


def text_value(rng: Rng) -> str:
    match rng.randrange(4):
        case 0:
            return rng.choice(TEXTS)
        case 1:
            return ",".join(str(rng.choice(NUMBERS))[:400] for _ in range(rng.choice((1, 2, 3))))
        case 2:
            ends = rng.choice(("1", "1e2", "0", "-1", "x", "")), rng.choice(("10", "1e3", "nan"))
            return (
                f"{ends[0]}:{ends[1]}:{rng.choice(('log', 'lin', 'x'))}{rng.choice((0, 1, 2, 9))}"
            )
        case _:
            return str(rng.choice(NUMBERS))[:400]


def estimator(rng: Rng) -> str:
    name = rng.choice((*_registry.estimators.names(), "nosuch", "", "KL"))
    if rng.random() < 0.5:
        return rng.choice(("gaussian", "kl", "sp", "kl[k=3]", "binning[n_bins=5]"))
    keys = ("k", "n_bins", "tolerance", "sigma", "bandwidth", "bin_width", "norm", "base", "x", "")
    inside = ",".join(f"{rng.choice(keys)}={text_value(rng)}" for _ in range(rng.randrange(3)))
    return f"{name}[{inside}]" if rng.random() < 0.7 else name + rng.choice(("", "[", "]", "[]"))


def argument(rng: Rng, verb: str, name: str) -> str:
    """Return something for an argument or an option of a verb, by its name."""
    stores = ("s.sqlite", "new.sqlite", "data.npy", ".", "no/where.sqlite", "/dev/null", "broken")
    pools: dict[str, Callable[[], str]] = {
        "store": lambda: rng.choice(stores),
        "stores": lambda: rng.choice(stores),
        "into": lambda: rng.choice(("s.sqlite", "new.sqlite", ".", "broken")),
        **dict.fromkeys(("run", "chosen", "a", "b"), lambda: some_run(rng)),
        "out": lambda: rng.choice(("out", "out/in", "s.sqlite", "/dev/null", "")),
        "output": lambda: rng.choice(("o.csv", "o.json", "o.parquet", "o", ".", "/dev/null/x", "")),
        "folder": lambda: rng.choice(("new", "", "s.sqlite")),
        "estimators": lambda: estimator(rng),
        "file": lambda: rng.choice(("data.npy", "s.sqlite", ".", "none.npy", "broken")),
        "pilot": lambda: rng.choice(("data.npy", "s.sqlite", ".", "none.npy")),
        "plugins": lambda: rng.choice((*["plugin.py"] * 8, "none.py", "no.module", "")),
        "mnist_dir": lambda: ".",
        "szt_file": lambda: "data.npy",
        "groups": lambda: rng.choice(("0", "2", "-1", "x", "3")),
    }
    if name in pools and rng.random() < 0.95:
        return pools[name]()
    if name in ("tokens", "name", "source", "kind", "target", "suite"):
        return name_or_token(rng, verb)
    return rng.choice((text_value, lambda rng: rng.choice(TEXTS)))(rng)


def some_run(rng: Rng) -> str:
    likely = ("latest", "latest", "s.sqlite", "s.sqlite:latest", "truncated-mixture", "v0.1.0")
    return rng.choice(likely if rng.random() < 0.8 else (":", "a:b", "s.sqlite:", *TEXTS))


def name_or_token(rng: Rng, verb: str) -> str:
    sources = [name for name in _registry.sources.names() if name not in LONG_SOURCES]
    suites = [name for name in _registry.suites.names() if name not in LONG_SUITES]
    if verb == "reference":
        return rng.choice((rng.choice(sources), token(rng), token(rng), rng.choice(TEXTS)))
    if verb == "suite":
        return rng.choice((rng.choice(suites), token(rng), token(rng), rng.choice(TEXTS)))
    if verb == "check":
        return rng.choice(("nosuch", "none.py:X", "data.npy:X", *TEXTS))
    if verb in ("bounds", "plan", "estimate") and rng.random() < 0.9:
        return token(rng)
    names = (*sources, *suites, *_registry.estimators.names(), "estimators", "sources", "suites")
    return rng.choice((rng.choice(names), token(rng), rng.choice(TEXTS)))


SKIPPED = {"--dask", "--help", "--version", "-h", "--mnist-dir", "--verify"}


def fuzz_command(rng: Rng, folder: Path) -> list[str]:
    prepare(folder)
    verb = rng.choice([name for name in main.commands if name not in LONG_VERBS])
    words = [verb]
    for parameter in main.commands[verb].params:
        many = parameter.nargs == -1 or getattr(parameter, "multiple", False)
        optional = isinstance(parameter, click.Option)
        for _ in range(rng.choice((0, 1, 2, 3) if many else (0, 0, 0, 1) if optional else (1,))):
            words += given(rng, verb, parameter)
    if rng.random() < 0.1:
        words.insert(rng.randrange(1, len(words) + 1), rng.choice(("--nosuch", "-z", *TEXTS)))
    # what would run, and not only be planned
    return words + {"suite": ["--dry-run"], "plan": ["--no-time"]}.get(verb, [])


def given(rng: Rng, verb: str, parameter: click.Parameter) -> list[str]:
    name = str(parameter.name)
    if isinstance(parameter, click.Option):
        option = rng.choice(parameter.opts)
        if option in SKIPPED or (parameter.is_flag and rng.random() < 0.5):
            return []
        return [option] if parameter.is_flag else [option, choice(rng, verb, parameter)]
    required = (parameter.required or rng.random() < 0.8) and rng.random() < 0.97
    return [choice(rng, verb, parameter) for _ in range(max(1, parameter.nargs)) if required] or [
        argument(rng, verb, name)
    ]


def choice(rng: Rng, verb: str, parameter: click.Parameter) -> str:
    if isinstance(parameter.type, click.Choice) and rng.random() < 0.95:
        return str(rng.choice(list(parameter.type.choices)))
    if isinstance(parameter.type, click.types.IntParamType) and rng.random() < 0.9:
        return str(rng.choice((0, 1, 2, 3, -1, 10**20)))
    if isinstance(parameter.type, click.types.FloatParamType) and rng.random() < 0.9:
        return str(rng.choice((0.1, 1e-3, 1, 0, -1, "nan", "inf", 1e300, 5e-324)))
    return argument(rng, verb, str(parameter.name))


def prepare(folder: Path) -> None:
    """Put into a folder what arguments name, as it was at first."""
    base, own = folder / "base.sqlite", Path(os.environ["ENTBENCH_STORE"])
    if not base.exists():
        run = ("suite", "d=1", "n=20,30", "-e", "gaussian", "--trials", "3", "-j", "1", "-q")
        result = CliRunner().invoke(main, [*run, "--store", str(base)])
        assert result.exit_code == 0, result.output
    for path in folder.iterdir():
        if not path.name.startswith("base."):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    np.save(folder / "data.npy", np.random.default_rng(0).standard_normal((40, 2)))
    (folder / "broken").write_bytes(b"SQLite format 3\0" + bytes(5000))
    (folder / "plugin.py").write_text(PLUGIN)
    for path in (folder / "s.sqlite", own):
        path.write_bytes(base.read_bytes())


# --- data files ----------------------------------------------------------------------------------


def array(rng: Rng) -> np.ndarray:
    kinds = ("f8", "f4", "f2", "i8", "u1", "?", "c16", "U3", "S3", "M8[s]", ">f8", "i4,f8", "f16")
    shape = rng.choice(((30, 2), (30, 1), (30,), (), (0, 2), (2, 0), (3, 3, 3), (1, 1), (5, 40)))
    shape = (30, 2) if rng.random() < 0.6 else shape
    made = np.random.default_rng(rng.randrange(99)).standard_normal(shape)
    with np.errstate(all="ignore"):
        kind = rng.choice(kinds) if rng.random() < 0.4 else "f8"
        if kind == "i4,f8":
            return np.zeros(shape, kind)
        made = (
            np.asarray(made * 100).astype("i8").astype(kind)
            if kind[0] == "M"
            else made.astype(kind)
        )
    if made.size and made.dtype.kind == "f" and rng.random() < 0.3:
        made.flat[0] = rng.choice((math.nan, math.inf, 1e300, 1e-320))
    return made if rng.random() < 0.8 else np.asfortranarray(made)


def npy(rng: Rng) -> bytes:
    raw = io.BytesIO()
    np.save(raw, array(rng), allow_pickle=False)
    data = raw.getvalue()
    if rng.random() < 0.4:  # another header, that promises what it likes
        return with_header(rng, data)
    return mutate_bytes(rng, data) if rng.random() < 0.5 else data


def with_header(rng: Rng, data: bytes) -> bytes:
    sizes = ("0", "1", "-1", "1000000000000", "9" * 30, "3.5", "'a'", "(1,)", "None", "True", "40")
    shape = ", ".join(rng.choice(sizes) for _ in range(rng.choice((1, 2, 2, 2, 3))))
    if rng.random() < 0.3:
        shape = rng.choice(("30, 2", "15, 4", "60, 1", "1000000000000, 2", "2, 1000000000000"))
    kind = rng.choice(
        ("'<f8'", "'<f8'", "'|O'", "'<f4'", "'|V1000000000'", "'<U1000000000'", "[]", "None")
    )
    likely = rng.random() < 0.8
    keys = ("'descr'", "'shape'") if likely else (rng.choice(("'descr'", "'x'")), "'descr'")
    order = rng.choice(("True", "False", "2", "'C'"))
    text = f"{{{keys[0]}: {kind}, 'fortran_order': {order}, {keys[1]}: ({shape},), }}"
    if rng.random() < 0.05:
        text = "(" * 5000 + ")" * 5000
    version = rng.choice((1, 1, 2, 3, 4, 255))
    head = text.encode() + b"\n"
    length = len(head).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes((version, 0)) + length + head + data[128:]


def npz(rng: Rng) -> bytes:
    raw = io.BytesIO()
    kind = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(raw, "w", kind) as archive:
        for name in rng.choice((["x.npy"], ["x.npy"], ["a.npy", "b.npy"], [], ["../x.npy"], ["x"])):
            archive.writestr(name, npy(rng))
    data = raw.getvalue()
    return mutate_bytes(rng, data) if rng.random() < 0.7 else data


def csv_text(rng: Rng) -> bytes:
    cells = ("1", "2.5", "-3e4", "nan", "inf", "", " ", "x", '"', '"1"', "1,5", "0x1", "1e400", "é")
    cells += (
        "1" * 400,
        "\0",
        "#",
        "true",
        "2026-01-01",
        "1;2",
        "'",
        "\t",
        "1e-320",
        "1_0",
        "x" * 9000,
    )
    join = rng.choice((",", ",", ",", ";", "\t", " ", "|"))
    ends = rng.choice(("\n", "\n", "\r\n", "\r", "\n\n"))
    width, plain = rng.choice((1, 2, 3, 40)), rng.random() < 0.6
    rows = []
    for _ in range(rng.choice((0, 1, 2, 30, 30, 30))):
        columns = width if plain or rng.random() < 0.97 else rng.choice((0, 1, 5))
        good = [f"{rng.gauss(0, 1):.6g}" for _ in range(columns)]
        rows.append(join.join(good if plain else [rng.choice((*cells, *good)) for _ in good]))
    head = rng.choice(("", "", "x,y\n", '"a","b"\n', "# note\n", "1,2,3\n", "\n\n", "\ufeff"))
    kind = rng.choice(("utf-16", "latin-1", "utf-8-sig", "utf-7", *["utf-8"] * 8))
    data = (head + ends.join(rows)).encode(kind, "replace")
    return mutate_bytes(rng, data) if rng.random() < 0.3 else data


def parquet(rng: Rng) -> bytes:
    import pandas as pd

    columns = ([1.0, 2.0, 3.0], [1, 2, 3], ["a", "b", "c"], [None, 1.0, 2.0], [True, False, True])
    columns += ([math.nan, 1.0, 2.0], [[1], [2], [3]], [b"a", b"b", b"c"], [10**18, 1, 2])
    columns += ([1.5, 2.0, 3.0],) * 8
    names = rng.sample(("a", "b", "é", "", "0"), rng.choice((0, 1, 2, 3)))
    frame = pd.DataFrame({name: rng.choice(columns) for name in names})
    raw = io.BytesIO()
    frame.to_parquet(raw, compression=rng.choice(("snappy", "gzip", None)))
    data = raw.getvalue()
    return mutate_bytes(rng, data) if rng.random() < 0.7 else data


MAKERS = {".npy": npy, ".npz": npz, ".csv": csv_text, ".parquet": parquet}


def fuzz_data(rng: Rng, folder: Path) -> list[str]:
    ending = rng.choice((".npy", ".npy", ".npz", ".npz", ".csv", ".csv", ".csv", ".parquet"))
    path = folder / f"fuzz{ending}"
    path.unlink(missing_ok=True)
    maker = MAKERS[ending if rng.random() < 0.97 else rng.choice(list(MAKERS))]
    path.write_bytes(maker(rng))
    words = ["estimate", path.name, "-e", rng.choice(("gaussian", "kl")), "--groups", "0"]
    words += ["sigma=0.5"] if rng.random() < 0.5 else []
    asked = rng.random() < (0.3 if ending == ".npz" else 0.02)
    return words + (["--key", rng.choice(("x", "a", "", "../x"))] if asked else [])


# --- stores --------------------------------------------------------------------------------------


def fuzz_store(rng: Rng, folder: Path) -> list[str]:
    """Change what a run says of itself, with the checksum that belongs to it."""
    prepare(folder)
    path = folder / "fuzz.sqlite"
    path.write_bytes((folder / "base.sqlite").read_bytes())
    connection = sqlite3.connect(path)
    columns = ", ".join(schema.RUN_COLUMNS)
    (said,) = connection.execute(f"SELECT {columns} FROM runs").fetchall()
    row = dict(zip(schema.RUN_COLUMNS, said, strict=True))
    name = rng.choice(("plan", "plan", "plan", "info", "started"))
    if name != "started":
        table = json.loads(row[name])
        for _ in range(rng.choice((1, 2))):
            mutate(rng, table)
        text = json.dumps(table, default=str)
        if rng.random() < 0.1:
            text = mutate_bytes(rng, text.encode()).decode(errors="replace")
        row[name] = text
    else:
        row[name] = str(rng.choice((*TEXTS, *NUMBERS)))
    values = list(row.values())
    named = ", ".join(f"{column} = ?" for column in row)
    try:
        connection.execute(f"UPDATE runs SET {named}, seal = ?", (*values, schema.seal(*values)))
        connection.commit()
    except (sqlite3.Error, UnicodeEncodeError):
        pass  # what SQLite itself refuses: nothing was changed
    connection.close()
    verbs = (["show"], ["show", "--format", "json"], ["export"], ["runs"], ["clean"])
    verbs += (["report", "-o", "r.html"], ["leaderboard"], ["compare", "s.sqlite", "fuzz.sqlite"])
    verb = rng.choice([each for each in verbs if each[0] in main.commands])
    if verb[0] == "clean":
        verb = ["clean", "--unplanned", "--superseded"]
    return verb if verb[0] == "compare" else [*verb, "--store", "fuzz.sqlite"]


def fuzz_run(rng: Rng, folder: Path) -> list[str]:
    """Compute something small, in this process."""
    prepare(folder)
    words = ["suite", "n=20", "--trials", "2", "-j", "1", rng.choice(("d=1", "d=2", "d=30"))]
    words += [f"--store={rng.choice(('s.sqlite', 'new.sqlite'))}"]
    for _ in range(rng.choice((1, 1, 2))):
        words += ["-e", estimator(rng)]
    words += rng.choice(([], [], [token(rng)], ["--plugin", "plugin.py"]))
    words += rng.choice(([], [], ["--rerun", "all"], ["--out", "out"], ["--seed", text_value(rng)]))
    if rng.random() < 0.3:
        words += ["--format", rng.choice(("json", "csv", "markdown", "latex"))]
    heavy = any(word[:2] in ("n=", "d=") and word not in LIKELY for word in words[6:])
    return [*words, "--dry-run"] if heavy else words


KINDS: dict[str, Callable[[Rng, Path], list[str]]] = {
    "suite": fuzz_suite,
    "command": fuzz_command,
    "data": fuzz_data,
    "store": fuzz_store,
    "run": fuzz_run,
}


class TooSlowError(BaseException):
    """Raised where an input takes longer than it may."""


@contextmanager
def limits() -> Iterator[None]:
    """Bound the time and the memory that what is done here takes."""

    def stop(*_: object) -> None:
        raise TooSlowError

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = pages * resource.getpagesize() + BYTES
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)


def outcome(arguments: list[str]) -> str:
    """Call the command line within limits; return its exit code, or what is wrong with it."""
    with limits():
        try:
            result = CliRunner().invoke(main, arguments)
        except TooSlowError:
            return f"WRONG: took more than {SECONDS} s"
    error = result.exception
    if not isinstance(error, SystemExit | None):
        frames = traceback.extract_tb(error.__traceback__)
        where = [f for f in frames if "entbench" in f.filename] or frames
        return f"WRONG: {type(error).__name__} at {where[-1].filename}:{where[-1].lineno}: {error}"[
            :500
        ]
    if result.exit_code == 2:
        lines = [line for line in result.stderr.split("\n") if line]
        errors = [line for line in lines if line.startswith("entbench: error: ")]
        others = [line for line in lines if not line.startswith("entbench: ")]
        if len(errors) != 1 or others:
            return f"WRONG: no single line: {result.stderr[:300]!r}"
        if "unable to allocate" in errors[0].lower() or "MemoryError" in errors[0]:
            return f"WRONG: refused only where memory ended: {errors[0][:300]}"
    return str(result.exit_code) if result.exit_code in (0, 1, 2) else f"WRONG: {result.exit_code}"


def outcome_of(folder: Path, kind: str, number: int) -> str:
    """Make an input and call the command line with it, in a folder."""
    os.chdir(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are lines, and no errors as in tests
        return _outcome_of(folder, kind, number)


def _outcome_of(folder: Path, kind: str, number: int) -> str:
    rng = random.Random(f"{kind} {number}")
    arguments = [word.replace("\0", "") for word in KINDS[kind](rng, folder)]
    if arguments == ["new"]:  # a group alone prints its help
        arguments.append("--nosuch")
    found = outcome(arguments)
    return f"{kind} {number} {arguments}: {found}" if "WRONG" in found else found


def found_wrong(folder: Path, counts: dict[str, int]) -> tuple[list[str], Counter[str]]:
    wrong, tally = [], Counter[str]()
    for kind, count in counts.items():
        for number in range(count):
            said = outcome_of(folder, kind, number)
            tally[said if len(said) == 1 else "wrong"] += 1
            wrong += [said] if len(said) > 1 else []
    return wrong, tally


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("pyarrow")
    return tmp_path


def test_some_inputs(folder: Path) -> None:
    wrong, tally = found_wrong(
        folder, {"suite": 90, "command": 110, "data": 120, "store": 50, "run": 30}
    )
    assert not wrong, "\n".join(wrong[:20])
    assert min(tally["0"], tally["2"]) > 20  # some pass, some are refused


@pytest.mark.slow
def test_many_inputs(folder: Path) -> None:
    counts = {"suite": 5000, "command": 5000, "data": 8000, "store": 1500, "run": 1000}
    wrong, tally = found_wrong(folder, counts)
    print(tally)
    assert not wrong, "\n".join(wrong[:100])


# --- what was found ------------------------------------------------------------------------------


def refusal(*arguments: str) -> str:
    """Return the one line in which a call is refused."""
    assert outcome(list(arguments)) == "2"
    return CliRunner().invoke(main, list(arguments)).stderr


def test_deeply_nested_toml(folder: Path) -> None:
    (folder / "deep.toml").write_text(f"n = {'[' * 20_000}{']' * 20_000}")
    assert "is not valid TOML" in refusal("suite", "./deep.toml")


@pytest.mark.parametrize(
    "verb", ["--nosuch", "nosuch", "suite --trials x", "list nosuch", "export a b"]
)
def test_wrong_usage_is_one_line_with_where_to_look(folder: Path, verb: str) -> None:
    assert "--help`)\n" in refusal(*verb.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("suite", f"sigma={10**400}", "--dry-run"), "`sigma` must be finite"),
        (("estimate", "data.npy", f"sigma={10**400}"), "`sigma` must be finite"),
        (("suite", "-e", f"kl[k={10**400}]", "--dry-run"), "`k` must be finite"),
        (("suite", "--seed", str(2**63), "-j", "1"), "`seed` must be an integer in [0,"),
        (("suite", "n=1e13", "-j", "1"), "`n` must be an integer in [2, 1000000000000]"),
        (("suite", "--trials", str(10**18), "--dry-run"), "A run has at most 1000000."),
        (("suite", "d=1:9e9:lin9999", "sigma=0.1:1:lin9999", "--dry-run"), "x 20 trials"),
    ],
)
def test_numbers_beyond_what_can_be(folder: Path, words: tuple[str, ...], said: str) -> None:
    prepare(folder)
    assert said in refusal(*words)
    table = {**base_suite(random.Random(0)), "source": {"name": "gaussian", "sigma": 10**400}}
    (folder / "large.toml").write_text(document({**table, "n": [10]}))
    assert "`sigma` must be finite" in refusal("suite", "./large.toml", "--dry-run")


def save_promise(path: Path, shape: str) -> None:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    head = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    if path.suffix == ".npy":
        path.write_bytes(head + bytes(160))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", head + bytes(160))


@pytest.mark.parametrize("name", ["data.npy", "data.npz"])
@pytest.mark.parametrize("shape", ["(1000000000000, 2)", "(3, 100000000000)", "(20, 2)", "(-1, 2)"])
def test_array_that_promises_more_than_there_is(folder: Path, name: str, shape: str) -> None:
    save_promise(folder / name, shape)
    assert "the file is too short" in refusal("estimate", name)
    save_promise(folder / name, "(10, 2)")
    assert "the file is too short" not in refusal("estimate", name)  # constant, and so refused


@pytest.mark.parametrize("ending", [".npz", ".parquet"])
def test_file_that_unpacks_to_more_than_samples_can(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    import pandas as pd

    zeros = np.zeros((100_000, 1))
    if ending == ".npz":
        np.savez_compressed(folder / "bomb.npz", x=zeros)
    else:
        pd.DataFrame(zeros, columns=["a"]).to_parquet(folder / "bomb.parquet")
    monkeypatch.setattr("entbench._data._GROWN_BYTES", 2**19)
    assert "are no samples" in refusal("estimate", f"bomb{ending}", "-e", "gaussian")


def test_directory_of_an_archive_that_lies(folder: Path) -> None:
    np.savez(folder / "x.npz", x=np.random.default_rng(0).standard_normal((20, 2)))
    data = (folder / "x.npz").read_bytes()
    at = data.index(b"PK\x01\x02") + 24  # the size unpacked, in the central directory
    (folder / "x.npz").write_bytes(data[:at] + (2**32 - 2).to_bytes(4, "little") + data[at + 4 :])
    assert "are no samples" in refusal("estimate", "x.npz", "-e", "gaussian")


@pytest.mark.parametrize("name", [".", "pipe.npy", "array.npz"])
def test_what_is_no_data_file_is_named(folder: Path, name: str) -> None:
    os.mkfifo(folder / "pipe.npy")
    np.save(folder / "array.npy", np.zeros((3, 1)))
    (folder / "array.npy").rename(folder / "array.npz")
    said = "is no archive of arrays" if name == "array.npz" else "is no file"
    assert said in refusal("estimate", name)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("1.0,2.o", "its first line must hold names or numbers; it holds both"),
        ("x,1", "its first line must hold names or numbers; it holds both"),
        ("1.0,", "must be finite"),
        ("x,y,z", "must be finite"),
        ("x", "Expected 1 fields in line 2, saw 2"),
    ],
)
def test_line_of_a_csv_is_never_lost(folder: Path, first: str, said: str) -> None:
    rows = "\n".join(f"{a:.17g},{b:.17g}" for a, b in np.random.default_rng(0).normal(size=(30, 2)))
    (folder / "data.csv").write_text(f"{first}\n{rows}\n")
    assert said in refusal("estimate", "data.csv", "-e", "gaussian")
    (folder / "data.csv").write_text(f"x,y\n{rows}\n")
    result = CliRunner().invoke(main, ["estimate", "data.csv", "-e", "gaussian", "--groups", "0"])
    assert "n = 30, d = 2" in result.output


@pytest.mark.parametrize(
    "changed",
    [
        {"info": 1},
        {"info": {"versions": {"numpy": 1}}},
        {"info": {"seed": "x"}},
        {"plan": 1},
        {"plan": []},
        {"plan": {"suite": 7}},
        {"plan": {"params": {"d": 1}}},
        {"plan": {"params": []}},
        {"plan": {"groups": [[0, 0, 20, 10**12]]}},
        {"plan": {"groups": [[0, -1, 20, 2]]}},
        {"plan": {"notes": [{}]}},
        {"plan": {"checks": "plug-in-bias"}},
    ],
)
def test_run_that_does_not_say_what_runs_say(folder: Path, changed: dict[str, Any]) -> None:
    prepare(folder)
    connection = sqlite3.connect(folder / "s.sqlite")
    columns = ", ".join(schema.RUN_COLUMNS)
    (said,) = connection.execute(f"SELECT {columns} FROM runs").fetchall()
    row = dict(zip(schema.RUN_COLUMNS, said, strict=True))
    ((name, given),) = changed.items()
    whole = json.loads(row[name])
    row[name] = json.dumps({**whole, **given} if isinstance(given, dict) else given)
    named = ", ".join(f"{column} = ?" for column in row)
    values = list(row.values())
    connection.execute(f"UPDATE runs SET {named}, seal = ?", (*values, schema.seal(*values)))
    connection.commit()
    connection.close()
    for verb in ("show", "export"):
        found = outcome([verb, "--store", "s.sqlite"])
        assert found == "2", (verb, found)
