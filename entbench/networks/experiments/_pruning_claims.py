"""What the plane paper says of pruning, held against results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from entbench._base import Claim, ExperimentResult, ResultTable

# Table 2: accuracies of the doubled network and after each pruning
PAPER: dict[str, tuple[float, ...]] = {
    "tanh": (0.8768, 0.8780, 0.8732, 0.8805),
    "relu": (0.8780, 0.8646, 0.8805),
}
_FIRST = 5  # layers 5, 6 and 7 are the paper's example

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
    pairs = [chain[0].result["distances"][_FIRST - 1 : _FIRST + 1] for chain in chains]
    if any(len(pair) < 2 for pair in pairs):
        return Claim(claim, where, "not in this run", None)
    count = sum(max(pair) <= threshold for pair in pairs)
    every = np.array(pairs)
    measured = (
        f"{count} of {len(pairs)} seeds; distances {every.min():.2g} to {every.max():.2g}, "
        f"similar up to {threshold:g}"
    )
    return Claim(claim, where, measured, _verdict(count, len(pairs)))


def _all_go(activation: str, chains: Sequence[Chain]) -> Claim:
    claim = f"all layers that were added go in the end, {activation}"
    spared = chains[0][0].params["spared"]
    left = [chain[-1].result["layers"] - spared for chain in chains]
    count = sum(each == 0 for each in left)
    measured = f"{count} of {len(left)} seeds; added layers left: {_listed(left)}"
    if not all(chain[-1].result["done"] for chain in chains) and count < len(left):
        return Claim(claim, "section 2.5", f"{measured}; not all at their end", None)
    return Claim(claim, "section 2.5", measured, _verdict(count, len(left)))


def _no_worse(activation: str, chains: Sequence[Chain]) -> Claim:
    """Return whether the accuracy falls by more than two standard errors of the difference."""
    claim, where = f"no pruning lowers the accuracy, {activation}", "section 2.5, Table 2"
    if activation in PAPER:
        fall = 100.0 * max(a - b for a, b in pairwise(PAPER[activation]))
        claim += f" (in Table 2 itself one does, by {fall:.1f} points)"
    pruned = [chain for chain in chains if len(chain) > 1]
    if not pruned:
        return Claim(claim, where, "nothing was pruned", None)
    count = sum(not any(_falls(*pair) for pair in _pairs(chain)) for chain in pruned)
    steps = [_change(*pair) for chain in pruned for pair in _pairs(chain)]
    ends = [_change(chain[0], chain[-1]) for chain in pruned]
    dead = sum(_learns_nothing(chain[0]) for chain in pruned)
    measured = (
        f"{count} of {len(pruned)} seeds; the worst pruning {100 * min(steps):+.1f} points, "
        f"from first to last {100 * min(ends):+.1f} to {100 * max(ends):+.1f}"
        + (f"; {dead} doubled networks had learned nothing" if dead else "")
    )
    return Claim(claim, where, measured, _verdict(count, len(pruned)))


def _only_added(activation: str, chains: Sequence[Chain]) -> Claim:
    """Return whether the rule would have kept the layers that it is not asked about."""
    claim = f"similar trajectories mark layers that were added, and no others, {activation}"
    where = "section 2.5, implied"
    threshold, spared = (chains[0][0].params[name] for name in ("similar", "spared"))
    if spared == 1:
        return Claim(claim, where, "not told apart: one layer spared", None)
    before = [chain[0].result["distances"][: spared - 1] for chain in chains]
    alike = [sum(far <= threshold for far in each) for each in before]
    count = alike.count(0)
    measured = (
        f"{count} of {len(alike)} seeds; pairs as similar among the first {spared} layers, "
        f"of {spared - 1}: {_listed(alike)}"
    )
    return Claim(claim, where, measured, _verdict(count, len(alike)))


def _verdict(count: int, seeds: int) -> bool | None:
    """Return whether a claim holds: if all seeds show it, not if none does, else not told."""
    return {seeds: True, 0: False}.get(count)


def _pairs(chain: Chain) -> list[tuple[ExperimentResult, ExperimentResult]]:
    return list(pairwise(chain))


def _change(before: ExperimentResult, after: ExperimentResult) -> float:
    return float(after.result["accuracy"] - before.result["accuracy"])


def _falls(before: ExperimentResult, after: ExperimentResult) -> bool:
    rows = after.result["validated"]
    shares = (before.result["accuracy"], after.result["accuracy"])
    error = math.sqrt(sum(p * (1.0 - p) for p in shares) / rows)
    return -_change(before, after) > 2.0 * error


def _learns_nothing(each: ExperimentResult) -> bool:
    """Return whether a network is no better than always the more frequent label."""
    share, rows = each.result["majority"], each.result["validated"]
    return bool(each.result["accuracy"] <= share + 2.0 * math.sqrt(share * (1.0 - share) / rows))


def _spread(values: Sequence[float], digits: str) -> str:
    spread = f" ± {np.std(values, ddof=1):{digits}}" if len(values) > 1 else ""
    return f"{np.mean(values):{digits}}{spread}"


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _times(k: int) -> str:
    return ("doubled", "pruned once", "pruned twice")[k] if k < 3 else f"pruned {k} times"
