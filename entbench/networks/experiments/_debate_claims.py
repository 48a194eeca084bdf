"""What the debate's papers say of I(X;T) in training, held against every estimate of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from entbench._base import Claim, ExperimentResult, ResultTable
from entbench.networks.experiments._verdict import (
    GIVEN,
    ROUNDING,
    Levels,
    Span,
    above,
    absent,
    alike,
    below,
    has_learned,
    judged,
    normal_quantile,
    span_text,
    too_short,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_NOISY = "noise inside"


class Measured(NamedTuple):
    """What an estimate is of: the network it looks at, the quantity, and whether it is exact."""

    network: str
    quantity: str
    counted: bool = False


ESTIMATES = {
    "bin-0.07": Measured("without noise", "H(Bin(T)), bins of 0.07", True),
    "bins-30": Measured("without noise", "H(Bin(T)), 30 bins in [-1, 1]", True),
    "kt-lower": Measured("without noise", "I(X;T+N), N assumed: lower bound", True),
    "kt-upper": Measured("without noise", "I(X;T+N), N assumed: upper bound", True),
    "ksg": Measured("without noise", "I(X;T+N), N assumed"),
    "sp-mi": Measured(_NOISY, "I(X;T)"),
    "ksg-noisy": Measured(_NOISY, "I(X;T)"),
}
# what is compared: the two bounds are the ends of one interval
INTERVALS = ("bin-0.07", "bins-30", "kt", "ksg", "sp-mi", "ksg-noisy")
PAIRS = len(INTERVALS) * (len(INTERVALS) - 1) // 2
_BAND = "kt"
SAME = ((_BAND, "ksg"), ("sp-mi", "ksg-noisy"))
_FALL = 0.2  # nats; less counts as no compression, as for the noisy networks
_SAME = 0.1  # nats; less counts as the same
_RUNNING = 3  # recorded epochs
_LOW, _HIGH = range(2)
_NEEDED = 2000  # epochs: those of the default
_CLASSES = {True: 2, False: 3}

_DIFFER = ("data", "hidden", "activation", "sigma")

Curve = list[ExperimentResult]


def curves_of(results: Sequence[ExperimentResult]) -> dict[str, list[Curve]]:
    """Return a curve for each seed, in order of epochs, by what tells settings apart."""
    differ = [name for name in _DIFFER if len({each.params[name] for each in results}) > 1]
    found: dict[str, dict[int, Curve]] = {}
    for each in results:
        params = each.params
        name = ", ".join(_named(key, params[key]) for key in differ or ["activation"])
        found.setdefault(name, {}).setdefault(params["seed"], []).append(each)
    return {
        name: [sorted(curve, key=lambda each: each.step["epoch"]) for curve in seeds.values()]
        for name, seeds in found.items()
    }


def claims_of(results: Sequence[ExperimentResult]) -> list[Claim]:
    """Return what is said of compression, and whether the estimates agree, by setting."""
    found: list[Claim] = []
    for name, curves in curves_of(results).items():
        found += [_constant(name, curves), _compresses(name, curves), _one_thing(name, curves)]
        found += [_same(name, curves, *pair) for pair in SAME]
    return found


def last_table(results: Sequence[ExperimentResult]) -> list[ResultTable]:
    """Return every estimate after the last epoch: value ± stated error, by layer, of one seed."""
    found = []
    for name, (curve, *_) in curves_of(results).items():
        last = curve[-1].result
        layers = range(len(last["exact"]))
        rows = [
            (
                f"{estimate}: {of.quantity}, {of.network}",
                *(_said(last[estimate][at], last[f"{estimate} error"][at]) for at in layers),
            )
            for estimate, of in ESTIMATES.items()
        ]
        ends = (span_text(ends, ".3f") for ends in zip(last["low"], last["high"], strict=True))
        rows.append(("sp-mi's 95 % interval", *ends))
        rows.append(("exact: I(X;T), without noise", *(f"{each:.3f}" for each in last["exact"])))
        apart = (str(len(pairs)) for pairs in last["apart"])
        rows.append((f"pairs of {PAIRS} that disagree", *apart))
        title = (
            f"{name}: estimates ± stated errors after epoch {curve[-1].step['epoch']}, "
            f"seed {curve[-1].params['seed']} (nats)"
        )
        found.append(ResultTable(title, ("estimate", *(f"layer {at + 1}" for at in layers)), rows))
    return found


def size_of(results: Sequence[ExperimentResult]) -> str:
    """Return accuracies at the end, without noise, mean over seeds."""
    said = []
    for name, curves in curves_of(results).items():
        ends = [curve[-1].result for curve in curves]
        plain, noisy = (
            sum(each[key] for each in ends) / len(ends) for key in ("accuracy", "noisy_accuracy")
        )
        said.append(f"{plain:.3f} and {noisy:.3f} ({name})")
    return f"accuracy without and with noise in training: {'; '.join(said)}" if said else ""


def _constant(name: str, curves: Sequence[Curve]) -> Claim:
    claim = f"I(X;T) of a network without noise is H(X) throughout, {name}"
    limit = curves[0][0].result["input_limit"]
    least, layer, epoch = min(
        (value, layer, each.step["epoch"])
        for curve in curves
        for each in curve
        for layer, value in enumerate(each.result["exact"], 1)
    )
    short_of = limit - least
    measured = f"all layers: {limit:.4f} nats"
    if short_of > ROUNDING:
        measured = (
            f"of {limit:.4f} nats up to {short_of:.2g} lack (layer {layer}, epoch {epoch}): "
            "some rows of it are equal"
        )
    return judged(
        *(claim, "plane paper, section 2.3", measured, short_of <= ROUNDING),
        short=_short(curves),
        lasting=False,
    )


def _compresses(name: str, curves: Sequence[Curve]) -> Claim:
    """Return whether the last hidden layer ends below its largest value, by each estimate.

    Where units saturate the claim is that it does, by all of them; where none does, that it does
    not, by any.
    """
    saturates = "tanh" in curves[0][0].params["activation"]
    test = above if saturates else below
    falls = {
        estimate: [_last_layer(curve, estimate).fall() for curve in curves if _learned(curve, of)]
        for estimate, of in ESTIMATES.items()
    }
    if saturates:
        claim, where = "the last hidden layer compresses in training", "Shwartz-Ziv & Tishby"
    else:
        claim, where = "the last hidden layer does not compress", "Saxe et al."
    claim += f", {name}"
    if not all(falls.values()):
        return absent(claim, where, "no network with noise, or none without, has learned")
    said = ", ".join(
        f"{estimate} {span_text((min(low for low, _ in spans), max(high for _, high in spans)))}"
        for estimate, spans in falls.items()
    )
    count = min(map(len, falls.values()))
    seeds = f" in {count} of {len(curves)} seeds, which have learned" if len(curves) > 1 else ""
    measured = f"falls{seeds} by: {said}; {_FALL:g} or more count"
    holds = alike(test(span, _FALL) for spans in falls.values() for span in spans)
    return judged(claim, where, measured, holds, short=_short(curves), lasting=saturates)


def _one_thing(name: str, curves: Sequence[Curve]) -> Claim:
    """Return whether two estimates differ by more than is of account, beyond all errors together.

    Of so many intervals some are wrong: those here hold together in 95 %, if errors are normal. As
    they may not be, a gap counts that three recorded epochs running show.
    """
    claim = f"what is called I(X;T) depends on who estimates it, {name}"
    pairs = [(one, other) for at, one in enumerate(INTERVALS) for other in INTERVALS[:at]]
    gaps = np.stack([_gaps(curves, one, other) for one, other in pairs])
    lasting = gaps[..., _LOW] >= _SAME  # by pair, curve, epoch and layer
    apart = lasting.sum(axis=0)
    widest = _widest(gaps)
    measured = (
        f"up to {span_text(widest)} nats apart; {_SAME:g} or more, beyond their errors and at "
        f"{_RUNNING} recorded epochs running, at {int((apart > 0).sum())} of {apart.size} layers "
        f"and epochs, up to {apart.max(initial=0)} of {PAIRS} pairs"
    )
    holds = above(widest, _SAME)
    return judged(claim, "the debate itself", measured, holds, short=_short(curves), lasting=True)


def _same(name: str, curves: Sequence[Curve], first: str, second: str) -> Claim:
    """Return whether two estimates of one quantity are equal, but for 0.1 nats.

    Where they are not, one is wrong, or its error.
    """
    claim = f"{second} agrees with {first}, of one quantity, {name}"
    widest = _widest(_gaps(curves, first, second))
    measured = f"up to {span_text(widest)} nats apart; less than {_SAME:g} at all epochs is asked"
    return Claim(claim, "ours", measured, below(widest, _SAME))


def _widest(gaps: Floats) -> Span:
    """Return the largest gap: at the least the one that lasts, at the most the one anywhere."""
    return float(gaps[..., _LOW].max(initial=0.0)), float(gaps[..., _HIGH].max())


def _gaps(curves: Sequence[Curve], one: str, other: str) -> Floats:
    """Return how far two estimates are apart: least and most, by curve, epoch and layer.

    The least is that of three epochs running, at the last of them; none where there are fewer. If
    the first is a band of two bounds, the most is how far the second may be outside. An estimate
    without an error may be anywhere.
    """
    first, second = (_intervals(curves, name) for name in (one, other))
    (low, high), (least, most) = (np.moveaxis(each, -1, 0) for each in (first, second))
    near = np.maximum(0.0, np.maximum(low - most, least - high))
    far = np.maximum(high - least, most - low)
    if one == _BAND:
        far = np.maximum(0.0, np.maximum(low - least, most - high))
    lasting = np.zeros_like(near)
    if near.shape[1] >= _RUNNING:
        running = np.lib.stride_tricks.sliding_window_view(near, _RUNNING, axis=1)
        lasting[:, _RUNNING - 1 :] = running.min(axis=-1)
    return np.stack([lasting, far], axis=-1)


def _intervals(curves: Sequence[Curve], name: str) -> Floats:
    """Return between which numbers an estimate is, for all together, by curve, epoch and layer."""

    def table(key: str) -> Floats:
        found = [[each.result[key] for each in curve] for curve in curves]
        return np.array(found, dtype=np.float64)  # None becomes nan

    if name == _BAND:
        return np.stack([table("kt-lower"), table("kt-upper")], axis=-1)
    values = table(name)
    if name == "sp-mi":
        ends = [values - table("low"), table("high") - values]
        errors = [each / GIVEN for each in ends]
    else:
        errors = [np.nan_to_num(table(f"{name} error"), nan=math.inf)] * 2
    quantile = normal_quantile(values.size * len(INTERVALS))
    return np.stack([values - quantile * errors[_LOW], values + quantile * errors[_HIGH]], axis=-1)


def _last_layer(curve: Curve, estimate: str) -> Levels:
    """Return an estimate of the last hidden layer by epoch, with its errors."""
    results = [each.result for each in curve]
    values = [each[estimate][-1] for each in results]
    if estimate == "sp-mi":
        ends = ([each[end][-1] for each in results] for end in ("low", "high"))
        return Levels.within(values, *ends)
    errors = [each[f"{estimate} error"][-1] for each in results]
    if ESTIMATES[estimate].counted:
        return Levels.counted(values)
    known = np.array([math.inf if error is None else error for error in errors])
    return Levels(np.array(values), known, known)


def _learned(curve: Curve, of: Measured) -> bool:
    accuracy = curve[-1].result["noisy_accuracy" if of.network == _NOISY else "accuracy"]
    return has_learned(accuracy, 1.0 / _CLASSES[curve[0].params["data"] == "szt"])


def _short(curves: Sequence[Curve]) -> str:
    return too_short(min(curve[-1].step["epoch"] for curve in curves), _NEEDED)


def _named(key: str, value: Any) -> str:
    return f"sigma = {value:g}" if key == "sigma" else str(value)


def _said(value: float, error: float | None) -> str:
    return f"{value:.3f} ± {error:.3f}" if error else f"{value:.3f}"
