from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entbench import EntropyEstimator, Reference, Source, register_estimator, register_source
from entbench import _registry as registry


def make_class(**members: Any) -> type[EntropyEstimator]:
    def fit(self: Any, X: Any, y: None = None) -> Any:
        self.entropy_ = 0.0
        return self

    body: dict[str, Any] = {"reads": "noisy", "version": "1", "fit": fit, **members}
    members = {name: value for name, value in body.items() if value is not None}
    return type("Mine", (EntropyEstimator,), members)


def write_plugin(path: Path, name: str = "from-file", value: float = 1.0) -> Path:
    path.write_text(
        textwrap.dedent(f"""
            from entbench import EntropyEstimator, register_estimator

            @register_estimator("{name}")
            class FromFile(EntropyEstimator):
                reads, version = "noisy", "1"

                def fit(self, X, y=None):
                    self.entropy_ = {value}
                    self.n_features_in_ = X.shape[1]
                    return self
        """)
    )
    return path


def test_decorator_registers_and_returns_the_class() -> None:
    mine = register_estimator("mine")(make_class())
    assert registry.estimators.load("mine") is mine
    assert "mine" in registry.estimators.names()


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"fit": None}, "missing `fit`"),
        ({"reads": None}, '`reads` must be "signal" or "noisy"; got None'),
        ({"reads": "both"}, "`reads` must be"),
        ({"reads": "signal"}, "so `__init__` must take `sigma`"),
        ({"version": None}, "`version` must be a non-empty string"),
        ({"version": 1}, '`version` must be a non-empty string such as "1"; got 1'),
        ({"__init__": lambda self, **options: None}, "must name its parameters"),
        ({"fit": lambda self: self}, r"`fit` must be callable as fit\(X\)"),
        ({"fit": lambda self, a, b: self}, r"`fit` must be callable as fit\(X\)"),
    ],
)
def test_broken_contract_is_refused_in_one_line(members: dict[str, Any], reason: str) -> None:
    with pytest.raises(TypeError, match=reason) as caught:
        register_estimator("mine")(make_class(**members))
    assert "'mine'" in str(caught.value)
    assert "breaks the contract" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "mine" not in registry.estimators.names()


def test_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match=r"must be a subclass of entbench.EntropyEstimator"):
        register_estimator("mine")(int)


def test_duplicate_name_says_whose_it_is() -> None:
    with pytest.raises(ValueError, match="'sp' .* already registered by .*SamplePropagation"):
        register_estimator("sp")(make_class())


def test_notebook_cell_can_be_run_again() -> None:
    register_estimator("mine")(make_class())
    second = register_estimator("mine")(make_class())
    assert registry.estimators.load("mine") is second


@pytest.mark.parametrize("name", ["Mine", "my_estimator", "-mine", "mine-", "", "a b", "é"])
def test_names_are_kebab(name: str) -> None:
    with pytest.raises(ValueError, match="must be lower-case letters, digits and single hyphens"):
        register_estimator(name)(make_class())


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown estimator 'kt-uper'. Did you mean 'kt-upper'"):
        registry.estimators.load("kt-uper")


def test_source_needs_its_methods_and_sigma() -> None:
    with pytest.raises(TypeError, match="missing `dim`, `reference`, `sample`"):
        register_source("mine")(type("Mine", (Source,), {"version": "1"}))

    class NoSigma(Source):
        version = "1"
        dim = 1

        def sample(self, n: int, rng: np.random.Generator) -> Any:
            return np.zeros((n, 1))

        def reference(self) -> Reference:
            return Reference(0.0, 0.0, "known")

    with pytest.raises(TypeError, match="`__init__` must take `sigma`"):
        register_source("mine")(NoSigma)


def test_plugin_file_registers(tmp_path: Path) -> None:
    path = write_plugin(tmp_path / "mine.py")
    registry.load_plugin(str(path))
    registry.load_plugin(str(path))
    entry = registry.estimators.entry("from-file")
    assert entry.plugin == str(path)
    assert registry.make_estimator("from-file", {}).fit(np.zeros((2, 1))).entropy_ == 1.0


