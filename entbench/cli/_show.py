"""``entbench list`` and ``describe``: what there is."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from entbench.cli._common import format_option, load_plugins, plugin_option, show

if TYPE_CHECKING:
    from entbench._registry import Registry
    from entbench.runner import SuiteFile

_KINDS = ("estimators", "sources", "suites")


@click.command("list")
@click.argument("kind", type=click.Choice(_KINDS), required=False)
@plugin_option
@format_option
def list_names(kind: str | None, plugins: Sequence[str], format_: str) -> None:
    """List estimators, sources and suites."""
    from entbench.report import Printout, Table

    load_plugins(plugins)
    records = [
        {"kind": chosen[:-1], "name": name, **_outline(chosen, name)}
        for chosen in ([kind] if kind else _KINDS)
        for name in _registry_of(chosen).names()
    ]
    headers = ("kind", "name", "of", "reads", "what it is", "from")
    rows = [tuple(str(record[key]) for key in record) for record in records]
    show(Printout({"names": records}, records, [Table(headers, rows, left=6)]), format_)


@click.command()
@click.argument("name")
@plugin_option
@format_option
def describe(name: str, plugins: Sequence[str], format_: str) -> None:
    """Describe an estimator, source or suite.

    Parameters with defaults and units, notes on what it does and where it fails, citation.
    """
    from entbench._validation import unknown_name
    from entbench.report import Printout, Table

    load_plugins(plugins)
    known = {kind: _registry_of(kind).names() for kind in _KINDS}
    kinds = [kind for kind in _KINDS if name in known[kind]]
    if not kinds:
        raise ValueError(unknown_name("name", name, {n for names in known.values() for n in names}))
    data, records, tables, notes = [], [], [], []
    for kind in kinds:
        details = _details(kind, name)
        data.append(details)
        rows = [
            (parameter["name"], parameter["default"], parameter["description"])
            for parameter in details["parameters"]
        ]
        records += [{"kind": details["kind"], **parameter} for parameter in details["parameters"]]
        headers = ("parameter", "default", "meaning")
        tables.append(Table(headers, rows, f"{details['kind']} {name}", left=3, gaps=False))
        notes += [f"{details['kind']} {name}:", *_indented(details["text"]), ""]
    show(Printout({"name": name, "entries": data}, records, tables, notes[:-1]), format_)


def _registry_of(kind: str) -> Registry:
    from entbench import _registry

    found: Registry = getattr(_registry, kind)
    return found


def _outline(kind: str, name: str) -> dict[str, str]:
    from entbench.runner import read_suite

    provider = "several"
    try:
        provider = _registry_of(kind).entry(name).provider
        if kind == "suites":
            title = str(read_suite(name).table.get("title", ""))
            return {"of": "", "reads": "", "summary": title, "provider": provider}
        cls = _registry_of(kind).load(name)
    except (ValueError, TypeError) as error:
        why = f"cannot be used: {error}"
        return {"of": "", "reads": "", "summary": why, "provider": provider}
    summary = (inspect.getdoc(cls) or "").partition("\n")[0]
    reads = getattr(cls, "reads", "")
    return {"of": _quantity(cls), "reads": reads, "summary": summary, "provider": provider}


def _quantity(cls: type) -> str:
    """Return what an estimator estimates, or what a source has a truth of."""
    from entbench._base import MutualInformationEstimator, PairSource

    return "I" if issubclass(cls, MutualInformationEstimator | PairSource) else "h"


def _details(kind: str, name: str) -> dict[str, Any]:
    if kind == "suites":
        return _suite_details(name)
    from entbench._base import parameters_of

    cls = _registry_of(kind).load(name)
    sections = _sections(inspect.getdoc(cls) or "")
    meanings = _meanings(sections.pop("Parameters", ""))
    parameters = []
    for parameter in parameters_of(cls).values():
        required = parameter.default is parameter.empty
        parameters.append(
            {
                "name": parameter.name,
                "default": "(required)" if required else repr(parameter.default),
                "description": meanings.get(parameter.name, ""),
            }
        )
    return {
        "kind": kind[:-1],
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "version": cls.version,
        "reads": getattr(cls, "reads", None),
        "parameters": parameters,
        "text": "\n\n".join(
            body if title == "" else f"{title}\n{body}" for title, body in sections.items() if body
        ),
    }


def _suite_details(name: str) -> dict[str, Any]:
    from entbench.runner import load_suite, read_suite

    file = read_suite(name)
    if file.is_experiment:
        return _experiment_details(file)
    loaded = load_suite(name)
    values = {**loaded.params, "seed": loaded.seed}
    values["estimators"] = ", ".join(estimator for estimator, _ in loaded.estimators)
    if "sources" in values:
        values["sources"] = "; ".join(_source_text(source) for source in values["sources"])
    meanings = {
        "source": "source of the samples",
        "sources": "sources of the samples",
        "n": "numbers of samples",
        "trials": "independent draws for each n (option --trials)",
        "seed": "where the draws start from (option --seed)",
        "estimators": "what competes (option -e)",
    }
    checks = "those that apply" if loaded.checks is None else ", ".join(loaded.checks) or "none"
    return {
        "kind": "suite",
        "parameters": [
            {
                "name": key,
                "default": ",".join(map(str, value)) if isinstance(value, list) else str(value),
                "description": meanings.get(key, "parameter of the source"),
            }
            for key, value in values.items()
        ],
        "checks": None if loaded.checks is None else list(loaded.checks),
        "figures": list(loaded.figures),
        "text": "\n".join(
            [
                loaded.title,
                f"checks: {checks}",
                f"figures: {', '.join(loaded.figures) or 'none'}",
            ]
        ),
    }


def _experiment_details(file: SuiteFile) -> dict[str, Any]:
    """Return what there is to say of a suite that asks for an experiment: its sizes and keys."""
    found = _details("experiments", file.table["experiment"])
    sizes = [
        f"preset={name}: {', '.join(f'{key}={value}' for key, value in values.items())}"
        for name, values in file.table["presets"].items()
    ]
    text = "\n".join([file.table.get("title", ""), *sizes, "", found["text"]])
    return {**found, "kind": "suite", "presets": list(file.table["presets"]), "text": text}


def _source_text(source: dict[str, Any]) -> str:
    params = ", ".join(f"{key}={value}" for key, value in source.items() if key != "source")
    return f"{source['source']} {params}".strip()


def _sections(docstring: str) -> dict[str, str]:
    """Return a numpydoc docstring's sections by title; what comes first is under ""."""
    sections: dict[str, list[str]] = {"": []}
    title = ""
    lines = docstring.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if following and set(following) == {"-"} and len(following) == len(line):
            title = line
            sections[title] = []
        elif not (line and set(line) == {"-"}):
            sections[title].append(line)
    return {key: "\n".join(body).strip() for key, body in sections.items()}


def _meanings(section: str) -> dict[str, str]:
    """Return the descriptions of a Parameters section by name, in one line each."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.partition(":")[0].split(",")]
        for name in names if line.startswith(" ") else ():
            found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return found


def _indented(text: str) -> list[str]:
    return [f"  {line}" if line else "" for line in text.splitlines()]
