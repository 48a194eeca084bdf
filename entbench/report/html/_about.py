"""What a page says of any run: what made it, how to repeat it, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from entbench._records import STATUS_OK, RunInfo
from entbench.report.html._page import Block, Code, Fact, Grid, Words

_MOST_MESSAGES, _MOST_LETTERS = 200, 2000


def count(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 trial``, ``2 trials``."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def listed(value: Any) -> str:
    """Return a parameter as text; a sweep as its values."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={listed(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        inner = any(isinstance(each, Mapping | list | tuple) for each in value)
        return ("; " if inner else ", ").join(map(listed, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def outcome_facts(statuses: Sequence[str], missing: int, one: str) -> list[Fact]:
    """Return how many cells or steps there are, failed, and are missing."""
    bad = [status for status in statuses if status != STATUS_OK]
    kinds = {kind: bad.count(kind) for kind in dict.fromkeys(bad)}
    more = f" ({', '.join(f'{n} {kind}' for kind, n in kinds.items())})" if len(kinds) > 1 else ""
    return [
        Fact(f"{one}s", str(len(statuses) + missing)),
        Fact("failed", f"{len(bad)}{more}", "bad" if bad else ""),
        Fact("missing", str(missing), "bad" if missing else ""),
    ]


def cut_short(missing: int, one: str) -> list[str]:
    """Return what to know of a run that did not come to its end."""
    if not missing:
        return []
    are = "is" if missing == 1 else "are"
    return [
        f"This run was cut short: {count(missing, one)} {are} missing. What stands here is of the "
        "others alone; run it again, and only what is missing is computed."
    ]


def trouble_block(found: Iterable[tuple[str, str, str]], notes: Sequence[str], one: str) -> Block:
    """Return the block of failures and warnings: each message once, with its count.

    Parameters
    ----------
    found : iterable of (status, message, where)
        One for each cell or step that had something to say.
    notes : sequence of str
        What the plan had to say.
    one : str
        What a cell or a step is called.
    """
    said: dict[tuple[str, str], list[str]] = {}
    for status, message, where in found:
        said.setdefault((status, message), []).append(where)
    rows = [
        ("warning" if status == STATUS_OK else status, message[:_MOST_LETTERS], at[0], str(len(at)))
        for (status, message), at in said.items()
    ]
    rows.sort(key=lambda row: row[0] == "warning")
    more = len(rows) - _MOST_MESSAGES
    items: list[Grid | Words] = [Words(notes)] if notes else []
    if rows:
        items.append(
            Grid(
                "failures",
                "messages, each once",
                ("what", "message", "first at", f"{one}s"),
                rows[:_MOST_MESSAGES],
                left=3,
                remark=f"and {count(more, 'more message')}" if more > 0 else "",
            )
        )
    return Block("trouble", "Failures and warnings", items or [Words(["None."])])


def origin_blocks(info: RunInfo, computed: int, total: int, one: str, ended: bool) -> list[Block]:
    """Return what the run was made by, and how to repeat it."""
    end = info.finished or ("" if ended else "not: the run was cut short")
    versions = {"entbench": info.version, "python": info.python, **info.versions}
    rows = [
        ("run", info.id),
        ("started (UTC)", info.started),
        ("finished (UTC)", end),
        (f"{one}s", f"{computed} computed in this run, {total - computed} already in the store"),
        ("seed", str(info.seed)),
        ("platform", info.platform),
        *versions.items(),
    ]
    made = Grid(
        "environment", "what the run was made by", ("what", "value"), rows, left=2, plain=True
    )
    # "+cpu" and the like name a build, which an index need not have
    pins = [f"{k}=={v.partition('+')[0]}" for k, v in versions.items() if k != "python"]
    command = Code("command", "Command", info.command or "(the run does not say)")
    seeds = (
        f"Every draw follows from seed {info.seed}, so that this command with these versions "
        "gives these values again."
    )
    again: list[Words | Code] = [
        Words([seeds]),
        command,
        Code("versions", "Versions, as pip constraints", "\n".join(pins)),
    ]
    return [Block("origin", "Environment", [made]), Block("repeat", "How to repeat it", again)]
