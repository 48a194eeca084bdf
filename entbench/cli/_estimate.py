"""``entbench estimate``: a user's own samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from entbench.cli._common import (
    assignments,
    estimator_option,
    format_option,
    load_plugins,
    plugin_option,
    show,
)

if TYPE_CHECKING:
    from entbench._base import Interval
    from entbench._comparison import Comparison, JudgedEstimate
    from entbench.report import Printout

_LONG = 5.0  # seconds of refits that are announced
_PAIRS_SHOWN = 5
_ROUNDING = 1e-9  # nats


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("tokens", nargs=-1, metavar="[sigma=SIGMA]")
@estimator_option(
    "Estimator to use. Repeatable.  [default: sp (with sigma), kl, kde (to 20,000 rows)]"
)
@click.option(
    "--groups",
    type=int,
    default=20,
    show_default=True,
    help="Of the jackknife for estimators that state no standard error: so many refits, on at most "
    "5,000 rows. 0 leaves out these, and the two on half of the rows.",
)
@click.option(
    "--margin",
    type=float,
    default=0.1,
    show_default=True,
    help="How far estimates may be apart and agree, in nats.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of noise, fits and groups.")
@click.option("--key", help="Which array of a .npz file.")
@plugin_option
@format_option
def estimate(
    file: Path,
    tokens: Sequence[str],
    estimators: Sequence[str],
    groups: int,
    margin: float,
    seed: int,
    key: str | None,
    plugins: Sequence[str],
    format_: str,
) -> None:
    """Estimate h(S+Z) from your own samples, and compare estimates.

    FILE is .npy, .npz, .csv or .parquet, one row per sample. With sigma=..., the rows are samples
    of S, and all estimators that read T = S + Z get the same noise added. Without it the rows are
    taken as samples of T.

    The standard error is that over samples, numerical error included; it does not contain the
    bias. The interval is for the truth, and does; `-` where the bias of a method is not known.
    Lines below the table say where estimates differ and where n is too small. Estimates agree where
    a test shows that none differ by more than the margin. They can agree and all be wrong: most
    methods have a bias that nobody knows.
    """
    from entbench._comparison import Wanted, compare_estimates, default_estimators
    from entbench._data import load_samples
    from entbench._validation import check_positive
    from entbench.runner import parse_named

    load_plugins(plugins)
    sigma = _noise_level(tokens)
    if sigma is not None:
        check_positive("sigma", sigma)
    samples = load_samples(file, key)
    texts = estimators or default_estimators(len(samples), sigma)
    compared = compare_estimates(
        samples,
        [Wanted(*parse_named(text), text) for text in dict.fromkeys(texts)],
        sigma=sigma,
        seed=seed,
        groups=groups,
        margin=margin,
        on_cost=_announce,
    )
    data = {"file": str(file), "sigma": sigma, "seed": seed}
    left_out = [] if estimators or "kde" in texts else [_KDE_NOTE]
    show(_printout(compared, data, left_out), format_)


_KDE_NOTE = "kde is left out above 20,000 rows: its cost grows as n². -e kde asks for it."


def _noise_level(tokens: Sequence[str]) -> Any:
    from entbench._validation import unknown_name
    from entbench.runner import parse_scalar

    given = assignments(tokens)
    for name in given:
        if name != "sigma":
            raise ValueError(unknown_name("key", name, ["sigma"]))
    return parse_scalar("sigma", given["sigma"]) if given else None


def _announce(label: str, fits: int, seconds: float) -> None:
    if seconds > _LONG:
        click.echo(
            f"entbench: {label}: {fits} more fit{'s' if fits > 1 else ''}, about {seconds:.0f} s "
            "(--groups 0 leaves them out)",
            err=True,
        )


def _printout(compared: Comparison, data: Mapping[str, Any], notes: Sequence[str]) -> Printout:
    from entbench.report import Printout

    records = [_record(estimate) for estimate in compared.estimates]
    sigma = data["sigma"]
    what = "h(T)" if sigma is None else f"h(S+Z), sigma = {sigma}"
    return Printout(
        data=_plain(
            {
                **data,
                "n": compared.n,
                "d": compared.d,
                "groups": compared.groups,
                "refit_rows": compared.refit_rows,
                "estimates": records,
                "agreement": vars(compared.agreement),
                "bracket": vars(compared.bracket) if compared.bracket else None,
                "findings": [vars(finding) for finding in compared.findings],
            }
        ),
        records=[_plain({k: v for k, v in r.items() if k != "diagnostics"}) for r in records],
        tables=_tables(compared),
        notes=[*_notes(compared), *notes],
        heading=f"{Path(data['file']).name}: {what}, n = {compared.n}, d = {compared.d}",
    )


def _record(estimate: JudgedEstimate) -> dict[str, Any]:
    from entbench.report import interval_columns

    return {
        "estimator": estimate.label,
        "role": estimate.role,
        "value": estimate.value,
        "numerical_error": estimate.numerical_error,
        "standard_error": estimate.standard_error,
        **interval_columns(estimate.interval),
        "no_interval": estimate.no_interval,
        "half_value": estimate.half_value,
        "diagnostics": dict(estimate.diagnostics or {}),
    }


def _tables(compared: Comparison) -> list[Any]:
    from entbench.report import Table

    decimals = _decimals(compared.estimates)
    numbers = [
        (
            estimate.label if estimate.role == "estimate" else f"{estimate.label}: {estimate.role}",
            f"{estimate.value:.{decimals}f}",
            _error(estimate.standard_error),
            _interval(estimate.interval, decimals),
            _error(estimate.numerical_error),
        )
        for estimate in compared.estimates
    ]
    level = {e.interval.confidence for e in compared.estimates if e.interval}
    interval = f"{100 * level.pop():g} % interval" if len(level) == 1 else "interval"
    headers = ("estimator", "nats", "standard error", interval, "numerical")
    told = [
        (estimate.label, ", ".join(_short(estimate.diagnostics or {})))
        for estimate in compared.estimates
    ]
    aside = Table(("estimator", "diagnostics"), [row for row in told if row[1]], left=2, gaps=False)
    return [Table(headers, numbers, gaps=False), *([aside] if aside.rows else [])]


def _decimals(estimates: Sequence[JudgedEstimate]) -> int:
    """Return the decimals at which the smallest error shows two digits; five if none is known."""
    errors = [e.standard_error if e.standard_error > 0 else e.numerical_error for e in estimates]
    known = [error for error in errors if error > _ROUNDING]
    return min(6, max(2, 1 - math.floor(math.log10(min(known))))) if known else 5


def _notes(compared: Comparison) -> list[str]:
    notes = _about_intervals(compared)
    pairs = [finding for finding in compared.findings if finding.kind == "disagreement"]
    others = [finding for finding in compared.findings if finding.kind != "disagreement"]
    notes += [f"✗ {finding.message}" for finding in (*pairs[:_PAIRS_SHOWN], *others)]
    if len(pairs) > _PAIRS_SHOWN:
        notes.append(f"✗ {len(pairs) - _PAIRS_SHOWN} more pairs disagree: see --format json.")
    if compared.groups:
        return [*notes, *_verdict(compared), *_about_errors(compared)]
    return [*notes, "--groups 0: whether estimates agree, or still move with n, is not judged."]


def _verdict(compared: Comparison) -> list[str]:
    """Return the line that says whether estimates agree; none where some differ."""
    found = compared.agreement
    names, others = _joined(found.labels), _joined(found.left_out)
    margin = f"{found.margin:g} nats"
    if len(found.labels) < 2:
        alone = len(found.labels) + len(found.left_out) < 2
        text = f"- With a finding or a warning against {others}, no two estimates are left to test "
        return [] if alone else [f"{text}for agreement."]
    if found.verdict == "differ":
        return []
    if found.verdict == "agree":
        text = f"✓ {names} agree within {margin} (95 % confidence). They can still share a bias."
    else:
        text = f"- Whether {names} agree within {margin} is not known: they may differ by "
        text += f"{found.most:.2g} nats."
    return [text + (f" Left out, for a finding or a warning: {others}." if others else "")]


def _joined(labels: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(labels[:-1]), *labels[-1:])))


def _about_intervals(compared: Comparison) -> list[str]:
    """Return what intervals assume, and why estimators have none: each reason once."""
    labels: dict[str, list[str]] = {}
    for estimate in compared.estimates:
        found = estimate.interval
        text = f"no interval: {estimate.no_interval}"
        if found is not None:
            text = f"{found.kind} interval" + (f"; {found.note}" if found.note else "")
        labels.setdefault(text, []).append(estimate.label)
    return [f"{', '.join(names)}: {text}." for text, names in labels.items()]


def _about_errors(compared: Comparison) -> list[str]:
    if not compared.jackknifed:
        return []
    text = f"{', '.join(compared.jackknifed)}: standard error by the jackknife over "
    text += f"{compared.groups} groups of rows"
    if compared.refit_rows < compared.n:
        text += f" ({compared.refit_rows} of the rows, scaled to n)"
    return [f"{text}."]


def _short(diagnostics: Mapping[str, Any]) -> list[str]:
    return [
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in diagnostics.items()
        if key not in ("bracket_low", "bracket_high")  # they have a line of their own
    ]


def _interval(interval: Interval | None, decimals: int) -> str:
    """Return an interval, rounded outward."""
    if interval is None:
        return "-"
    unit = 10.0**-decimals
    low, high = "-inf", "inf"
    if interval.low is not None:
        low = f"{unit * math.floor(interval.low / unit):.{decimals}f}"
    if interval.high is not None:
        high = f"{unit * math.ceil(interval.high / unit):.{decimals}f}"
    return f"[{low}, {high}]"


def _error(error: float) -> str:
    """Return an error to two digits; below rounding there are none."""
    if math.isnan(error):
        return "-"
    return f"{error:.2g}" if error > _ROUNDING else f"<{_ROUNDING:.0e}"


def _plain(value: Any) -> Any:
    """Return plain JSON: what is no finite number as None, NumPy's numbers as Python's."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if not isinstance(value, str) and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
