"""Nothing is run that was not named: no pickles, no code from data, from folders or from stores."""

from __future__ import annotations

import ast
import io
import json
import os
import pickle
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import entbench
from entbench import _registry
from entbench.cli import main
from entbench.runner import _schema as schema
from entbench.runner import stored_run

if TYPE_CHECKING:
    from conftest import Outcome

    Call = Callable[..., Outcome]

ROOT = Path(entbench.__file__).resolve().parent
ROOMS = (ROOT, ROOT.parent / "estimators", ROOT.parent / "suites")
FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "_pickle", "shelve", "marshal", "dill", "cloudpickle", "jsonpickle"),
    *("copyreg", "pickletools", "yaml", "code", "codeop", "runpy"),
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {"read_pickle", "to_pickle", "exec_module", "import_module", "load_module"}
# who imports by a name or a file that the user gave, or by a constant table of its own
LOADERS = {"entbench/_registry.py", "entbench/networks/__init__.py", "entbench/__init__.py"}
LOADERS |= {"entbench/_machine.py"}
SAFE_LOADS = {"np.load": "allow_pickle=False", "numpy.load": "allow_pickle=False"}
SAFE_LOADS |= {"torch.load": "weights_only=True", "joblib.load": "nothing"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        for path in sorted(room.rglob("*.py")):
            if "timing" in path.parts:  # not in the wheel
                continue
            name = str(path.relative_to(ROOT.parent))
            yield name, ast.parse(path.read_text(encoding="utf-8"), name)


def complaints(name: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        where = f"{name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            bad = {module.partition(".")[0] for module in modules} & FORBIDDEN_MODULES
            yield from (f"{where} imports {each}" for each in bad)
        if isinstance(node, ast.Call):
            yield from (f"{where} {what}" for what in call_complaints(name, node))


def call_complaints(name: str, node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    if called in FORBIDDEN_CALLS:
        yield f"calls {called}"
    if called.rpartition(".")[2] in FORBIDDEN_METHODS and name not in LOADERS:
        yield f"calls {called}"
    if called in SAFE_LOADS:
        given = {ast.unparse(keyword.value) for keyword in node.keywords}
        wanted = SAFE_LOADS[called]
        named = [f"{k.arg}={ast.unparse(k.value)}" for k in node.keywords]
        if wanted not in named:
            yield f"calls {called} with {given or 'nothing'} where {wanted} is needed"


def test_source_holds_no_pickle_and_runs_no_text() -> None:
    trees = dict(sources())
    assert len(trees) > 150
    assert set(trees) >= LOADERS
    found = [said for name, tree in trees.items() for said in complaints(name, tree)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        *("import pickle", "from pickle import loads", "import numpy, shelve", "eval('1')"),
        *("np.load(file)", "np.load(f, allow_pickle=True)", "torch.load(f, weights_only=False)"),
        *("pd.read_pickle(f)", "importlib.import_module(name)", "joblib.load(f)", "import yaml"),
    ],
)
def test_what_the_search_finds(text: str) -> None:
    assert list(complaints("entbench/x.py", ast.parse(text)))
    assert not list(complaints("x.py", ast.parse("np.load(f, allow_pickle=False)")))


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def payload(tmp_path: Path) -> Iterator[Payload]:
    made = Payload(tmp_path / "ran")
    pickle.loads(pickle.dumps(made))
    assert made.folder.is_dir()  # it is one
    made.folder.rmdir()
    yield made
    assert not made.folder.exists()


def object_array(payload: Payload) -> np.ndarray:
    array = np.empty((3, 1), dtype=object)
    array[:, 0] = [payload, 1.0, 2.0]
    return array


def write_npy(path: Path, payload: Payload) -> None:
    np.save(path, object_array(payload), allow_pickle=True)


def write_npz(path: Path, payload: Payload) -> None:
    np.savez(path, x=object_array(payload))


def write_npz_of_a_pickle(path: Path, payload: Payload) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", pickle.dumps(payload))


def write_pickle(path: Path, payload: Payload) -> None:
    path.write_bytes(pickle.dumps(payload))


def write_csv(path: Path, payload: Payload) -> None:
    text = pickle.dumps(payload, protocol=0).decode("latin-1").replace("\n", ";")
    path.write_text(f"a,b\n1,{text!r}\n2,{text!r}\n", encoding="latin-1")


def write_parquet(path: Path, payload: Payload) -> None:
    pytest.importorskip("pyarrow")
    import pandas as pd

    raw = pickle.dumps(payload)
    pd.DataFrame({"a": [1.0, 2.0], "b": [raw, raw]}).to_parquet(path)


def write_parquet_with_metadata(path: Path, payload: Payload) -> None:
    """Arrow can carry pickled extension types, and pandas' own attributes, in its metadata."""
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    raw = pickle.dumps(payload)
    extension = {b"ARROW:extension:name": b"arrow.py_extension_type"}
    extension[b"ARROW:extension:metadata"] = raw
    field = arrow.field("a", arrow.float64(), metadata=extension)
    table = arrow.table([[1.0, 2.0, 3.0]], schema=arrow.schema([field], metadata={"pandas": raw}))
    parquet.write_table(table, path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.npy", write_npy),
        ("b.npy", write_pickle),
        ("c.npz", write_npz),
        ("d.npz", write_npz_of_a_pickle),
        ("e.npz", write_pickle),
        ("f.csv", write_csv),
        ("g.csv", write_pickle),
        ("h.parquet", write_parquet),
        ("i.parquet", write_parquet_with_metadata),
        ("j.parquet", write_pickle),
        ("k.pkl", write_pickle),
        ("l.npz", write_npy),
    ],
)
def test_pickled_data_are_refused_and_not_run(
    call: Call, payload: Payload, tmp_path: Path, name: str, write: Callable[[Path, Payload], None]
) -> None:
    write(tmp_path / name, payload)
    for verb in ("estimate", "plan"):
        arguments = [tmp_path / name] if verb == "estimate" else ["--pilot", tmp_path / name]
        said = call(verb, *arguments, "sigma=1", *(["error=0.1"] if verb == "plan" else []))
        assert said.refused, said
        assert name in said.err


def test_pickled_checkpoint_is_refused_and_not_run(payload: Payload, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from entbench.networks._checkpoints import UnreadableCheckpointError, read_checkpoint

    raw = io.BytesIO()
    np.save(raw, object_array(payload), allow_pickle=True)
    path = tmp_path / "epoch_000001.npz"
    entries: dict[str, Any] = {"format": np.array(1), "epoch": np.array(1)}
    np.savez(path, **entries, identity=np.array("{}"), history=object_array(payload))
    for content in (path.read_bytes(), raw.getvalue(), pickle.dumps(payload)):
        path.write_bytes(content)
        with pytest.raises(UnreadableCheckpointError, match="is not a whole checkpoint") as caught:
            read_checkpoint(path)
        assert "\n" not in str(caught.value)


TRAP = "import os; os.makedirs({folder!r}, exist_ok=True)\n"
NAMES = ("mine", "known-truth", "truncated-mixture", "data", "sp", "kl", "entbench_plugin")
LIBRARIES = ("json", "random", "numpy", "pandas", "numba", "click", "sitecustomize", "conftest")


def test_code_beside_data_is_not_run(call: Call, tmp_path: Path) -> None:
    for name in (*NAMES, *LIBRARIES, "__init__", "__main__", "setup"):
        (tmp_path / f"{name}.py").write_text(TRAP.format(folder=str(tmp_path / "ran")))
    np.save(tmp_path / "data.npy", np.random.default_rng(0).standard_normal((50, 1)))
    (tmp_path / "known-truth.toml").write_text("title = 1")
    (tmp_path / "mine.toml").write_text(
        'estimators = ["gaussian"]\nn = 10\ntrials = 4\n[source]\nname = "gaussian"\nd = 1\n'
    )
    calls = (
        ("estimate", "data.npy", "sigma=1", "-e", "gaussian", "--groups", "0"),
        ("suite", "./mine.toml", "-j", "1", "-q"),
        ("suite", "known-truth", "--dry-run"),
        ("show",),
        ("list",),
    )
    for arguments in calls:
        assert call(*arguments).code == 0, arguments
    for arguments in (
        ("suite", "mine"),
        ("suite", "data"),
        ("describe", "mine"),
        ("check", "mine"),
    ):
        assert call(*arguments).refused, arguments
    assert not (tmp_path / "ran").exists()


def test_code_in_the_working_directory_is_not_run_by_workers(tmp_path: Path) -> None:
    for name in LIBRARIES[:-1]:
        (tmp_path / f"{name}.py").write_text(TRAP.format(folder=str(tmp_path / "ran")))
    (tmp_path / "mine.toml").write_text(
        'estimators = ["gaussian"]\nn = 10\ntrials = 8\n[source]\nname = "gaussian"\nd = 1\n'
    )
    # as the installed command begins, whose search path has no working directory
    code = "import sys; from entbench.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "suite", "./mine.toml", "-j", "2", "-q"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()


PLUGIN = """
import numpy as np
from entbench import EntropyEstimator, register_estimator

{trap}

@register_estimator("mine")
class Mine(EntropyEstimator):
    reads, version = "noisy", "1"

    def fit(self, X, y=None):
        self.entropy_ = float(np.log(np.std(X)))
        return self
"""


@pytest.fixture
def trapped(call: Call, tmp_path: Path) -> Path:
    """A store of a run whose plan names a plugin, which has become a trap since."""
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN.format(trap=""))
    run = ("suite", "d=1", "n=20,30", "-e", "gaussian", "-e", "mine", "--trials", "3")
    assert call(*run, "--plugin", plugin, "-j", "1", "-q").code == 0
    plugin.write_text(PLUGIN.format(trap=TRAP.format(folder=str(tmp_path / "ran"))))
    return tmp_path / "store.sqlite"


def forget_plugins() -> None:
    """Know no more names than a process that has just begun."""
    for kind in (_registry.estimators, _registry.sources):
        kind._registered.clear()
    _registry._loaded_plugins.clear()


READ_VERBS = (
    *(("show",), ("show", "--format", "json"), ("show", "--out", "out"), ("export",), ("runs",)),
    *(("export", "-o", "x.csv"), ("report", "-o", "x.html"), ("leaderboard",)),
    *(("compare", "latest", "latest"), ("clean",), ("clean", "--unplanned")),
)


@pytest.mark.parametrize("verb", READ_VERBS, ids=" ".join)
def test_plugin_that_a_store_names_is_not_run(
    call: Call, trapped: Path, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    if verb[0] not in main.commands:
        pytest.skip(f"there is no verb {verb[0]}")
    forget_plugins()
    assert call(*verb).code in (0, 1)
    assert not (tmp_path / "ran").exists()


def test_merging_runs_no_plugin(call: Call, trapped: Path, tmp_path: Path) -> None:
    forget_plugins()
    assert call("merge", trapped, "--into", "t.sqlite").code == 0
    assert not (tmp_path / "ran").exists()


def reseal(store: Path, **changed: str) -> None:
    """Change columns of the runs of a store, with the checksum that belongs to them."""
    connection = sqlite3.connect(store)
    columns = ", ".join(schema.RUN_COLUMNS)
    for number, *said in connection.execute(f"SELECT number, {columns} FROM runs").fetchall():
        row = {**dict(zip(schema.RUN_COLUMNS, said, strict=True)), **changed}
        named = ", ".join(f"{name} = ?" for name in row)
        values = (*row.values(), schema.seal(*row.values()), number)
        connection.execute(f"UPDATE runs SET {named}, seal = ? WHERE number = ?", values)
    connection.commit()
    connection.close()


def test_plan_that_names_what_it_may_not(call: Call, trapped: Path, tmp_path: Path) -> None:
    """A store can be made by anyone: names in it are looked up, and nothing is imported by them."""
    plan = stored_run("latest", trapped)
    assert plan.suite == "truncated-mixture"
    connection = sqlite3.connect(trapped)
    (text,) = connection.execute("SELECT plan FROM runs").fetchone()
    connection.close()
    whole = json.loads(text)
    names = ("os:system", str(tmp_path / "mine.py"), "mine", "\x1b[0m")
    for name in names:
        for changed in (
            {"figures": [name]},
            {"tables": [name]},
            {"checks": [name]},
            {"estimators": [{**each, "name": name} for each in whole["estimators"]]},
            {"cases": [{**c, "source": {**c["source"], "name": name}} for c in whole["cases"]]},
        ):
            reseal(trapped, plan=json.dumps({**whole, **changed}))
            for verb in (("show", "--out", "out"), ("export",)):
                said = call(*verb, "--store", trapped)
                assert said.refused or said.code in (0, 1), (changed, verb, said)
    experiment = {"experiment": "os:system", "preset": "x", "settings": []}
    reseal(trapped, plan=json.dumps({**experiment, "suite": "x"}))
    said = call("show", "--store", trapped)
    assert said.code == 0, said
    assert "claims, tables and figures are left out: experiment 'os:system'" in said.out
    assert not (tmp_path / "ran").exists()
