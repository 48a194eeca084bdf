"""What the noisy networks' paper says of its networks on MNIST, held against results."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from entbench._base import Claim, ExperimentResult, ResultTable
from entbench.networks._clusters import slopes
from entbench.networks.experiments._verdict import (
    LEAST_ALONE,
    LEAST_SEEDS,
    ROUNDING,
    Effect,
    Span,
    Verdict,
    above,
    absent,
    alike,
    all_of,
    below,
    has_learned,
    judged,
    span_text,
    too_short,
    within,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

Noise = float | str

# Table 1: errors of 10,000, mean and standard deviation over eight seeds
PAPER: dict[Noise, str] = {
    0.0: "50 ± 4.6",
    0.05: "50 ± 5.0",
    0.1: "51 ± 6.9",
    0.2: "86 ± 9.8",
    0.5: "2200 ± 520",
    "dropout": "39 ± 3.9",
}
_SMALL, _LARGE = 0.1, 0.5
_UNCHANGED, _RUINED = 0.25, 10.0  # more errors by this share; this many times as many
_NEAR_LOG, _APART = 0.99, 0.1  # of log m; of probability
_CLASSES = 10
_NEEDED = 16  # epochs: those of the default


def claims_of(results: Sequence[ExperimentResult], widths: Sequence[float]) -> list[Claim]:
    """Return the claims of section 2 and of section 5's last part."""
    if not results:
        return []
    shown = [curve for curve in _curve(results, _shown(results)) if _has_learned(curve)]
    return [
        *_error_claims(results),
        *_angle_claims(results),
        *_cluster_claims(shown, widths),
    ]


def table_1(results: Sequence[ExperimentResult]) -> list[ResultTable]:
    """Return errors by noise, mean and standard deviation over the seeds."""
    errors = _last_errors(results)
    if not errors:
        return []
    one = next(each for each in results if each.step["what"] == "epoch")
    tested = one.result["tested"]
    renewed = _renormalised(results)
    rows: list[tuple[str, ...]] = []
    for noise, by_seed in errors.items():
        counts = np.array(list(by_seed.values()))
        share, seeds = f"{100.0 * counts.mean() / tested:.2f}", str(len(counts))
        anew = _mean_of(np.array(renewed.get(noise, [])))
        rows.append((name_of(noise), _mean_of(counts), share, seeds, anew, PAPER.get(noise, "")))
    title = f"Table 1: errors of {tested} test images of {one.result['data']}"
    headers = ("network", "errors", "%", "seeds", "renormalised", "paper, of 10000")
    return [ResultTable(title, headers, rows)]


def _mean_of(counts: NDArray[np.int64]) -> str:
    if not len(counts):
        return ""
    return f"{counts.mean():.1f}" + (f" ± {counts.std(ddof=1):.1f}" if len(counts) > 1 else "")


def _renormalised(results: Sequence[ExperimentResult]) -> dict[Noise, list[int]]:
    """Return errors with batch normalisation anew, by noise."""
    found: dict[Noise, list[int]] = {}
    for each in results:
        if each.step["what"] == "cosine":
            found.setdefault(each.params["noise"], []).append(each.result["renormalised_errors"])
    return found


def name_of(noise: Noise) -> str:
    """Return what the paper calls a network with this noise in training."""
    if isinstance(noise, str):
        return "dropout, p = 0.2"
    return f"noisy, sigma = {noise:g}" if noise else "deterministic"


def noise_order(noise: Noise) -> tuple[bool, float]:
    """Return a key by which noises stand as in the paper: by strength, then dropout."""
    return (True, 0.0) if isinstance(noise, str) else (False, noise)


def _shown(results: Sequence[ExperimentResult]) -> Noise:
    """Return the noise of the network that section 5 looks into: dropout, if it is there."""
    noises: set[Noise] = {each.params["noise"] for each in results}
    return max(noises, key=noise_order)


