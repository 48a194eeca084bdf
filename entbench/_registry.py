"""Names of estimators, sources and suites, and the three ways in.

Entry points (groups ``entbench.estimators``, ``entbench.sources``, ``entbench.suites``; ours use
them too), the decorators `register_estimator` and `register_source`, and `load_plugin` (the
``--plugin`` of the command line, which imports a file or module whose decorators do the rest).
A class is imported when it is used, and checked against its contract then.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from entbench._base import (
    EntropyEstimator,
    Estimator,
    Experiment,
    MutualInformationEstimator,
    PairSource,
    Source,
    SourceFacts,
    parameters_of,
)
from entbench._theorem import Certainty, EstimatorFacts, Side, Statistic, Theorem, is_plug_in
from entbench._validation import check_choice, check_positive, unknown_name

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "Entry",
    "Registry",
    "estimators",
    "experiments",
    "import_file",
    "is_kebab",
    "load_plugin",
    "make_estimator",
    "make_experiment",
    "make_source",
    "register_estimator",
    "register_experiment",
    "register_source",
    "register_theorem",
    "sources",
    "suites",
    "theorems",
]

BUILT_IN = "entbench"
_READS = ("signal", "noisy")
_ROLES = ("estimate", "upper bound", "lower bound")
_SIDES = ("", "below", "above")

_Class = TypeVar("_Class", bound=type)
_Bound = TypeVar("_Bound", bound=Callable[[int, SourceFacts], float | None])


@dataclass(frozen=True)
class Entry:
    """A registered name: where it comes from and how to get at it.

    Attributes
    ----------
    name : str
        The registry name.
    target : str
        ``module:Class``, for messages.
    provider : str
        ``entbench`` for what is built in; distribution and version, or file, for the rest.
    plugin : str
        What a fresh process loads with `load_plugin` to know the name; "" for entry points, and
        None where a fresh process cannot (a class of ``__main__`` or of a notebook).
    load : callable
        Returns the registered object.
    origin : str
        See `Registry.origin`; "" until the object of an entry point is loaded.
    """

    name: str
    target: str
    provider: str
    plugin: str | None
    load: Callable[[], Any]
    origin: str = ""


class Registry:
    """Names of one kind, from entry points and from this process.

    Parameters
    ----------
    kind : str
        "estimator", "source" or "suite", for messages.
    group : str
        The entry-point group.
    check : callable or None
        Raises TypeError where an object breaks the kind's contract; called with name and object.
    """

    def __init__(
        self, kind: str, group: str, check: Callable[[str, Any], None] | None = None
    ) -> None:
        self.kind = kind
        self.group = group
        self._contract = check
        self._registered: dict[str, Entry] = {}
        self._origins: dict[str, str] = {}
        self._good: set[tuple[str, Any]] = set()

    def names(self) -> list[str]:
        """Return every known name, sorted."""
        return sorted({*_installed(self.group), *self._registered})

    def names_in(self, file: Path) -> list[str]:
        """Return the names that a Python file has registered in this process, sorted."""
        plugin = str(file.resolve())
        return sorted(name for name, e in self._registered.items() if e.plugin == plugin)

    def entry(self, name: str) -> Entry:
        """Return the entry of `name`.

        Raises
        ------
        ValueError
            If the name is unknown, or offered by two installed distributions.
        """
        if name in self._registered:
            return self._registered[name]
        offers = _installed(self.group).get(name)
        if offers is None:
            raise ValueError(unknown_name(self.kind, name, self.names()))
        if len(offers) > 1:
            where = " and ".join(f"{offer.value} ({_provider(offer)})" for offer in offers)
            raise ValueError(f"{self.kind} {name!r} is offered twice: {where}. Uninstall one.")
        (offer,) = offers
        return Entry(name, offer.value, _provider(offer), "", offer.load)

    def load(self, name: str) -> Any:
        """Return the object registered as `name`, checked against the contract."""
        entry = self.entry(name)
        try:
            loaded = entry.load()
        except (ImportError, AttributeError) as error:
            raise ValueError(
                f"{self.kind} {name!r} ({entry.target}, {entry.provider}) cannot be loaded: {error}"
            ) from error
        self.check(name, loaded)
        return loaded

    def check(self, name: str, obj: Any) -> None:
        """Raise TypeError where an object, called `name` in the message, breaks the contract."""
        if self._contract is not None and (name, obj) not in self._good:
            self._contract(name, obj)
            self._good.add((name, obj))  # every cell asks again

    def register(self, name: str, obj: Any, code: Any = None) -> None:
        """Register an object of this process.

        Parameters
        ----------
        name : str
            Its name.
        obj : object
            What `load` returns.
        code : function, optional
            What it is made of, where it is no class.

        Raises
        ------
        TypeError
            If the object breaks the contract.
        ValueError
            If the name is taken, or is no lower-case kebab name.
        """
        code = obj if code is None else code
        if not is_kebab(name):
            raise ValueError(
                f"a {self.kind}'s name must be lower-case letters, digits and single hyphens; "
                f"got {name!r} ({_where(code)})."
            )
        self.check(name, obj)
        if name in self.names() and not self._is_same(name, code):
            taken = self.entry(name)
            raise ValueError(
                f"{self.kind} {name!r} ({_where(code)}) is already registered by {taken.target} "
                f"({taken.provider}). Choose another name."
            )
        target = f"{code.__module__}:{code.__qualname__}"
        self._registered[name] = Entry(
            name=name,
            target=target,
            provider=_source_file(code) or "this session",
            plugin=_plugin_of(code),
            load=lambda: obj,
            origin=f"{target} {_digest(code)}",
        )

    def origin(self, name: str) -> str:
        """Return what, beside its version, identifies the code behind `name`.

        Built-in code answers for its values by `version` alone. Other people's code gets a digest
        of the file it stood in when it was loaded, so that results of an edited plugin are never
        reused.
        """
        entry = self.entry(name)
        if entry.provider == BUILT_IN:
            return BUILT_IN
        if entry.origin:
            return entry.origin
        if name not in self._origins:
            self._origins[name] = f"{entry.target} {_digest(self.load(name))}"
        return self._origins[name]

    def _is_same(self, name: str, obj: Any) -> bool:
        """Tell whether `obj` is what stands under `name`, or a later edition of it (a notebook)."""
        target = f"{obj.__module__}:{obj.__qualname__}"
        held = self._registered.get(name)
        if held is not None:
            return held.target == target
        return any(offer.value == target for offer in _installed(self.group).get(name, ()))


def register_estimator(name: str) -> Callable[[_Class], _Class]:
    """Class decorator: make an estimator known as `name` in this process.

    The class is an `EntropyEstimator` or a `MutualInformationEstimator`.

    Raises
    ------
    TypeError
        If the class breaks its contract.
    ValueError
        If the name is taken.
    """

    def decorate(cls: _Class) -> _Class:
        estimators.register(name, cls)
        return cls

    return decorate


def register_source(name: str) -> Callable[[_Class], _Class]:
    """Class decorator: make a `Source` or `PairSource` known as `name` in this process."""

    def decorate(cls: _Class) -> _Class:
        sources.register(name, cls)
        return cls

    return decorate


def register_theorem(
    name: str,
    *,
    statistic: Statistic,
    side: Side,
    header: str,
    note: str,
    applies: Callable[[EstimatorFacts], bool] = is_plug_in,
    certainty: Certainty = "proved",
    dash: Sequence[float] = (),
) -> Callable[[_Bound], _Bound]:
    """Decorate a function: make a bound on errors known as `name` in this process.

    The function takes n and the `SourceFacts` of a source, and returns nats, or None where it does
    not apply. It is called when a run is planned, and the run keeps the values: the column `header`
    stands beside the rows that it applies to, the figure of error against n draws it, and a check
    of its name compares the data with it.

    Parameters
    ----------
    name : str
        Key in JSON and CSV, and name of the check; with a hyphen, since no other column has one.
    statistic : {"bias", "mae"}
        The error that it bounds: ``h - E estimate``, or the mean absolute error.
    side : {"lower", "upper"}
        The side from which it does.
    header, note : str
        Header of the column, and the statement in a line.
    applies : callable, optional
        Takes the `EstimatorFacts` of an estimator and tells whether it holds for it; by default
        for the plug-in.
    certainty : {"proved", "recalled", "printed"}, default="proved"
        "printed" where it stands in a paper and is not proved: it is then not checked.
    dash : sequence of float, optional
        Lengths of the strokes and gaps of its line.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these, or the name is taken.
    """
    if "-" not in name:
        raise ValueError(
            f"a theorem's name must have a hyphen, since no other column has one; got {name!r}."
        )
    check_choice("statistic", statistic, ("bias", "mae"))
    check_choice("side", side, ("lower", "upper"))
    check_choice("certainty", certainty, ("proved", "recalled", "printed"))
    for key, text in (("header", header), ("note", note)):
        if not isinstance(text, str) or not text.strip():
            raise TypeError(f"`{key}` of theorem {name!r} must be a text; got {text!r}.")
    if len(dash) % 2:
        raise ValueError(f"`dash` must have a gap for each stroke; got {dash!r}.")

    def decorate(function: _Bound) -> _Bound:
        theorem = Theorem(
            name=name,
            function=function,
            statistic=statistic,
            side=side,
            note=note,
            certainty=certainty,
            applies=applies,
            header=header,
            dash=tuple(check_positive("dash", length) for length in dash),
            check="" if certainty == "printed" else name,
        )
        theorems.register(name, theorem, function)
        return function

    return decorate


def register_experiment(name: str) -> Callable[[_Class], _Class]:
    """Class decorator: make an `Experiment` known as `name` in this process."""

    def decorate(cls: _Class) -> _Class:
        experiments.register(name, cls)
        return cls

    return decorate


def make_estimator(
    name: str,
    params: Mapping[str, Any],
    *,
    sigma: float | None = None,
    random_state: int | None = None,
) -> Estimator:
    """Return an estimator by name.

    Parameters
    ----------
    name : str
        Registry name.
    params : mapping
        Its hyperparameters.
    sigma : float, optional
        Noise level, given to an estimator that reads the signal unless `params` has its own.
    random_state : int, optional
        Given to an estimator that takes one unless `params` has its own.

    Raises
    ------
    ValueError, TypeError
        If the name or a parameter is unknown, missing or out of range.
    """
    cls = estimators.load(name)
    given = dict(params)
    known = parameters_of(cls)
    if cls.reads == "signal" and sigma is not None:
        given.setdefault("sigma", sigma)
    if random_state is not None and "random_state" in known:
        given.setdefault("random_state", random_state)
    estimator: Estimator = _construct(f"estimator {name!r}", cls, given)
    estimator.check_parameters()
    return estimator


def make_source(name: str, params: Mapping[str, Any]) -> Source | PairSource:
    """Return a source by name, its parameters checked."""
    source: Source | PairSource = _construct(f"source {name!r}", sources.load(name), dict(params))
    return source


def make_experiment(name: str, params: Mapping[str, Any]) -> Experiment:
    """Return an experiment by name, its parameters checked."""
    loaded = experiments.load(name)
    experiment: Experiment = _construct(f"experiment {name!r}", loaded, dict(params))
    return experiment


def load_plugin(plugin: str) -> None:
    """Import a Python file or module whose decorators register what it adds.

    A file that was loaded before is loaded again if its text has changed.

    Raises
    ------
    ValueError
        If there is no such file or module, it fails, or it registers nothing.
    """
    is_file = plugin.endswith(".py")
    target = str(Path(plugin).resolve()) if is_file else plugin
    try:
        edition = hashlib.sha256(Path(target).read_bytes()).hexdigest() if is_file else ""
    except OSError as error:
        raise ValueError(f"plugin {plugin} cannot be read: {error.strerror}.") from error
    if _loaded_plugins.get(target) == edition:
        return
    try:
        module = import_file(Path(target)) if is_file else importlib.import_module(target)
    except (ValueError, TypeError) as error:
        raise ValueError(f"plugin {plugin}: {error}") from error
    except Exception as error:
        raise ValueError(f"plugin {plugin} failed: {type(error).__name__}: {error}") from error
    kinds = (estimators, sources, experiments, theorems)
    entries = [entry for kind in kinds for entry in kind._registered.values()]
    if not any(entry.target.startswith(f"{module.__name__}:") for entry in entries):
        raise ValueError(
            f"plugin {plugin} registers nothing: decorate a class of it with "
            f'@register_estimator("name").'
        )
    _loaded_plugins[target] = edition


_loaded_plugins: dict[str, str] = {}


def _construct(what: str, cls: type, params: dict[str, Any]) -> Any:
    known = parameters_of(cls)
    for name in params:
        if name not in known:
            raise ValueError(unknown_name(f"parameter of {what}", name, known))
    missing = [
        name
        for name, parameter in known.items()
        if parameter.default is parameter.empty and name not in params
    ]
    if missing:
        raise ValueError(f"{what} needs {', '.join(f'`{name}`' for name in missing)}.")
    return cls(**{key: _spelled(known[key], value) for key, value in params.items()})


def _spelled(parameter: inspect.Parameter, value: Any) -> Any:
    """Return a value; for a parameter that takes texts, None is the choice "none".

    The grammar of ``key=value`` reads the word as None before anyone knows whose parameter it is.
    """
    takes_text = isinstance(parameter.default, str) or parameter.annotation in (str, "str")
    return "none" if value is None and takes_text else value


_FIT_TAKES = {EntropyEstimator: ("fit(X)", 1), MutualInformationEstimator: ("fit(X, y)", 2)}


def _check_estimator(name: str, cls: Any) -> None:
    complain = _complaint("estimator", name, cls, tuple(_FIT_TAKES))
    if getattr(cls, "reads", None) not in _READS:
        complain(f'`reads` must be "signal" or "noisy"; got {getattr(cls, "reads", None)!r}')
    if cls.role not in _ROLES:
        complain(f"`role` must be one of {', '.join(map(repr, _ROLES))}; got {cls.role!r}")
    if cls.beside_plug_in not in _SIDES:
        complain(f"`beside_plug_in` must be one of {_SIDES}; got {cls.beside_plug_in!r}")
    if not isinstance(cls.plug_in, bool):
        complain(f"`plug_in` must be True or False; got {cls.plug_in!r}")
    most = cls.most_columns
    if most is not None and (type(most) is not int or most < 1):
        complain(f"`most_columns` must be an integer >= 1 or None; got {most!r}")
    if cls.reads == "signal" and "sigma" not in parameters_of(cls):
        complain("it reads the signal, so `__init__` must take `sigma`")
    call, given = next(fit for base, fit in _FIT_TAKES.items() if issubclass(cls, base))
    arguments = list(inspect.signature(cls.fit).parameters.values())[1:]
    required = [a for a in arguments if a.default is a.empty and a.kind is not a.VAR_POSITIONAL]
    if len(arguments) < given or len(required) > given:
        complain(f"`fit` must be callable as {call}")


def _check_source(name: str, cls: Any) -> None:
    complain = _complaint("source", name, cls, (Source, PairSource))
    if issubclass(cls, Source) and "sigma" not in parameters_of(cls):
        complain("`__init__` must take `sigma`")


def _check_experiment(name: str, cls: Any) -> None:
    complain = _complaint("experiment", name, cls, (Experiment,))
    drawn = getattr(cls, "figures", None)
    if not isinstance(drawn, tuple) or not all(isinstance(f, str) or callable(f) for f in drawn):
        complain(f"`figures` must be a tuple of functions or names; got {drawn!r}")


def _complaint(kind: str, name: str, cls: Any, bases: tuple[type, ...]) -> Callable[[str], None]:
    """Check what all kinds have in common; return the function that raises for the rest."""

    def complain(reason: str) -> None:
        raise TypeError(f"{kind} {name!r} ({_where(cls)}) breaks the contract: {reason}.")

    if not (inspect.isclass(cls) and issubclass(cls, bases)):
        listed = " or ".join(f"entbench.{base.__name__}" for base in bases)
        complain(f"it must be a subclass of {listed}")
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        complain(f"missing {', '.join(f'`{method}`' for method in missing)}")
    if not (isinstance(getattr(cls, "version", None), str) and cls.version):
        complain(
            f'`version` must be a non-empty string such as "1"; got '
            f"{getattr(cls, 'version', None)!r}"
        )
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if any(parameter.kind in open_ended for parameter in parameters_of(cls).values()):
        complain("`__init__` must name its parameters, without * or **")
    return complain


@cache
def _installed(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of a group by name; more than one only where they differ."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, {}).setdefault(point.value, point)
    return {name: tuple(points.values()) for name, points in found.items()}


@cache  # every cell asks, and the version is in a file of its own
def _provider(point: EntryPoint) -> str:
    if point.dist is None or point.dist.name == BUILT_IN:
        return BUILT_IN
    return f"{point.dist.name} {point.dist.version}"


def import_file(path: Path) -> ModuleType:
    """Run a Python file as a module of its own, and return it; what it raises goes through."""
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    name = f"entbench_plugin_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError("not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _plugin_of(obj: Any) -> str | None:
    module: str = obj.__module__
    if module.startswith("entbench_plugin_"):
        return _source_file(obj)
    return None if module in {"__main__", "builtins"} else module


def _source_file(obj: Any) -> str | None:
    try:
        return inspect.getsourcefile(obj)
    except (TypeError, OSError):
        return None


def _digest(obj: Any) -> str:
    file = _source_file(obj)
    if file is not None and Path(file).is_file():
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    try:
        return hashlib.sha256(inspect.getsource(obj).encode()).hexdigest()
    except (TypeError, OSError):
        return f"unsaved {uuid.uuid4()}"  # never reuse what cannot be identified


def _where(obj: Any) -> str:
    file = _source_file(obj)
    if file is None:
        return f"{getattr(obj, '__module__', '?')}:{getattr(obj, '__qualname__', obj)}"
    try:
        line = inspect.getsourcelines(obj)[1]
    except (OSError, TypeError):
        return file
    return f"{file}:{line}"


def is_kebab(name: str) -> bool:
    """Tell whether a name is lower-case letters, digits and single hyphens."""
    parts = name.split("-")
    return all(part.isascii() and part.isalnum() and part == part.lower() for part in parts)


estimators = Registry("estimator", "entbench.estimators", _check_estimator)
sources = Registry("source", "entbench.sources", _check_source)
experiments = Registry("experiment", "entbench.experiments", _check_experiment)
suites = Registry("suite", "entbench.suites")
theorems = Registry("theorem", "entbench.theorems")
