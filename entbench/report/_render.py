"""One printout, five formats."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from entbench._text import csv_field, escaped_json, printable
from entbench.report._latex import to_latex

Format = Literal["table", "json", "csv", "markdown", "latex"]
FORMATS: tuple[Format, ...] = ("table", "json", "csv", "markdown", "latex")

# what Markdown, GitHub's too, may take for markup
_MARKUP = re.compile(r"[\\`*_<&|~$]|\](?=[(\[:])")
_BLOCK = re.compile(r"^(\d*)(?=[#>+=.)-])")  # at the beginning of a line
_BACKSLASH = r"\\\g<0>"
_GAP = 3  # columns of a terminal between those of a table
_NAME = 24  # that a first column may be folded to


@dataclass(frozen=True)
class Table:
    """Text cells under headers.

    Attributes
    ----------
    headers, rows : tuples of str
        The cells.
    title : str
        A line above.
    left : int
        How many columns, from the left, are text and not numbers.
    gaps : bool
        Whether a terminal shows a gap where the first column changes.
    aside : int
        How many columns, from the right, a narrow terminal may show as a table of their own,
        under the first columns again and without the rows that are empty there.
    aside_title : str
        The line above that table.
    key : int
        How many columns, from the left, that table has again.
    """

    headers: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    title: str = ""
    left: int = 1
    gaps: bool = True
    aside: int = 0
    aside_title: str = ""
    key: int = 2

    @property
    def width(self) -> int:
        """Columns of a terminal that the table fills."""
        lines = [self.headers, *self.rows]
        return sum(max(map(cell_len, column)) + _GAP for column in zip(*lines, strict=True)) - _GAP

    def parts(self, width: int) -> Iterator[Table]:
        """Yield the tables that a terminal of so many columns shows this one as.

        Columns set aside get a table of their own. What is still too wide is cut between columns,
        each part with the first columns again. A long name in the first column is folded.
        """
        if self.width <= width:
            yield self
        elif self.aside:
            for part in self.split():
                yield from part.parts(width)
        else:
            columns = zip(self.headers, *self.rows, strict=True)
            sizes = [max(map(cell_len, column)) + _GAP for column in columns]
            sizes[0] = min(sizes[0], _NAME + _GAP)
            key = list(range(min(self.key, len(sizes) - 1)))
            chosen = list(key)
            for i in range(len(key), len(sizes)):
                full = sum(sizes[j] for j in (*chosen, i)) - _GAP > width
                if full and len(chosen) > len(key):
                    yield self._only(chosen)
                    chosen = list(key)
                chosen.append(i)
            yield self._only(chosen)

    def _only(self, columns: Sequence[int]) -> Table:
        headers, *rows = (tuple(row[i] for i in columns) for row in (self.headers, *self.rows))
        return replace(self, headers=headers, rows=rows, left=sum(i < self.left for i in columns))

    def split(self) -> tuple[Table, Table]:
        """Return the table without the columns set aside, and those."""
        kept = len(self.headers) - self.aside
        main = replace(
            self, headers=self.headers[:kept], rows=[row[:kept] for row in self.rows], aside=0
        )
        aside = replace(
            self,
            headers=(*self.headers[: self.key], *self.headers[kept:]),
            rows=[(*row[: self.key], *row[kept:]) for row in self.rows if any(row[kept:])],
            title=self.aside_title,
            aside=0,
        )
        return main, aside


@dataclass(frozen=True)
class Printout:
    """What a verb has to say, for every format.

    Attributes
    ----------
    data : mapping
        The JSON object.
    records : sequence of mappings
        The lines of the CSV, raw values by column.
    tables : sequence of Table
        For people.
    notes : sequence of str
        Lines under the tables.
    heading : str
        A line above them.
    """

    data: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    heading: str = ""


@dataclass(frozen=True)
class Screen:
    """Where a printout goes: width in columns, and whether colours are seen there."""

    width: int = 120
    color: bool = False


PLAIN = Screen()


def render(printout: Printout, format: Format, screen: Screen = PLAIN) -> str:  # noqa: A002
    """Return the printout as text in one of the formats, ending in a newline."""
    match format:
        case "json":
            return to_json(printout.data)
        case "csv":
            return to_csv(printout.records)
        case "markdown":
            return _markdown(printout)
        case "latex":
            return to_latex(printout)
        case "table":
            return _terminal(printout, screen)


def to_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Return records as CSV with a header; None is an empty field, floats are exact.

    Text is in one line, and with an apostrophe before it where a spreadsheet would run it.
    """
    rows = [{csv_field(k): csv_field(v) for k, v in record.items()} for record in records]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_json(data: Any, indent: int = 2) -> str:
    """Return plain values as JSON; floats are exact."""
    text = json.dumps(data, indent=indent, allow_nan=False, ensure_ascii=False)
    return escaped_json(text) + "\n"


def _markdown(printout: Printout) -> str:
    blocks = [f"**{_escaped(printout.heading)}**"] if printout.heading else []
    for table in printout.tables:
        if table.title:
            blocks.append(f"*{_escaped(table.title)}*")
        marks = [":--" if i < table.left else "--:" for i in range(len(table.headers))]
        lines = [table.headers, marks, *table.rows]
        blocks.append("\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines))
    if printout.notes:
        blocks.append("\n".join(f"- {_opened(_escaped(note))}" for note in printout.notes))
    return "\n\n".join(blocks) + "\n"


def _escaped(text: str) -> str:
    return _MARKUP.sub(_BACKSLASH, printable(text).strip())


def _opened(text: str) -> str:
    """Return the beginning of a block so that it is not taken for a heading, a list or a quote."""
    return _BLOCK.sub(r"\1\\", text)


def _terminal(printout: Printout, screen: Screen) -> str:
    text = io.StringIO()
    console = Console(
        file=text,
        width=screen.width,
        force_terminal=screen.color,
        color_system="auto" if screen.color else None,
        highlight=False,
    )
    if printout.heading:
        console.print(_text(printout.heading, style="bold"))
    for table in printout.tables:
        for part in table.parts(screen.width):
            console.print()
            if part.title:
                console.print(_text(part.title, style="italic"))
            console.print(_rich_table(part))
    if printout.notes:
        console.print()
    for note in printout.notes:
        console.print(_text(note, style="red" if note.startswith("✗") else ""))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _rich_table(table: Table) -> RichTable:
    drawn = RichTable(
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
        show_edge=False,
        show_header=any(table.headers),
    )
    for index, header in enumerate(table.headers):
        drawn.add_column(
            _text(header), justify="left" if index < table.left else "right", overflow="fold"
        )
    previous = ""
    for row in table.rows:
        if table.gaps and previous and row[0] != previous:
            drawn.add_section()
        previous = row[0]
        drawn.add_row(*map(_text, row))
    return drawn


def _text(text: str, style: str = "") -> Text:
    """Return text for a terminal, without the control characters that names may hold."""
    return Text(printable(text), style=style)