def _curve(results: Sequence[ExperimentResult], noise: Noise) -> list[list[ExperimentResult]]:
    """Return the epochs of networks with that noise, in order, by seed."""
    seeds: dict[int, list[ExperimentResult]] = {}
    for each in results:
        if each.params["noise"] == noise and each.step["what"] == "epoch":
            seeds.setdefault(each.params["seed"], []).append(each)
    return [sorted(found, key=lambda each: each.step["epoch"]) for found in seeds.values()]


def size_of(results: Sequence[ExperimentResult]) -> str:
    """Return how long training was, beside the paper's."""
    if not results:
        return ""
    epochs, images = (max(each.params[name] for each in results) for name in ("epochs", "images"))
    return f"after {epochs} epochs of up to {images} images; the paper: 128 of 60000"


def _last_errors(results: Sequence[ExperimentResult]) -> dict[Noise, dict[int, int]]:
    """Return errors after the last epoch, by noise and seed."""
    found: dict[Noise, dict[int, int]] = {}
    for each in results:
        if each.step["what"] == "epoch" and each.step["epoch"] == each.params["epochs"]:
            noise, seed = each.params["noise"], each.params["seed"]
            found.setdefault(noise, {})[seed] = each.result["errors"]
    return {noise: found[noise] for noise in sorted(found, key=noise_order)}


def _times(errors: dict[Noise, dict[int, int]], noise: Noise) -> Effect | None:
    """Return how many times the errors of no noise there are, paired by seed.

    The variance is no less than that of counts of independent errors, so that a lucky few seeds do
    not pass for certainty. None where networks without noise are not there or have not learned.
    """
    seeds = sorted(errors.get(0.0, {}).keys() & errors.get(noise, {}).keys())
    before, after = (
        np.array([errors[which][seed] for seed in seeds], dtype=np.float64)
        for which in (0.0, noise)
    )
    if not before.sum():
        return None
    base, times = float(before.mean()), float(after.mean() / before.mean())
    counted = (after.mean() + times**2 * base) / base**2
    return Effect.mean((after - times * before) / base, counted)._replace(value=times)


def _error_claims(results: Sequence[ExperimentResult]) -> list[Claim]:
    errors = _last_errors(results)
    numbers = [noise for noise in errors if isinstance(noise, float) and noise > 0.0]
    small = [noise for noise in numbers if noise <= _SMALL]
    large = [noise for noise in numbers if noise >= _LARGE]
    plain = [curve for curve in _curve(results, 0.0) if not _has_learned(curve)]
    found = (
        ("noise with sigma <= 0.1 in training leaves the errors unchanged", small, _UNCHANGED_IS),
        ("dropout makes fewer errors than no noise", ["dropout"], _FEWER_IS),
        ("noise with sigma = 0.5 ruins the network", large[:1], _RUINED_IS),
    )
    why = "a network without noise has not learned" if plain else "not in this run"
    return [
        _error_claim(claim, [] if plain else noises, rule, results, why)
        for claim, noises, rule in found
    ]


def _error_claim(
    claim: str,
    noises: Sequence[Noise],
    rule: Rule,
    results: Sequence[ExperimentResult],
    why: str,
) -> Claim:
    errors = _last_errors(results)
    times = {noise: each for noise in noises if (each := _times(errors, noise))}
    if not times:
        return absent(claim, "Table 1", why)
    measured = ", ".join(f"{name_of(noise)}: {_said(each)}" for noise, each in times.items())
    renewed = _renormalised(results)
    if rule is _RUINED_IS and noises[0] in renewed and 0.0 in renewed:
        anew = np.mean(renewed[noises[0]]) / max(float(np.mean(renewed[0.0])), 1.0)
        measured += f"; {anew:.1f} times with batch normalisation's means and variances taken anew"
    holds = all_of(list(times.values()), rule.test)
    measured = f"times the errors: {measured}; {rule.words}"
    return judged(claim, "Table 1", measured, holds, short=_short(results))


class Rule(NamedTuple):
    """What number of times the errors of no noise a claim asks for."""

    words: str
    test: Callable[[Span], Verdict]


