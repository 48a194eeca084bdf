"""``entbench estimate``: a user's own samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from entbench.cli._common import (
    assignments,
    estimator_option,
    format_option,
    load_plugins,
    plugin_option,
    show,
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("tokens", nargs=-1, metavar="[sigma=SIGMA]")
@estimator_option("Estimator to use. Repeatable.  [default: sp]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of noise and integration.")
@click.option("--key", help="Which array of a .npz file.")
@plugin_option
@format_option
def estimate(
    file: Path,
    tokens: Sequence[str],
    estimators: Sequence[str],
    seed: int,
    key: str | None,
    plugins: Sequence[str],
    format_: str,
) -> None:
    """Estimate h(S+Z) from your own samples.

    FILE is .npy, .npz, .csv or .parquet, one row per sample. With sigma=..., the rows are samples
    of S, and estimators that read T = S + Z get the same noise added. Without it the rows are
    taken as samples of T.
    """
    from entbench import estimate_entropy
    from entbench._data import load_samples
    from entbench._validation import unknown_name
    from entbench.report import Printout, Table
    from entbench.runner import parse_named, parse_scalar

    load_plugins(plugins)
    given = assignments(tokens)
    for name in given:
        if name != "sigma":
            raise ValueError(unknown_name("key", name, ["sigma"]))
    sigma = parse_scalar("sigma", given["sigma"]) if given else None
    samples = load_samples(file, key)
    records: list[dict[str, Any]] = []
    for text in estimators or ("sp",):
        name, params = parse_named(text)
        own = {"sigma": sigma, **params}
        result = estimate_entropy(samples, name, random_state=seed, **own)  # type: ignore[arg-type]
        has_error = result.standard_error == result.standard_error
        records.append(
            {
                "estimator": text,
                "value": result.value,
                "standard_error": result.standard_error if has_error else None,
                "confidence_interval": list(result.confidence_interval) if has_error else None,
                "diagnostics": result.diagnostics,
            }
        )
    n, dim = samples.shape
    rows = [
        (
            str(record["estimator"]),
            f"{record['value']:.6g}",
            f"{record['standard_error']:.1e}" if record["standard_error"] is not None else "-",
            ", ".join(f"{k}={_short(v)}" for k, v in record["diagnostics"].items()),
        )
        for record in records
    ]
    what = "h(T)" if sigma is None else f"h(S+Z), sigma = {sigma}"
    show(
        Printout(
            data={"file": str(file), "n": n, "d": dim, "sigma": sigma, "estimates": records},
            records=[{k: v for k, v in r.items() if k in _CSV_COLUMNS} for r in records],
            tables=[
                Table(("estimator", "nats", "numerical error", "diagnostics"), rows, gaps=False)
            ],
            notes=["The numerical error is not the error of the estimate: that depends on n."],
            heading=f"{file.name}: {what}, n = {n}, d = {dim}",
        ),
        format_,
    )


_CSV_COLUMNS = ("estimator", "value", "standard_error")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
