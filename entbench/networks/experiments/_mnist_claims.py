"""What the noisy networks' paper says of its networks on MNIST, held against results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from entbench._base import Claim, ExperimentResult, ResultTable
from entbench.networks._clusters import slopes

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


def claims_of(results: Sequence[ExperimentResult], widths: Sequence[float]) -> list[Claim]:
    """Return the claims of section 2 and of section 5's last part."""
    if not results:
        return []
    errors = _last_errors(results)
    shown = _curve(results, _shown(results))
    return [
        *_error_claims(errors, _renormalised(results)),
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


def _change(errors: dict[Noise, dict[int, int]], noise: Noise) -> tuple[float, float] | None:
    """Return the relative change of errors against no noise: mean and two standard errors.

    Paired by seed. The variance is the larger one of what the seeds show and of counts of
    independent errors, so that a lucky few seeds do not pass for certainty.
    """
    seeds = sorted(errors.get(0.0, {}).keys() & errors.get(noise, {}).keys())
    if not seeds:
        return None
    before = np.array([errors[0.0][seed] for seed in seeds], dtype=np.float64)
    after = np.array([errors[noise][seed] for seed in seeds], dtype=np.float64)
    if not before.mean():
        return None
    counted = float((before + after).mean())
    seen = float((after - before).var(ddof=1)) if len(seeds) > 1 else 0.0
    error = 2.0 * math.sqrt(max(counted, seen) / len(seeds))
    base = float(before.mean())
    return float((after - before).mean()) / base, error / base


def _error_claims(
    errors: dict[Noise, dict[int, int]], renewed: dict[Noise, list[int]]
) -> list[Claim]:
    numbers = [noise for noise in errors if isinstance(noise, float) and noise > 0.0]
    small = [noise for noise in numbers if noise <= _SMALL]
    return [
        _unchanged(errors, small),
        _fewer(errors),
        _ruined(errors, [noise for noise in numbers if noise >= _LARGE], renewed),
    ]


def _said(change: tuple[float, float]) -> str:
    return f"{100 * change[0]:+.0f} ± {100 * change[1]:.0f} %"


def _unchanged(errors: dict[Noise, dict[int, int]], small: Sequence[float]) -> Claim:
    claim, where = "noise with sigma <= 0.1 in training leaves the errors unchanged", "Table 1"
    changes = {noise: change for noise in small if (change := _change(errors, noise))}
    if not changes:
        return Claim(claim, where, "not in this run", None)
    measured = ", ".join(f"sigma = {noise:g}: {_said(c)}" for noise, c in changes.items())
    holds: bool | None = None
    if all(mean + error <= _UNCHANGED for mean, error in changes.values()):
        holds = True
    elif any(mean - error > _UNCHANGED for mean, error in changes.values()):
        holds = False
    return Claim(claim, where, f"errors {measured}; up to 25 % count as none", holds)


def _fewer(errors: dict[Noise, dict[int, int]]) -> Claim:
    claim, where = "dropout makes fewer errors than no noise", "Table 1"
    change = _change(errors, "dropout")
    if change is None:
        return Claim(claim, where, "not in this run", None)
    mean, error = change
    holds = None if abs(mean) <= error else mean < 0.0
    return Claim(claim, where, f"errors {_said(change)}", holds)


def _ruined(
    errors: dict[Noise, dict[int, int]], large: Sequence[float], renewed: dict[Noise, list[int]]
) -> Claim:
    claim, where = "noise with sigma = 0.5 ruins the network", "Table 1"
    change = _change(errors, large[0]) if large else None
    if change is None:
        return Claim(claim, where, "not in this run", None)
    times = 1.0 + change[0]
    measured = f"{times:.1f} ± {change[1]:.1f} times the errors; tenfold counts as ruined"
    if large[0] in renewed and 0.0 in renewed:
        anew = np.mean(renewed[large[0]]) / max(float(np.mean(renewed[0.0])), 1.0)
        measured += f"; {anew:.1f} times with batch normalisation's means and variances taken anew"
    holds = None if abs(times - _RUINED) <= change[1] else times > _RUINED
    return Claim(claim, where, measured, holds)


def _angle_claims(results: Sequence[ExperimentResult]) -> list[Claim]:
    found: dict[Noise, list[list[float]]] = {}
    for each in results:
        if each.step["what"] == "cosine" and each.params["noise"] != 0.0:
            found.setdefault(each.params["noise"], []).append(each.result["cosine"])
    means = {noise: np.mean(rows, axis=0) for noise, rows in found.items()}
    return [_falls_with_noise(means), _lower_inside(means)]


def _falls_with_noise(means: dict[Noise, Any]) -> Claim:
    claim = "the more noise, the less layers are like those of the network without"
    where = "Fig. 3"
    by_noise = {n: float(m.mean()) for n, m in means.items() if isinstance(n, float)}
    if len(by_noise) < 2:
        return Claim(claim, where, "not in this run", None)
    order = sorted(by_noise)
    measured = ", ".join(f"sigma = {noise:g}: {by_noise[noise]:.2f}" for noise in order)
    falls = bool((np.diff([by_noise[noise] for noise in order]) < 0.0).all())
    return Claim(claim, where, f"mean cosine of the 4 layers: {measured}", falls)


def _lower_inside(means: dict[Noise, Any]) -> Claim:
    claim, where = "layers 2 and 3 are less alike than 1 and 4", "Fig. 3"
    if not means:
        return Claim(claim, where, "not in this run", None)
    layers = np.mean(list(means.values()), axis=0)
    measured = "cosines of layers 1 to 4: " + ", ".join(f"{value:.2f}" for value in layers)
    return Claim(claim, where, measured, bool(layers[1:3].max() < min(layers[0], layers[3])))


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
    return [
        Claim(
            "with two bins a unit, layers 1 to 3 are nearly injective at all epochs",
            "Fig. 7",
            f"{of}: H(Bin) at least {inner}; log m = {log_m:.3f}",
            bool((binned[:3] >= _NEAR_LOG * log_m).all()),
        ),
        Claim(
            "and so is layer 4",
            "Fig. 7",
            f"{of}: at least {binned[3]:.3f}; 10 units have {most:.3f} at most",
            bool(binned[3] >= _NEAR_LOG * log_m),
        ),
        _units_claim(curves, widths, of),
        _distance_claim(curves, of),
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
    curves: Sequence[Sequence[ExperimentResult]], widths: Sequence[float], of: str
) -> Claim:
    claim, where = "H(Bin(T(k))) of most units of layer 3 falls after epoch 1", "section 5"
    if min(len(curve) for curve in curves) < 4:
        return Claim(claim, where, "too few epochs for a slope", None)
    found = unit_slopes(curves)
    means, falling = found.mean(axis=1), (found < 0.0).mean(axis=1)
    measured = (
        f"{of}: mean slopes {means.min():.4f} to {means.max():.4f} nats an epoch with bins of "
        f"{widths[0]:g} to {widths[-1]:g}, {100 * falling.min():.0f} % of units or more fall"
    )
    return Claim(claim, where, measured, bool((means < 0.0).all() and (falling > 0.5).all()))


def _distance_claim(curves: Sequence[Sequence[ExperimentResult]], of: str) -> Claim:
    claim = "layers 3 and 4 set classes apart after one epoch, layers 1 and 2 never do"
    where = "Fig. 8"
    first = np.mean([curve[1].result["nearer"] for curve in curves if len(curve) > 1], axis=0)
    last = np.mean([curve[-1].result["nearer"] for curve in curves], axis=0)
    if np.ndim(first) == 0:
        return Claim(claim, where, "not in this run", None)
    said = " ".join(f"{value:.2f}" for value in last[1:])
    measured = (
        f"{of}: a pair of one class is nearer than one of two with probability {last[0]:.2f} in "
        f"the input; layers 1 to 4 in the end {said}; 3 and 4 after one epoch "
        f"{first[3]:.2f} {first[4]:.2f}"
    )
    apart = bool((first[3:] >= first[0] + _APART).all())
    alike = bool((np.abs(last[1:3] - last[0]) < _APART).all())
    return Claim(claim, where, measured, apart and alike)