_UNCHANGED_IS = Rule(
    f"{100 * _UNCHANGED:g} % more or less count as none",
    lambda span: within((span[0] - 1.0, span[1] - 1.0), _UNCHANGED),
)
_FEWER_IS = Rule("less than 1 is asked", lambda span: below(span, 1.0))
_RUINED_IS = Rule("tenfold counts as ruined", lambda span: above(span, _RUINED))


def _said(times: Effect) -> str:
    if not math.isfinite(times.below):
        return f"{times.value:.2f} (fewer than {LEAST_SEEDS} seeds)"
    return f"{times.value:.2f} ({span_text(times.interval())})"


def _has_learned(curve: Sequence[ExperimentResult]) -> bool:
    last = curve[-1].result
    return has_learned(1.0 - last["errors"] / last["tested"], 1.0 / _CLASSES)


def _short(results: Sequence[ExperimentResult]) -> str:
    return too_short(max(each.params["epochs"] for each in results), _NEEDED)


def _angle_claims(results: Sequence[ExperimentResult]) -> list[Claim]:
    found: dict[Noise, dict[int, list[float]]] = {}
    for each in results:
        if each.step["what"] == "cosine" and each.params["noise"] != 0.0:
            seeds = found.setdefault(each.params["noise"], {})
            seeds[each.params["seed"]] = each.result["cosine"]
    short = _short(results)
    return [_falls_with_noise(found, short), _lower_inside(found, short)]


def _falls_with_noise(cosines: dict[Noise, dict[int, list[float]]], short: str) -> Claim:
    claim = "the more noise, the less layers are like those of the network without"
    where = "Fig. 3"
    by_noise = {n: seeds for n, seeds in cosines.items() if isinstance(n, float)}
    if len(by_noise) < 2:
        return absent(claim, where)
    order = sorted(by_noise)
    falls = []
    for less, more in pairwise(order):
        both = sorted(by_noise[less].keys() & by_noise[more].keys())
        falls.append(
            Effect.mean(
                [float(np.mean(by_noise[less][s]) - np.mean(by_noise[more][s])) for s in both]
            )
        )
    means = ", ".join(
        f"sigma = {noise:g}: {np.mean(list(by_noise[noise].values())):.3f}" for noise in order
    )
    steps = ", ".join(_fall_text(fall) for fall in falls)
    measured = f"mean cosine of the 4 layers: {means}; falls from each to the next: {steps}"
    return judged(claim, where, measured, all_of(falls, _positive), short=short)


def _lower_inside(cosines: dict[Noise, dict[int, list[float]]], short: str) -> Claim:
    claim, where = "layers 2 and 3 are less alike than 1 and 4", "Fig. 3"
    if not cosines:
        return absent(claim, where)
    seeds = set.intersection(*(set(each) for each in cosines.values()))
    layers = {seed: np.mean([each[seed] for each in cosines.values()], axis=0) for seed in seeds}
    less = Effect.mean([float(min(one[0], one[3]) - one[1:3].max()) for one in layers.values()])
    every = np.mean([one for each in cosines.values() for one in each.values()], axis=0)
    means = ", ".join(f"{value:.2f}" for value in every)
    measured = f"cosines of layers 1 to 4: {means}; the gap: {_fall_text(less)}"
    return judged(claim, where, measured, _positive(less.interval()), short=short)


def _positive(span: Span) -> Verdict:
    return above(span, ROUNDING)


def _fall_text(fall: Effect, seeds: int = LEAST_SEEDS) -> str:
    if not math.isfinite(fall.below):
        return f"{fall.value:.3f} (fewer than {seeds} seeds)"
    return f"{fall.value:.3f} ({span_text(fall.interval(), '.3f')})"


