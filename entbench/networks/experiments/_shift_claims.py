"""What the slides say of estimates under distribution shift, held against results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from entbench import bounds
from entbench._base import Claim, ExperimentResult, ResultTable
from entbench.networks.experiments._shift_changes import (
    Change,
    Missed,
    changes_of,
    errors_of,
)
from entbench.networks.experiments._verdict import Verdict

_TV, _KL = "slides, TV shift", "slides, KL shift"
_OURS = "not in the slides"
# the exact examples: inputs, neurons, and the shifts that the claims are about
INPUTS, NEURONS, SHARE, DIVERGENCE = 16, 2, 0.3, 1.0
_SHARES = (0.1, 0.3, 0.5, 0.9375, 1.0)
# relative: beyond it a bound is violated, where numbers are exact but for rounding
_ROUNDING = 1e-12
_LABELS = {
    "tv": "TV corrected",
    "kl": "KL corrected",
    "w1": "W_1",
    "tv_inputs": "TV printed, N inputs",
    "tv_width": "TV printed, N_l width",
    "kl_inputs": "KL printed, N inputs",
    "kl_width": "KL printed, N_l width",
}


def claims_of(results: Sequence[ExperimentResult]) -> list[Claim]:
    """Return the theorems, as printed and as corrected, and what a run says of them."""
    if not results:
        return []
    changes = changes_of(results)
    return [
        *_exact_claims(),
        _printed_claim(changes, "tv", _TV),
        _printed_claim(changes, "kl", _KL),
        _corrected_claim(changes, "tv", _TV, "TV shift, corrected: N inputs, capacity, monotone"),
        _corrected_claim(changes, "kl", _KL, "KL shift, corrected: N inputs, capacity, monotone"),
        _corrected_claim(changes, "w1", _OURS, "W_1 shift, with the network's Lipschitz constant"),
        _moved_claim(changes),
        _estimator_claim(errors_of(results)),
    ]


def tables_of(results: Sequence[ExperimentResult]) -> list[ResultTable]:
    """Return how bounds fared by layer, all shifts of the last layer, and the exact example."""
    changes = changes_of(results)
    if not changes:
        return []
    return [_exact_table(), _fared_table(changes), *_shift_tables(results, changes)]


def exact_change(share: float) -> float:
    """Return I(X';T) - I(X;T), X a constant, X' another value with probability `share`.

    The other values are equally probable, and T tells all `INPUTS` of them apart: two neurons with
    four levels each do, without noise or with little. Information is the entropy of the input.
    """
    law = np.array([1.0 - share, *[share / (INPUTS - 1)] * (INPUTS - 1)])
    held = law[law > 0.0]
    return -float(held @ np.log(held))


def _exact_claims() -> list[Claim]:
    moved, printed = exact_change(SHARE), bounds.tv_shift_printed(SHARE, NEURONS)
    corrected = bounds.tv_shift_bound(SHARE, INPUTS)
    where_largest = 1.0 - 1.0 / INPUTS
    most, at_one = exact_change(where_largest), bounds.tv_shift_printed(1.0, INPUTS)
    # from X uniform, information falls by D(P_X' || P_X), which is anything up to log INPUTS
    by_kl = bounds.kl_shift_printed(DIVERGENCE, NEURONS)
    return [
        Claim(
            "TV shift as printed, N_l the width of the layer",
            _TV,
            f"{INPUTS} inputs, {NEURONS} neurons, TV = {SHARE:g}, exactly: a change of {moved:.3f} "
            f"nats, bound {printed:.3f}",
            moved <= printed,
        ),
        Claim(
            "KL shift as printed, N_l the width of the layer",
            _KL,
            f"X uniform on {INPUTS} inputs, {NEURONS} neurons, KL = {DIVERGENCE:g}, exactly: a "
            f"change of {DIVERGENCE:.3f} nats, bound {by_kl:.3f}",
            by_kl >= DIVERGENCE,
        ),
        Claim(
            "TV shift as printed, N inputs, for TV of at most eps",
            _TV,
            f"eps = 1 allows TV = {where_largest:.4f}: {most:.4f} nats, bound {at_one:.4f}",
            most <= at_one,
        ),
        Claim(
            "TV shift, corrected, is attained",
            _TV,
            f"the same example, N = {INPUTS}: change / bound = {moved / corrected:.6f}",
            abs(moved - corrected) <= _ROUNDING * corrected,
        ),
    ]


def _count(changes: Sequence[Change], name: str) -> str:
    return f"{sum(change.violates(name) for change in changes)} of {len(changes)}"


def _printed_claim(changes: Sequence[Change], name: str, where: str) -> Claim:
    claim = f"{name.upper()} shift as printed, N_l the width of the layer, in this run"
    defined = [change for change in changes if change.bound[f"{name}_width"] is not None]
    if not defined:
        return Claim(claim, where, "not in this run", None)
    broken = [change for change in defined if change.violates(f"{name}_width")]
    measured = (
        f"violated by {_count(defined, f'{name}_width')} layers and shifts, surely kept by "
        f"{_keeping(defined, f'{name}_width')}"
    )
    if broken:
        worst = max(broken, key=lambda each: each.near - (each.bound[f"{name}_width"] or 0.0))
        measured += (
            f"; layer {worst.layer}, {worst.family} {worst.intensity:g}: {worst.near:.2f} nats or "
            f"more, bound {worst.bound[f'{name}_width']:.2f}"
        )
    with_inputs = [change for change in changes if change.bound[f"{name}_inputs"] is not None]
    measured += f"; with N inputs by {_count(with_inputs, f'{name}_inputs')}"
    return Claim(claim, where, measured, _kept(defined, f"{name}_width"))


def _corrected_claim(changes: Sequence[Change], name: str, where: str, claim: str) -> Claim:
    telling = [change for change in changes if change.informs(name)]
    broken = [change for change in changes if change.violates(name)]
    if not telling and not broken:
        return Claim(claim, where, f"vacuous in all of {len(changes)}", None)
    measured = (
        f"violated by {len(broken)} of {len(changes)} layers and shifts, surely kept by "
        f"{_keeping(changes, name)}; says something in {len(telling)}{_nearest(telling, name)}"
    )
    return Claim(claim, where, measured, _kept(changes, name))


def _keeping(changes: Sequence[Change], name: str) -> int:
    return sum(change.keeps(name) for change in changes)


def _kept(changes: Sequence[Change], name: str) -> Verdict:
    """Tell whether a bound holds: where all changes surely keep it; not where one violates it."""
    if any(change.violates(name) for change in changes):
        return False
    return True if _keeping(changes, name) == len(changes) else None


def _nearest(telling: Sequence[Change], name: str) -> str:
    ratios = [(each.near / (each.bound[name] or 1.0), each) for each in telling]
    if not ratios:
        return ""
    ratio, each = max(ratios, key=lambda pair: pair[0])
    shift = f"layer {each.layer}, {each.family} {each.intensity:g}"
    return f", and a change of {ratio:.2g} of it or more ({shift})"


def _moved_claim(changes: Sequence[Change]) -> Claim:
    claim = "Wasserstein is meaningful even with disjoint supports"
    moved = [change for change in changes if change.result["tv"] == 1.0]
    if not moved:
        return Claim(claim, "slides, shift metrics", "not in this run", None)
    says = {name: sum(change.informs(name) for change in moved) for name in ("tv", "kl", "w1")}
    measured = (
        f"TV = 1 in {len(moved)} layers and shifts; bounds that say something there: TV "
        f"{says['tv']}, KL {says['kl']}, W_1 {says['w1']}"
    )
    # W_1 of other shifts may be so small that it says something
    return Claim(claim, "slides, shift metrics", measured, True if says["w1"] else None)


def _estimator_claim(errors: Sequence[Missed]) -> Claim:
    claim, where = "estimator built on X, for X': within shift and estimation error", _TV
    if not errors:
        return Claim(claim, where, "not in this run", None)
    # the smallest of the corrected bounds is one too
    sums = [(each, min(each.least(name) for name in ("tv", "kl", "w1"))) for each in errors]
    parts = len(sums)
    broken = sum(each.near.interval(parts)[0] > least for each, least in sums)
    keeping = sum(each.far.interval(parts)[1] <= least for each, least in sums)
    telling = [(each, least) for each, least in sums if least < (each.change.bound["trivial"] or 0)]
    measured = (
        f"Guarantee 3 and the least of the corrected bounds: violated by {broken} of {parts}, "
        f"surely kept by {keeping}; says something in {len(telling)}"
    )
    if not telling and not broken:
        return Claim(claim, where, measured, None)
    holds = False if broken else True if keeping == parts else None
    return Claim(claim, where, measured, holds)


def _exact_table() -> ResultTable:
    headers = ("TV", "change", "printed, N_l = 2", "printed, N = 16", "corrected, N = 16")
    rows: list[tuple[str, ...]] = [
        (
            f"{share:g}",
            f"{exact_change(share):.4f}",
            f"{bounds.tv_shift_printed(share, NEURONS):.4f}",
            f"{bounds.tv_shift_printed(share, INPUTS):.4f}",
            f"{bounds.tv_shift_bound(share, INPUTS):.4f}",
        )
        for share in _SHARES
    ]
    title = "TV shift, exactly: X one of 16 inputs, X' another with probability TV; 2 neurons"
    return ResultTable(title, headers, rows)


def _fared_table(changes: Sequence[Change]) -> ResultTable:
    """Return, by layer, how often each bound is violated, and how often it says something."""
    layers = sorted({change.layer for change in changes})
    rows: list[tuple[str, ...]] = []
    for name, label in _LABELS.items():
        cells = []
        for layer in layers:
            here = [change for change in changes if change.layer == layer]
            defined = [change for change in here if change.bound[name] is not None]
            broken = sum(change.violates(name) for change in defined)
            says = sum(change.informs(name) for change in defined)
            cells.append(f"{broken} / {says} / {len(defined)}")
        rows.append((label, *cells))
    title = "bounds on the change of I(X;T_l): violated / say something / shifts"
    return ResultTable(title, ("bound", *(f"layer {layer}" for layer in layers)), rows)


def _shift_tables(
    results: Sequence[ExperimentResult], changes: Sequence[Change]
) -> list[ResultTable]:
    """Return all shifts of the first setting, and what becomes of I(X;T_l) in the last layer."""
    setting, layer = changes[0].setting, max(change.layer for change in changes)
    chosen = [change for change in changes if (change.setting, change.layer) == (setting, layer)]
    built = {
        (m.change.family, m.change.intensity): m
        for m in errors_of(results)
        if (m.change.setting, m.change.layer) == (setting, layer)
    }
    rows: list[tuple[str, ...]] = []
    for each in chosen:
        missed = built.get((each.family, each.intensity))
        rows.append(
            (
                f"{each.family} {each.intensity:g}",
                *_distance_cells(each.result),
                f"{each.value:.3f} [{each.near:.3f}, {each.far:.3f}]",
                *(_bound_cell(each, name) for name in ("tv", "kl", "w1")),
                f"{missed.near.value:.3f}" if missed else "",
            )
        )
    headers = (
        "shift",
        "TV",
        "KL",
        "W_1",
        "change",
        "TV bound",
        "KL bound",
        "W_1 bound",
        "I_SP off",
    )
    said = "v: vacuous; I_SP off: mean error for X' of what was built on X, at least"
    sigma = dict(setting)["sigma"]
    return [ResultTable(f"layer {layer}, sigma = {sigma:g}, nats ({said})", headers, rows)]


def _distance_cells(result: Mapping[str, Any]) -> tuple[str, ...]:
    kl = "inf" if result["kl"] is None else f"{result['kl']:.3g}"
    return f"{result['tv']:.3g}", kl, f"{result['w1']:.3g}"


def _bound_cell(change: Change, name: str) -> str:
    bound = change.bound[name]
    return "" if bound is None else f"{bound:.3g}{'' if change.informs(name) else ' v'}"
