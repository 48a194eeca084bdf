"""``entbench reference``: what is true of a source, and how well that is known."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from entbench._text import bound_text, difference_text, line_of, value_text
from entbench.cli._common import assignments, format_option, load_plugins, plugin_option, show
from entbench.cli._progress import progress

if TYPE_CHECKING:
    from entbench._base import PairSource, Reference, ReferenceCheck, Source
    from entbench.report import Printout
    from entbench.runner import Store
    from entbench.runner._certificate_rows import Certificate
    from entbench.runner._certificates import Verification

_ADVICE = (
    "! no second evaluation: nothing but the source itself supports this value. Its `reference` "
    "should add a ReferenceCheck, computed by another route"
)


@click.command()
@click.argument("source")
@click.argument("tokens", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--error",
    type=float,
    help="Bound on the error to reach, in nats. Default: what is computed, or 0.005 by sampling.",
)
@click.option(
    "--confidence",
    type=float,
    default=0.95,
    show_default=True,
    help="Of that bound, where sampling goes into it.",
)
@click.option("--verify", is_flag=True, help="Evaluate another way, and compare.")
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="File of stored results, where truths that take sampling are kept too.",
)
@plugin_option
@format_option
def reference(
    source: str,
    tokens: Sequence[str],
    error: float | None,
    confidence: float,
    verify: bool,
    store: Path | None,
    plugins: Sequence[str],
    format_: str,
) -> None:
    """Print the true h(S+Z), or I(X;Y), of a source.

    In nats, with a bound on its error, the confidence of that bound, the method, and a second
    evaluation beside it. A truth that takes sampling is made once and kept. An exact one is made
    anew each time, its check too, and --verify holds it against that. A truth that a second
    evaluation contradicts, beyond the errors of both, is not printed; nor is one of which two
    stored certificates contradict each other. A truth without a second evaluation is marked.

    Exit code 0: done; 1: --verify contradicts the value; 2: wrong usage, or no value that holds.
    """
    from entbench import _registry
    from entbench._validation import check_positive
    from entbench.runner import _certificates as certificates
    from entbench.runner import parse_scalar
    from entbench.runner._plan import source_spec

    load_plugins(plugins)
    if error is not None:
        check_positive("error", error)
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"`confidence` must lie in (0, 1); got {confidence!r}.")
    params = {key: parse_scalar(key, text) for key, text in assignments(tokens).items()}
    made = _registry.make_source(source, params)
    spec, second = source_spec(source, made), None
    with progress():
        with _opened(made, store) as opened:
            found = certificates.reference_of(spec, made, error, confidence, opened)
        if verify:
            second = certificates.verify(made, found.reference, error, confidence)
    if second is not None and not second.agrees:
        line = line_of(certificates.refusal(found.reference, second, source))
        click.echo(f"entbench: error: {line}", err=True)
        sys.exit(1)
    show(_printout(source, made, found, second), format_)


@contextmanager
def _opened(source: Source | PairSource, path: Path | None) -> Iterator[Store | None]:
    """Open the store where the source's truth may be kept; for no other is one made."""
    from entbench.runner import Store, default_path
    from entbench.runner._certificates import is_sampled

    if not is_sampled(source):
        yield None
        return
    with Store(default_path() if path is None else path) as store:
        yield store


def _printout(
    name: str,
    source: Source | PairSource,
    certificate: Certificate,
    second: Verification | None,
) -> Printout:
    from entbench.report import Printout, Table

    truth = certificate.reference
    known = source.facts()
    facts = {k: v for k, v in asdict(known).items() if v is not None} if known else {}
    params = source.get_params()
    data = {"source": name, "params": params, **asdict(truth), "versions": certificate.versions}
    data |= {"checks": list(data["checks"]), "note": truth.note, "facts": _finite(facts)}
    data |= {"certificate": certificate.id or None}
    record = {"source": name, **params, "value": truth.value, "error": truth.error}
    record |= {"confidence": truth.confidence, "method": truth.method, "note": truth.note}
    rows = _known(truth)
    if second is not None:
        data["verification"] = {**asdict(second), "agrees": second.agrees}
        record["agrees"] = second.agrees
        rows.append(("verified", _verdict(second, truth)))
    if certificate.id:
        rows.append(("certificate", certificate.id))
    rows += [(key.replace("_", " "), _fact(key, value)) for key, value in facts.items()]
    label = ", ".join(f"{key} = {value}" for key, value in params.items())
    table = Table(("", ""), rows, left=2, gaps=False)
    notes = [] if truth.checks else [_ADVICE]
    return Printout(data, [record], [table], notes, f"{name}: {label}")


def _known(truth: Reference) -> list[tuple[str, str]]:
    """Return the rows of the value and its checks."""
    rows = [
        (truth.quantity, f"{value_text(truth.value, truth.error, truth.confidence)} nats"),
        ("error", f"<= {bound_text(truth.error)} nats"),
        ("confidence", f"{truth.confidence:g}"),
        ("method", truth.method),
    ]
    checks = [f"{each.method}: {_distance(each, truth)}" for each in truth.checks]
    return rows + [("check", text) for text in checks or [truth.note]]


def _distance(check: ReferenceCheck, truth: Reference) -> str:
    """Return how far away a check is, and how loose it is where that is more than the error."""
    from entbench.runner._certificates import allowed_of

    distance = difference_text(check.difference, truth.error, truth.confidence)
    differs = f"differs by {distance} nats"
    allowed = allowed_of(truth, check)
    if check.difference > allowed:
        return f"{differs}, more than the {allowed:.1e} ALLOWED"
    if check.error is not None and check.error > truth.error:
        return f"{differs}; its own error is {bound_text(check.error)}"
    if check.difference <= truth.error:
        return differs
    return f"{differs}; looser than the error, it may by {allowed:.1e}"


def _verdict(second: Verification, truth: Reference) -> str:
    distance = difference_text(second.difference, truth.error, truth.confidence)
    differs = f"differs by {distance}, allowed {second.allowed:.1e}"
    if not second.fresh:
        return f"agrees with its check above, an evaluation of its own: {differs}"
    return f"agrees with {second.method}: {second.value:.10g} nats, {differs}"


def _fact(key: str, value: object) -> str:
    return f"<= {_text(value)}" if key == "decoding_error" else _text(value)


def _text(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _finite(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts with infinities as None, for JSON."""
    infinite = {float("inf"), float("-inf")}
    return {key: None if value in infinite else value for key, value in facts.items()}
