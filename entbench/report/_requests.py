"""What a suite may ask of a report, told before it runs."""

from __future__ import annotations

from collections.abc import Iterable

from entbench._validation import unknown_name
from entbench.report._checks import CHECKS
from entbench.report._tables import TABLES

# those of `entbench.report.figures`, which is slow to import
FIGURE_NAMES = (
    "error-vs-n",
    "error-vs-seconds",
    "estimate-vs-parameter",
    "integration-vs-n",
    "samples-vs-dimension",
    "worst-error-vs-n",
)
_ASK_FOR_AN_ERROR = ("samples-for-error", "samples-vs-dimension")


def check_requests(
    checks: Iterable[str], figures: Iterable[str], tables: Iterable[str], error: float | None
) -> None:
    """Raise ValueError at the first name that is not known, or where `error` lacks."""
    for kind, names, known in (
        ("check", checks, CHECKS),
        ("figure", figures, FIGURE_NAMES),
        ("table", tables, TABLES),
    ):
        for name in names:
            if name not in known:
                raise ValueError(unknown_name(kind, name, known))
            if name in _ASK_FOR_AN_ERROR and error is None:
                raise ValueError(f"the {kind} {name!r} needs `error`, in nats, in the suite.")
