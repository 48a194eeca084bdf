"""What the plane paper says of pruning, held against results."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from entbench._base import Claim, ExperimentResult, ResultTable
from entbench.networks.experiments._verdict import (
    LEAST_SEEDS,
    Effect,
    Verdict,
    above,
    absent,
    alike,
    all_of,
    has_learned,
    judged,
    span_text,
)

# Table 2: accuracies of the doubled network and after each pruning
PAPER: dict[str, tuple[float, ...]] = {
    "tanh": (0.8768, 0.8780, 0.8732, 0.8805),
    "relu": (0.8780, 0.8646, 0.8805),
}
_FIRST = 5  # layers 5, 6 and 7 are the paper's example
MARGIN = 0.02  # of accuracy; less counts as no loss

Chain = list[ExperimentResult]


def claims_of(results: Sequence[ExperimentResult]) -> list[Claim]:
    """Return the claims of section 2.5, one for each activation, and layers it does not prune."""
    found: list[Claim] = []
    for activation, chains in chains_of(results).items():
        found += [
            *([_example(activation, chains)] if activation == "tanh" else []),
            _all_go(activation, chains),
            _no_worse(activation, chains),
            _only_added(activation, chains),
        ]
    return found


def table_2(results: Sequence[ExperimentResult]) -> list[ResultTable]:
    """Return accuracies after each pruning, over the seeds that had it."""
    rows: list[tuple[str, ...]] = []
    for activation, chains in chains_of(results).items():
        for k in range(max(map(len, chains))):
            here = [chain[k].result for chain in chains if len(chain) > k]
            left = [each["layers"] for each in here]
            paper = PAPER.get(activation, ())
            rows.append(
                (
                    f"{activation}, {_times(k)}",
                    _spread([each["accuracy"] for each in here], ".4f"),
                    f"{len(here)} of {len(chains)}",
                    _spread(left, ".1f"),
                    f"{np.mean([each['stop'] for each in here]):.0f}",
                    f"{paper[k]:.4f}" if k < len(paper) else "",
                )
            )
    if not rows:
        return []
    title = "Table 2: accuracy on validation rows, mean ± standard deviation over seeds"
    headers = ("network", "accuracy", "seeds", "hidden layers", "stopped at", "paper")
    return [ResultTable(title, headers, rows)]


def size_of(results: Sequence[ExperimentResult]) -> str:
    """Return what counts as similar."""
    if not results:
        return ""
    params = results[0].params
    return f"similar: a distance of {params['similar']:g} or less; patience {params['patience']}"


def chains_of(results: Sequence[ExperimentResult]) -> dict[str, list[Chain]]:
    """Return the networks of each seed from the first to the last pruning, by activation."""
    found: dict[str, dict[str, Chain]] = {}
    for each in results:
        if not each.result["repeated"]:
            setting = found.setdefault(each.params["activation"], {})
            setting.setdefault(str(sorted(each.params.items())), []).append(each)
    return {
        activation: [sorted(chain, key=lambda each: each.step["pruning"]) for chain in by.values()]
        for activation, by in found.items()
    }


def _example(activation: str, chains: Sequence[Chain]) -> Claim:
    claim = f"layers 5, 6 and 7 of the doubled network move alike, {activation}"
    where, threshold = "section 2.5, Fig. 8(a)", chains[0][0].params["similar"]
    pairs = [chain[0].result["distances"][_FIRST - 1 : _FIRST + 1] for chain in _learned(chains)]
    if any(len(pair) < 2 for pair in pairs):
        return absent(claim, where)
    far = [max(pair) for pair in pairs]
    return _seeds(
        *(claim, where, chains, [each <= threshold for each in far]),
        f"distances {span_text((min(far), max(far)), '.2g')}, similar up to {threshold:g}"
        if far
        else "",
    )


def _all_go(activation: str, chains: Sequence[Chain]) -> Claim:
    """Return whether nothing is left that was added; the last network is to have no alike layers.

    Where pruning was not at its end, layers that are left may yet go.
    """
    claim = f"all layers that were added go in the end, {activation}"
    spared = chains[0][0].params["spared"]
    ends = [chain[-1].result for chain in _learned(chains)]
    left = [end["layers"] - spared for end in ends]
    gone = [
        True if not more else False if e["done"] else None
        for e, more in zip(ends, left, strict=True)
    ]
    open_ones = f"; {gone.count(None)} not at their end" if None in gone else ""
    return _seeds(
        claim, "section 2.5", chains, gone, f"added layers left: {_listed(left)}{open_ones}"
    )


def _no_worse(activation: str, chains: Sequence[Chain]) -> Claim:
    """Return whether each pruning keeps the accuracy, but for two points, in the mean over seeds.

    A change is off by what seeds scatter, and by no less than two counts of wrong rows are.
    """
    claim = f"no pruning lowers the accuracy by {100 * MARGIN:g} points or more, {activation}"
    where = "section 2.5, Table 2"
    if activation in PAPER:
        fall = 100.0 * max(a - b for a, b in pairwise(PAPER[activation]))
        claim += f" (in Table 2 itself one does by {fall:.1f})"
    learned = _learned(chains)
    steps = [
        [(chain[k], chain[k + 1]) for chain in learned if len(chain) > k + 1]
        for k in range(max(map(len, learned), default=1) - 1)
    ]
    if not steps:
        return absent(claim, where, "nothing was pruned" if learned else _NOTHING)
    changes = [
        Effect.mean([_change(*pair) for pair in pairs], max(_counted(*pair) for pair in pairs))
        for pairs in steps
    ]
    told = [
        change for change, pairs in zip(changes, steps, strict=True) if len(pairs) >= LEAST_SEEDS
    ]
    measured = "; ".join(
        f"pruning {k}: {_points(change)} points, {len(pairs)} seeds"
        for k, (change, pairs) in enumerate(zip(changes, steps, strict=True), 1)
    )
    if not told:
        measured += f"; fewer than {LEAST_SEEDS} seeds do not tell"
    holds = all_of(told, lambda span: above(span, -MARGIN)) if told else None
    return judged(claim, where, measured, holds, short=_short(learned))


def _only_added(activation: str, chains: Sequence[Chain]) -> Claim:
    """Return whether the rule would have kept the layers that it is not asked about."""
    claim = f"similar trajectories mark layers that were added, and no others, {activation}"
    where = "section 2.5, implied"
    threshold, spared = (chains[0][0].params[name] for name in ("similar", "spared"))
    if spared == 1:
        return absent(claim, where, "not told apart: one layer spared")
    before = [chain[0].result["distances"][: spared - 1] for chain in _learned(chains)]
    alike_ones = [sum(far <= threshold for far in each) for each in before]
    measured = f"pairs as similar among the first {spared} layers, of {spared - 1}: "
    return _seeds(
        claim, where, chains, [not each for each in alike_ones], measured + _listed(alike_ones)
    )


_NOTHING = "no doubled network has learned anything"


def _seeds(
    claim: str, where: str, chains: Sequence[Chain], verdicts: Sequence[Verdict], measured: str
) -> Claim:
    """Return a claim that holds if all networks that have learned show it, not if none does."""
    if not verdicts:
        return absent(claim, where, _NOTHING)
    said = f"{list(verdicts).count(True)} of {len(chains)} seeds"
    if len(verdicts) < len(chains):
        said += f", {len(chains) - len(verdicts)} have learned nothing"
    short = _short(_learned(chains))
    return judged(claim, where, f"{said}; {measured}", alike(verdicts), short=short)


def _learned(chains: Sequence[Chain]) -> list[Chain]:
    """Return those whose doubled network is better than always the more frequent label."""
    return [
        chain
        for chain in chains
        if has_learned(chain[0].result["accuracy"], chain[0].result["majority"])
    ]


def _short(chains: Sequence[Chain]) -> str:
    """Return how many networks the end of training stopped, and not the validation loss."""
    every = [each for chain in chains for each in chain]
    cut = sum(each.result["stop"] >= each.params["epochs"] for each in every)
    return f"{cut} of {len(every)} networks had not come to their early stop" if cut else ""


def _change(before: ExperimentResult, after: ExperimentResult) -> float:
    return float(after.result["accuracy"] - before.result["accuracy"])


def _counted(before: ExperimentResult, after: ExperimentResult) -> float:
    """Return the variance of a change, as of two counts of independent rows."""
    shares = (before.result["accuracy"], after.result["accuracy"])
    return float(sum(p * (1.0 - p) for p in shares) / after.result["validated"])


def _points(change: Effect) -> str:
    low, high = (100.0 * end for end in change.interval())
    return f"{100 * change.value:+.1f} ({span_text((low, high), '+.1f')})"


def _spread(values: Sequence[float], digits: str) -> str:
    spread = f" ± {np.std(values, ddof=1):{digits}}" if len(values) > 1 else ""
    return f"{np.mean(values):{digits}}{spread}"


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _times(k: int) -> str:
    return ("doubled", "pruned once", "pruned twice")[k] if k < 3 else f"pruned {k} times"
