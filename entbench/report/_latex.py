"""A printout as LaTeX: a floating table for each of its tables, notes as comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from entbench._text import printable

if TYPE_CHECKING:
    from entbench.report._render import Printout, Table

_NEEDS = "% needs \\usepackage{booktabs,amssymb}, and \\usepackage{graphicx} for what is too wide"
_WIDE = 100  # letters of a line: a wider table is scaled down to the page
_TOKEN = re.compile(r"[<>]=|-(?=-)|'(?=')|,(?=,)|[^A-Za-z0-9 .,:;()\[\]/!?=+*'-]")
_MINUS = re.compile(r"(?<![\w-])-(?=[\d.])")
_WRITTEN = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    # joined to longer dashes and to quotes, or other characters, in LaTeX's fonts
    "-": "-{}",
    "'": "'{}",
    ",": ",{}",
    '"': "{''}",
    "`": r"\textasciigrave{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "<=": r"$\le$",
    ">=": r"$\ge$",
    "±": r"$\pm$",
    "≥": r"$\ge$",
    "≤": r"$\le$",
    "\u2212": "$-$",  # minus
    "\u00d7": r"$\times$",
    "·": r"$\cdot$",
    "∞": r"$\infty$",
    "→": r"$\to$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "²": "$^2$",
    "\u03b1": r"$\alpha$",
    "β": r"$\beta$",
    "μ": r"$\mu$",
    "\u03c3": r"$\sigma$",
    "τ": r"$\tau$",
    "✓": r"$\checkmark$",
    "✗": r"$\times$",
    "○": r"$\circ$",
    "\u2013": "--",
    "—": "---",
    "…": r"\dots{}",
    "“": "``",
    "”": "''",
    "\u2019": "'",
}


def to_latex(printout: Printout) -> str:
    """Return a printout as LaTeX, to be read by a document: booktabs, captions, escaped text.

    Letters beyond those of the map above stand as they are: those of Latin scripts are known to any
    LaTeX, others to XeLaTeX and LuaLaTeX with a font that has them.
    """
    blocks = [_NEEDS]
    if printout.heading:
        blocks.append(_comment(printout.heading))
    blocks += [_float(table) for table in printout.tables]
    blocks += [_comment(note) for note in printout.notes]
    return "\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Return text that LaTeX sets as it stands."""
    line = _MINUS.sub("\u2212", printable(text))
    return _TOKEN.sub(lambda found: _WRITTEN.get(found[0], found[0]), line)


def _comment(text: str) -> str:
    return f"% {printable(text)}"


def _float(table: Table) -> str:
    wide = table.width > _WIDE
    lines = [r"\begin{table}", r"\centering"]
    lines += [f"\\caption{{{escaped(table.title)}}}"] if table.title else []
    lines += [r"\resizebox{\textwidth}{!}{%"] if wide else []
    lines += _tabular(table)
    return "\n".join([*lines, *(["}"] if wide else []), r"\end{table}"])


def _tabular(table: Table) -> Iterator[str]:
    columns = "".join("l" if i < table.left else "r" for i in range(len(table.headers)))
    yield f"\\begin{{tabular}}{{{columns}}}"
    yield r"\toprule"
    if any(table.headers):
        yield _line(table.headers)
        yield r"\midrule"
    previous = ""
    for row in table.rows:
        if table.gaps and previous and row[0] != previous:
            yield r"\addlinespace"
        previous = row[0]
        yield _line(row)
    yield r"\bottomrule"
    yield r"\end{tabular}"


def _line(cells: tuple[str, ...]) -> str:
    line = " & ".join(map(escaped, cells))
    # else an optional argument, or the star, of what ends the line before
    guard = "{}" if line.startswith(("[", "*")) else ""
    return f"{guard}{line} \\\\"
