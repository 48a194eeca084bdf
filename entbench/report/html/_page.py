"""The parts of a page, and the page of them."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from markupsafe import Markup

_FOLDER = Path(__file__).parent
# controls, halves of characters, and what has no width or turns the direction of the text around it
UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff"
    r"\ud800-\udfff\ufffe\uffff]"
)
_SHORT = 100
# letters of a cell that goes on in a second line; rows of a table that scrolls by itself
_WIDE, _TALL = 48, 30
_MOST_STYLED = 9  # columns that the style sheet tells apart


@dataclass(frozen=True)
class Grid:
    """A table on the page.

    Attributes
    ----------
    id : str
        Unique on the page; the address of the table in it.
    caption : str
        The line above.
    headers, rows : tuples of str
        The cells.
    left : int
        How many columns, from the left, are text and not numbers.
    remark : str
        A line below.
    plain : bool
        Whether it is a short list, that nobody would sort or filter.
    """

    kind: ClassVar[str] = "grid"
    id: str
    caption: str
    headers: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    left: int = 1
    remark: str = ""
    plain: bool = False

    @property
    def name(self) -> str:
        """What a figure calls it."""
        return self.caption.partition(";")[0]

    @property
    def style(self) -> str:
        """What the style sheet has to know: which columns are text, and which are long."""
        columns = zip(*self.rows, strict=True)
        long = [i + 1 for i, cells in enumerate(columns) if max(map(len, cells)) > _WIDE]
        names = [f"left{min(self.left, _MOST_STYLED)}"]
        names += [f"wrap{i}" for i in long if i <= _MOST_STYLED]
        names += ["long"] if len(self.rows) > _TALL else []
        return " ".join([*names, "plain"] if self.plain else names)

    @property
    def parts(self) -> list[Sequence[tuple[str, ...]]]:
        """The rows, those apart that a browser with scripts shows when asked."""
        if len(self.rows) <= 2 * _SHORT:
            return [self.rows]
        return [self.rows[:_SHORT], self.rows[_SHORT:]]


@dataclass(frozen=True)
class Picture:
    """A figure on the page, or why there is none.

    Attributes
    ----------
    id, title, caption : str
        Its address, name and what is drawn.
    table : Grid
        What it is drawn from.
    svg : str
        Its markup; empty if it could not be drawn.
    remarks : sequence of str
        What is left out, or why it could not be drawn.
    """

    kind: ClassVar[str] = "picture"
    id: str
    title: str
    caption: str
    table: Grid
    svg: str
    remarks: Sequence[str] = ()

    @property
    def markup(self) -> Markup:
        """The figure as it is: matplotlib and `ElementTree` have escaped its texts."""
        return Markup(self.svg)


@dataclass(frozen=True)
class Words:
    """Paragraphs."""

    kind: ClassVar[str] = "words"
    lines: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Lines to copy, under a name."""

    kind: ClassVar[str] = "code"
    id: str
    name: str
    text: str


@dataclass(frozen=True)
class Block:
    """A part of the page with a heading."""

    id: str
    heading: str
    items: Sequence[Grid | Picture | Words | Code]


@dataclass(frozen=True)
class Fact:
    """A number at the top of the page; `tone` is "good", "bad" or nothing."""

    name: str
    value: str
    tone: str = ""


@dataclass(frozen=True)
class Page:
    """All that a page says.

    Attributes
    ----------
    title : str
        The suite's name.
    lead : str
        What kind of run it is of, in one line.
    facts : sequence of Fact
        Counts.
    blocks : sequence of Block
        The rest.
    alerts : sequence of str
        What a reader must know before any number.
    """

    title: str
    lead: str
    facts: Sequence[Fact]
    blocks: Sequence[Block]
    alerts: Sequence[str] = field(default_factory=tuple)


def page_text(page: Page) -> str:
    """Return the page as HTML: one file, that asks for nothing from anywhere."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_seen,
    )
    style, script = (_asset(name) for name in ("style.css", "script.js"))
    return environment.get_template("page.html.j2").render(
        page=page,
        # an import would be one of all rooms
        version=str(sys.modules["entbench"].__version__),
        style=style,
        script=script,
        policy=_policy(style, script),
    )


def _asset(name: str) -> Markup:
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))


def _policy(style: str, script: str) -> str:
    """Return a policy under which nothing is loaded, and no style or script but ours counts."""
    parts = ["default-src 'none'", "img-src data:", "base-uri 'none'", "form-action 'none'"]
    for name, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        parts.append(f"{name}-src 'sha256-{digest}'")
    return "; ".join(parts)


def _seen(value: Any) -> Any:
    """Return text with characters that are not seen made visible."""
    if isinstance(value, str) and not isinstance(value, Markup) and UNSEEN.search(value):
        return UNSEEN.sub(_stand_in, value)
    return value


def _stand_in(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"
