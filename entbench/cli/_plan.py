"""``entbench plan``: how many samples, or how much noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from entbench.cli._common import assignments, format_option, sample_size, show

if TYPE_CHECKING:
    from entbench.planner import Answer, Plan
    from entbench.report import Printout

_KEYS = ("d", "sigma", "error", "n")


@click.command()
@click.argument("tokens", nargs=-1, metavar="[d=D] [sigma=SIGMA] [n=N] error=ERROR")
@click.option(
    "--pilot",
    type=click.Path(path_type=Path),
    help="Samples of S to predict from, one row each: .npy, .npz, .csv or .parquet.",
)
@click.option("--key", help="Which array of a .npz file.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn.")
@click.option("--no-time", is_flag=True, help="Do not time fits here.")
@format_option
def plan(
    tokens: Sequence[str],
    pilot: Path | None,
    key: str | None,
    seed: int,
    no_time: bool,
    format_: str,
) -> None:
    """Tell how many samples sp needs, or how much noise.

    ERROR is the mean absolute error to reach, in nats. With sigma, the n that each bound asks for
    is found, with n the smallest sigma, and with both whether they do. Bounds hold for every S in
    the cube [-1, 1]^d; a pilot sample of S tells what your own S needs. Times are predictions, from
    fits made here.

    From a pilot the table gives two n: the likely one, and the largest that fits the pilot. Plan
    with the largest. Where the pilot does not tell n, a line marked ✗ says so.
    """
    from entbench import planner
    from entbench._data import load_samples

    given = _given(tokens)
    samples = None if pilot is None else load_samples(pilot, key)
    made = planner.plan(
        given.get("d"),
        error=given["error"],
        sigma=given.get("sigma"),
        n=given.get("n"),
        pilot=samples,
        timed=not no_time,
        random_state=seed,
    )
    show(_printout(made, pilot), format_)


def _given(tokens: Sequence[str]) -> dict[str, Any]:
    from entbench._validation import unknown_name
    from entbench.runner import parse_scalar

    texts = assignments(tokens)
    for name in texts:
        if name not in _KEYS:
            raise ValueError(unknown_name("key", name, _KEYS))
    if "error" not in texts:
        raise ValueError("`error` must be given, in nats: for example error=0.05.")
    return {name: parse_scalar(name, text) for name, text in texts.items()}


def _printout(made: Plan, pilot: Path | None) -> Printout:
    from entbench.report import Printout

    records = [_plain(asdict(answer)) for answer in made.answers]
    data = _plain({k: v for k, v in asdict(made).items() if k != "answers"})
    return Printout(
        data={"file": None if pilot is None else str(pilot), **data, "answers": records},
        records=records,
        tables=[_table(made)],
        notes=[*_reading(made), *made.notes],
        heading=_heading(made, pilot),
    )


def _heading(made: Plan, pilot: Path | None) -> str:
    n = None if made.n is None else sample_size(made.n)
    known = {"d": made.d, "sigma": made.sigma, "n": n}
    setting = ", ".join(f"{name} = {value}" for name, value in known.items() if value is not None)
    source = f", pilot {pilot.name}" if pilot is not None else ""
    return f"sp to a mean absolute error of {made.error:g} nats: {setting}{source}"


def _table(made: Plan) -> Any:
    from entbench.report import Table

    answers = [answer for answer in made.answers if _says_something(answer)]
    columns: dict[str, list[str]] = {
        "by": [answer.about for answer in answers],
        "which is": [answer.kind for answer in answers],
    }
    if made.sigma is None:
        columns["sigma needed"] = [_noise(answer.sigma) for answer in answers]
    else:
        columns["n needed"] = [_samples(answer) for answer in answers]
    if made.timing is not None:
        columns["seconds"] = [_seconds(answer) for answer in answers]
    if made.sigma is not None and made.n is not None:
        columns[f"error at n = {sample_size(made.n)}"] = [_errors(answer) for answer in answers]
        columns["does"] = [_verdict(answer) for answer in answers]
    rows = list(zip(*columns.values(), strict=True))
    return Table(tuple(columns), rows, left=2, gaps=False)


def _says_something(answer: Answer) -> bool:
    """Return whether an answer is one: of sp-jackknife too small a pilot tells nothing."""
    return not (answer.at_least and answer.n is not None and math.isinf(answer.n))


def _verdict(answer: Answer) -> str:
    if answer.kind == "necessary" and answer.does is False:
        return "not for every S"
    return {True: "yes", False: "no", None: "not known"}[answer.does]


def _reading(made: Plan) -> list[str]:
    """Return how to read the kinds that are there."""
    kinds = {answer.kind for answer in made.answers}
    texts = [text for kind, text in _READING.items() if kind in kinds]
    return [*texts[:-1], _LOWER] if any(answer.at_least for answer in made.answers) else texts


_READING = {
    "sufficient": "sufficient: enough for every S in the cube [-1, 1]^d; most S need far less.",
    "bias only": "bias only: enough for the bias, not for the fluctuation.",
    "necessary": "necessary: with less, some S in the cube has a larger error; yours need not.",
    "predicted": "predicted: from the likely n to the largest that fits the pilot (95 % limits). "
    "A pilot of m rows cannot exclude many points with a mass of 3/m together.",
}
_LOWER = "predicted: ≥ marks a lower bound; the pilot does not tell n."


def _samples(answer: Answer) -> str:
    if answer.n is None:
        return "-"
    if math.isinf(answer.n):
        return {"necessary": "> 1e9", "predicted": "-"}.get(answer.kind, "> 1e300")
    text = sample_size(answer.n)
    if answer.at_least:
        return f"≥ {text}"
    if answer.likely_n is None or answer.likely_n == answer.n:
        return text
    return f"{sample_size(answer.likely_n)} to {text}"


def _seconds(answer: Answer) -> str:
    if answer.seconds is None:
        return "-"
    return f"about {float(f'{max(answer.seconds, 0.01):.1g}'):g}"


def _errors(answer: Answer) -> str:
    """Return the error at the n given; from the pilot, the likely one and the largest."""
    if answer.largest_error is None or _size(answer.error) == "-":
        return _size(answer.error)
    most = "?" if math.isinf(answer.largest_error) else _size(answer.largest_error)
    return f"{_size(answer.error)} to {most}"


def _noise(sigma: float | None) -> str:
    return "none does" if sigma is not None and math.isinf(sigma) else _size(sigma)


def _size(value: float | None) -> str:
    if value is None or math.isinf(value):
        return "-"
    return f"{value:.3g}"


def _plain(value: Any) -> Any:
    """Return plain JSON; what is not finite as None."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