def _cluster_claims(
    curves: Sequence[Sequence[ExperimentResult]], widths: Sequence[float]
) -> list[Claim]:
    if not curves:
        return []
    last = curves[0][-1]
    of = name_of(last.params["noise"])
    log_m = math.log(last.result["tested"])
    binned = np.array([each.result["binned"] for curve in curves for each in curve]).min(axis=0)
    inner = ", ".join(f"{value:.3f}" for value in binned[:3])
    most = _CLASSES * math.log(2.0)
    short = too_short(last.step["epoch"], _NEEDED)
    return [
        judged(
            "with two bins a unit, layers 1 to 3 are nearly injective at all epochs",
            "Fig. 7",
            f"{of}: H(Bin) at least {inner}; {_NEAR_LOG:g} log m = {_NEAR_LOG * log_m:.3f}",
            bool((binned[:3] >= _NEAR_LOG * log_m).all()),
            short=short,
            lasting=False,
        ),
        judged(
            "and so is layer 4",
            "Fig. 7",
            f"{of}: at least {binned[3]:.3f}; 10 units have {most:.3f} at most",
            bool(binned[3] >= _NEAR_LOG * log_m),
            short=short,
            lasting=False,
        ),
        _units_claim(curves, widths, of, short),
        _distance_claim(curves, of, short),
    ]


def unit_slopes(curves: Sequence[Sequence[ExperimentResult]]) -> np.ndarray[Any, Any]:
    """Return slopes of H(Bin(T(k))) in nats an epoch, shape (widths, seeds * units).

    From epoch 1 on, as in the paper: before, there is no batch normalisation to speak of.
    """
    found = []
    for curve in curves:
        trained = [each for each in curve if each.step["epoch"] > 0]
        epochs = [each.step["epoch"] for each in trained]
        values = np.array([each.result["unit_binned"] for each in trained])
        found.append(slopes(epochs, values.reshape(len(epochs), -1)).reshape(values.shape[1:]))
    return np.concatenate(found, axis=1)


def _units_claim(
    curves: Sequence[Sequence[ExperimentResult]], widths: Sequence[float], of: str, short: str
) -> Claim:
    """Return whether the slopes of most units are negative, whatever the bins, over seeds.

    Units of one network move together: networks count, and not units.
    """
    claim, where = "H(Bin(T(k))) of most units of layer 3 falls after epoch 1", "section 5"
    if min(len(curve) for curve in curves) < 4:
        return absent(claim, where, "too few epochs for a slope")
    slopes_of = [unit_slopes([curve]) for curve in curves]
    shares = [(each < 0.0).mean(axis=1) for each in slopes_of]
    units = slopes_of[0].shape[1]
    least = Effect.mean([float(each.min()) for each in shares], 0.25 / units, LEAST_ALONE)
    by_width = ", ".join(f"{100 * share:.0f} %" for share in np.mean(shares, axis=0))
    measured = (
        f"{of}: units that fall with bins of {widths[0]:g} to {widths[-1]:g}: {by_width}; the "
        f"least share of each seed: {_fall_text(least, LEAST_ALONE)}, of which 0.5 is asked"
    )
    return judged(claim, where, measured, above(least.interval(), 0.5), short=short)


def _distance_claim(curves: Sequence[Sequence[ExperimentResult]], of: str, short: str) -> Claim:
    claim = "layers 3 and 4 set classes apart after one epoch, layers 1 and 2 never do"
    where = "Fig. 8"
    firsts = [curve[1].result["nearer"] for curve in curves if len(curve) > 1]
    lasts = [curve[-1].result["nearer"] for curve in curves if len(curve) > 1]
    if not firsts:
        return absent(claim, where)
    shown = [_sets_apart(*pair) for pair in zip(firsts, lasts, strict=True)]
    first, last = (np.mean(each, axis=0) for each in (firsts, lasts))
    said = " ".join(f"{value:.2f}" for value in last[1:])
    measured = (
        f"{of}: a pair of one class is nearer than one of two with probability {last[0]:.2f} in "
        f"the input; layers 1 to 4 in the end {said}; 3 and 4 after one epoch "
        f"{first[3]:.2f} {first[4]:.2f}; {_APART:g} more count, in {shown.count(True)} of "
        f"{len(shown)} seeds"
    )
    return judged(claim, where, measured, alike(shown), short=short)


def _sets_apart(first: Sequence[float], last: Sequence[float]) -> bool:
    apart = all(value >= first[0] + _APART for value in first[3:])
    return apart and all(abs(value - last[0]) < _APART for value in last[1:3])
