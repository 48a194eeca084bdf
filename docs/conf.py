"""How the site is built: ``sphinx-build -W --keep-going -b html docs docs/_build``.

Pages are plain Markdown, to be read on a code host as well; the reference is made of docstrings,
and those of the networks need torch (``pip install -e ".[docs,networks]"``).
Formulas are typeset by MathJax, which a page loads from a public server. Without a network they
stay as LaTeX; a copy in ``_static`` serves too: ``-D mathjax_path=FILE``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.parsers.rst.states import Inliner
from sphinx import addnodes
from sphinx.application import Sphinx

import entbench
from entbench import _registry as registry
from entbench.bounds import THEOREMS
from entbench.cli import main

project = "entbench"
author = "The entbench developers"
copyright = author  # noqa: A001 - the name that Sphinx reads
version = release = entbench.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
exclude_patterns = ["_build"]

add_module_names = False
autodoc_typehints = "none"  # they stand in the docstrings
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
strip_signature_backslash = True  # so that `entropy_` keeps its end
myst_heading_anchors = 3

mathjax_path = "https://cdn.jsdelivr.net/npm/mathjax@4/tex-mml-chtml.js"
html_theme = "furo"
html_title = "entbench"
html_copy_source = False
html_show_sourcelink = False

default_role = "name"
_ROOMS = (
    *("bounds", "estimators", "mixture", "neighbours", "networks", "planner"),
    *("report", "runner", "shift", "sources", "testing"),
)
# public or registered names that in a docstring are mostly a parameter or a word
_WORDS = {"plan", "gaussian", "grid", "spacing", "split", "spiral", "szt", "train", "uniform"}
_COLUMNS = 88


def _homes() -> dict[str, str]:
    """Return what a name in backticks means: by public or registered name, its place."""
    found = {}
    for module in (*(f"entbench.{room}" for room in _ROOMS), "entbench"):
        for name in import_module(module).__all__:
            found[name] = found[f"{module}.{name}"] = f"{module}.{name}"
    for kind in (registry.estimators, registry.sources):
        for name in kind.names():
            found.setdefault(name, found.get(kind.load(name).__name__, ""))
    return {name: home for name, home in found.items() if name not in _WORDS}


_HOMES = _homes()


def name_role(
    role: str, rawtext: str, text: str, lineno: int, inliner: Inliner, *more: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Make `name` a link where the reference has it, and code where not."""
    code = nodes.literal(rawtext, text)
    whole = text if text in _HOMES else text.rpartition(".")[0]
    if not _HOMES.get(whole):
        return [code], []
    target = _HOMES[whole] + text.removeprefix(whole)
    link = addnodes.pending_xref(rawtext, code, refdomain="py", reftype="obj", reftarget=target)
    return [link], []


class Commands(Directive):
    """What ``--help`` prints, for every command that there is."""

    def run(self) -> list[nodes.Node]:
        """Return a section for each command."""
        context = click.Context(main, info_name="entbench", terminal_width=_COLUMNS)
        return [
            self._section(name, main.get_command(context, name), context)
            for name in main.list_commands(context)
        ]

    def _section(self, name: str, command: Any, parent: click.Context) -> nodes.section:
        title = f"entbench {name}"
        context = click.Context(command, info_name=name, parent=parent, terminal_width=_COLUMNS)
        section = nodes.section(ids=[title.replace(" ", "-")], names=[title])
        text = command.get_help(context)
        section += nodes.title(text=title)
        section += nodes.literal_block(text, text, language="text")
        return section


class Theorems(Directive):
    """The catalogue of theorems: a line for each."""

    def run(self) -> list[nodes.Node]:
        """Return a list of the theorems with their statements."""
        found = nodes.definition_list()
        for theorem in THEOREMS.values():
            item = nodes.definition_list_item()
            item += nodes.term("", "", nodes.literal(text=theorem.name))
            text = f"{theorem.note} ({theorem.certainty})"
            item += nodes.definition("", nodes.paragraph(text=text))
            found += item
        return [found]


def link_types(app: Sphinx, doctree: nodes.document) -> None:
    """Make links in the types of parameters what backticks are; `dim` is no attribute there."""
    for link in list(doctree.findall(addnodes.pending_xref)):
        if link.get("reftype") == "class":
            link["reftarget"] = _HOMES.get(link["reftarget"], "")
            if not link["reftarget"]:
                link.replace_self(link.children)


def skip_fields(
    app: Sphinx, what: str, name: str, member: object, skip: bool, options: object
) -> bool | None:
    """Leave out what a named tuple says of its fields, which the docstring says better."""
    return True if type(member).__name__ == "_tuplegetter" else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive and the role."""
    app.add_directive("entbench-commands", Commands)
    app.add_directive("entbench-theorems", Theorems)
    app.add_role("name", name_role)
    app.connect("doctree-read", link_types)
    app.connect("autodoc-skip-member", skip_fields)
    return {"parallel_read_safe": True}