def test_editing_a_plugin_changes_its_identity(tmp_path: Path) -> None:
    register = registry.load_plugin
    register(str(write_plugin(tmp_path / "one.py", "one", 1.0)))
    register(str(write_plugin(tmp_path / "two.py", "two", 2.0)))
    origins = {registry.estimators.origin(name).split()[-1] for name in ("one", "two")}
    assert len(origins) == 2
    assert registry.estimators.origin("sp") == "entbench"


def test_edited_plugin_is_loaded_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    values, origins = [], set()
    for value in (1.0, 2.0, 2.0):
        registry.load_plugin(str(write_plugin(path, value=value)))
        fitted = registry.make_estimator("from-file", {}).fit(np.zeros((2, 1)))
        values.append(fitted.entropy_)
        origins.add(registry.estimators.origin("from-file"))
    assert values == [1.0, 2.0, 2.0]
    assert len(origins) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "registers nothing"),
        ("x = 1 / 0", "failed: ZeroDivisionError"),
        ("def broken(:", "failed: SyntaxError"),
        ("import no_such_module", "failed: ModuleNotFoundError"),
    ],
)
def test_bad_plugin_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        registry.load_plugin(str(path))
    assert "\n" not in str(caught.value)


def test_missing_plugin_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"plugin nowhere.py cannot be read: No such file"):
        registry.load_plugin("nowhere.py")
    with pytest.raises(ValueError, match="ModuleNotFoundError"):
        registry.load_plugin("no_such_module")


def test_parameters_are_checked_by_name() -> None:
    with pytest.raises(ValueError, match="unknown parameter of estimator 'kl' 'kk'. .*'k'"):
        registry.make_estimator("kl", {"kk": 3})
    with pytest.raises(ValueError, match="estimator 'sp' needs `sigma`"):
        registry.make_estimator("sp", {})
    with pytest.raises(ValueError, match="`k` must be an integer >= 1; got 0"):
        registry.make_estimator("kl", {"k": 0})


def test_runner_values_fill_in_but_do_not_override() -> None:
    given = registry.make_estimator("sp", {}, sigma=0.3, random_state=7)
    assert given.get_params()["sigma"] == 0.3
    assert given.get_params()["random_state"] == 7
    own = registry.make_estimator(
        "sp", {"sigma": 0.2, "random_state": 1}, sigma=0.3, random_state=7
    )
    assert own.get_params()["sigma"] == 0.2
    assert own.get_params()["random_state"] == 1
    assert "sigma" not in registry.make_estimator("kl", {}, sigma=0.3).get_params()


def install(folder: Path, distribution: str, entry_points: str) -> None:
    """Lay out what pip leaves of an installed distribution."""
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


ADDON = """
from entbench import EntropyEstimator

class Constant(EntropyEstimator):
    \"\"\"A constant, in nats.\"\"\"

    reads, version = "noisy", "1"

    def fit(self, X, y=None):
        self.entropy_ = 1.5
        return self
"""


def test_entry_points_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entbench: Any
) -> None:
    """An installed package's estimator and suite are there without --plugin, in workers too."""
    site = tmp_path / "site"
    install(
        site,
        "addon",
        "[entbench.estimators]\nconstant = addon.estimator:Constant\nbroken = addon.gone:Gone\n"
        "sp = addon.estimator:Constant\n\n[entbench.suites]\nquick = addon\n",
    )
    (site / "addon").mkdir()
    (site / "addon" / "__init__.py").write_text("")
    (site / "addon" / "estimator.py").write_text(ADDON)
    (site / "addon" / "quick.toml").write_text(
        'n = [10, 20]\ntrials = 3\nestimators = ["constant", "kl"]\n'
        '[source]\nname = "truncated-mixture"\nd = 1\n'
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    done = entbench("suite", "quick", "--jobs", 2, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"][0]["mean"] == 1.5
    listed = json.loads(entbench("list", "estimators", "--format", "json").stdout)["names"]
    by_name = {entry["name"]: entry for entry in listed}
    assert by_name["constant"]["provider"] == "addon 1.0"
    assert "cannot be loaded: No module named 'addon.gone'" in by_name["broken"]["summary"]
    for name, message in (
        ("sp", "estimator 'sp' is offered twice: "),
        ("broken", "estimator 'broken' (addon.gone:Gone, addon 1.0) cannot be loaded"),
    ):
        done = entbench("suite", "n=10", "-e", name)
        assert done.returncode == 2
        assert message in done.stderr
