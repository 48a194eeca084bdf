"""What the debate's papers say of I(X;T) in training, held against every estimate of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from entbench._base import Claim, ExperimentResult, ResultTable


class Measured(NamedTuple):
    """What an estimate is of: the network it looks at, and the quantity."""

    network: str
    quantity: str


ESTIMATES = {
    "bin-0.07": Measured("without noise", "H(Bin(T)), bins of 0.07"),
    "bins-30": Measured("without noise", "H(Bin(T)), 30 bins in [-1, 1]"),
    "kt-lower": Measured("without noise", "I(X;T+N), N assumed: lower bound"),
    "kt-upper": Measured("without noise", "I(X;T+N), N assumed: upper bound"),
    "ksg": Measured("without noise", "I(X;T+N), N assumed"),
    "sp-mi": Measured("noise inside", "I(X;T)"),
    "ksg-noisy": Measured("noise inside", "I(X;T)"),
}
# what is compared: the two bounds are the ends of one interval
INTERVALS = ("bin-0.07", "bins-30", "kt", "ksg", "sp-mi", "ksg-noisy")
PAIRS = len(INTERVALS) * (len(INTERVALS) - 1) // 2
SAME = (("kt", "ksg"), ("sp-mi", "ksg-noisy"))
_ROUNDING = 1e-9  # nats
_FALL = 0.2  # nats; less counts as no compression, as for the noisy networks

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
        ends = (f"{low:.3f} to {high:.3f}" for low, high in zip(*_band(last), strict=True))
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
    measured = f"all layers: {least:.4f} nats"
    if least < limit - _ROUNDING:
        measured = f"of {limit:.4f} nats, the least: {least:.4f} (layer {layer}, epoch {epoch})"
    return Claim(claim, "plane paper, section 2.3", measured, least >= limit - _ROUNDING)


def _compresses(name: str, curves: Sequence[Curve]) -> Claim:
    """Return whether the last hidden layer ends below its largest value, by each estimate.

    By what its errors allow at the least: 2 errors to each side, or the 95 % interval. The claim is
    that it does where units saturate, and that it does not where none does.
    """
    saturates = "tanh" in curves[0][0].params["activation"]
    falls = {estimate: [_fall(curve, estimate) for curve in curves] for estimate in ESTIMATES}
    seen = {estimate: sum(fall >= _FALL for fall in each) for estimate, each in falls.items()}
    most = [estimate for estimate, count in seen.items() if 2 * count > len(curves)]
    spans = ", ".join(
        f"{estimate} {min(each):.2f}" + (f" to {max(each):.2f}" if len(each) > 1 else "")
        for estimate, each in falls.items()
    )
    found = f"in most of {len(curves)} seeds" if len(curves) > 1 else "here"
    measured = f"falls at the least by: {spans}; 0.2 or more {found}: {', '.join(most) or 'none'}"
    holds = {len(curves) * len(seen): saturates, 0: not saturates}.get(sum(seen.values()))
    if saturates:
        claim, where = "the last hidden layer compresses in training", "Shwartz-Ziv & Tishby"
    else:
        claim, where = "the last hidden layer does not compress", "Saxe et al."
    return Claim(f"{claim}, {name}", where, measured, holds)


def _one_thing(name: str, curves: Sequence[Curve]) -> Claim:
    claim = f"what is called I(X;T) depends on who estimates it, {name}"
    spots = _spots(curves)
    some = sum(bool(pairs) for pairs in spots)
    measured = (
        f"beyond their errors at {some} of {len(spots)} layers and epochs, up to "
        f"{max(map(len, spots))} of {PAIRS} pairs"
    )
    return Claim(claim, "the debate itself", measured, some > 0)


def _same(name: str, curves: Sequence[Curve], first: str, second: str) -> Claim:
    """Return whether two estimates of one quantity meet; where not, one is wrong, or its error."""
    claim = f"{second} agrees with {first}, of one quantity, {name}"
    spots = _spots(curves)
    meet = sum([first, second] not in pairs for pairs in spots)
    measured = f"within their errors at {meet} of {len(spots)} layers and epochs"
    holds = {len(spots): True, 0: False}.get(meet)
    return Claim(claim, "ours", measured, holds)


def _spots(curves: Sequence[Curve]) -> list[list[list[str]]]:
    return [pairs for curve in curves for each in curve for pairs in each.result["apart"]]


def _fall(curve: Curve, estimate: str) -> float:
    """Return by how much the last layer ends below its largest value, at the least, in nats."""
    ends: list[tuple[float, float]] = []
    for each in curve:
        low, high = _band(each.result) if estimate == "sp-mi" else _ends(each.result, estimate)
        ends.append((low[-1], high[-1]))
    return max(0.0, max(low for low, _ in ends) - ends[-1][1])


def _band(result: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    return result["low"], result["high"]


def _ends(result: Mapping[str, Any], estimate: str) -> tuple[list[float], list[float]]:
    slack = [2.0 * (error or 0.0) for error in result[f"{estimate} error"]]
    pairs = list(zip(result[estimate], slack, strict=True))
    return [value - each for value, each in pairs], [value + each for value, each in pairs]


def _named(key: str, value: Any) -> str:
    return f"sigma = {value:g}" if key == "sigma" else str(value)


def _said(value: float, error: float | None) -> str:
    return f"{value:.3f} ± {error:.3f}" if error else f"{value:.3f}"
