"""What the plane's paper says of its networks, held against results, run by run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from entbench._base import Claim, ExperimentResult, ResultTable
from entbench.networks._plane import Stops, stops_of
from entbench.networks.experiments._verdict import (
    Effect,
    Levels,
    Verdict,
    above,
    absent,
    alike,
    below,
    every,
    has_learned,
    judged,
    kept,
    some,
    too_short,
    within,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

BIT = math.log(2.0)
# Table 1, in bits: H(X) and I(X;Y)
PAPER = {
    "szt": (11.677719641641012, 0.9976734295143714),
    "mnist-138": (10.550746785383243, 1.5849625007211579),
}
_EPOCHS = 8000
_TOLD = ("data", "epochs", "records", "learning_rate", "patience")  # in names, where they differ
_BOTTLENECK = "3-2-12-2"
_FINEST, _SMALL, _MIDDLE, _LARGE = -1, 0, 1, 3  # places in lists by width
FALL = 0.2  # nats; less counts as no compression
_NEAR = 0.01  # nats; less counts as the limit
_SAME = 0.1  # nats; less counts as the same end
_MORE = 0.1  # of the bins in use
_GOOD, _GROWN = 0.05, 0.05  # of accuracy, and of the least loss
_CHANCE = 0.05  # that all networks show by chance what a claim says
_PRINTED = 1e-6  # bits
_MOST_NAMED = 4
_OTHER_SPLIT = 0.003  # bits: the range of I(X;Y) over random splits of the SZT data


class Run(NamedTuple):
    """One network in training.

    Its name, the same for all seeds of a setting; its parameters; the recorded epochs and the
    results after them.
    """

    name: str
    params: dict[str, Any]
    epochs: list[int]
    results: list[dict[str, Any]]

    def curve(self, name: str, place: int = _MIDDLE) -> NDArray[np.float64]:
        """Return a coordinate by epoch and layer, in bins of one size."""
        return np.array([each[name][place] for each in self.results])

    def single(self, name: str) -> NDArray[np.float64]:
        """Return a number by epoch."""
        return np.array([each[name] for each in self.results])

    def levels(self, layer: int, less: int | None = None) -> Levels:
        """Return I(X;Bin(T)) of a layer by epoch, in bins of 0.07; less that of another."""
        curve = self.curve("input")
        return Levels.counted(curve[:, layer] - (0.0 if less is None else curve[:, less]))

    def filled(self, layer: int) -> Levels:
        """Return how many bins of a layer are in use, by epoch."""
        return Levels.counted(self.single("filled")[:, layer])

    @property
    def hidden(self) -> int:
        """How many hidden layers there are."""
        return int(self.curve("input").shape[1]) - 1

    @property
    def short(self) -> str:
        """How far the run came, where that is less far than the paper's."""
        return too_short(self.epochs[-1], _EPOCHS)

    @property
    def learned(self) -> bool:
        """Whether the network is better than a guess among classes about as frequent."""
        accuracy = self.results[-1]["validation_accuracy"]
        return has_learned(accuracy, math.exp(-self.results[-1]["label_limit"]))

    @property
    def validated(self) -> float:
        """How many rows there are for validation: a fifth of all."""
        return math.exp(self.results[0]["input_limit"]) / 4.0

    @property
    def looked_into(self) -> dict[str, Any] | None:
        """The last result with the smallest bins, if there is one, with its epoch."""
        pairs = zip(reversed(self.epochs), reversed(self.results), strict=True)
        return next((each | {"epoch": e} for e, each in pairs if "fine_input" in each), None)

    def stops(self) -> Stops:
        """Return early, perfect and full stopping, as places in `epochs`."""
        losses = self.single("validation_loss").tolist()
        return stops_of(self.epochs, losses, self.params["patience"])


def runs_of(results: Sequence[ExperimentResult]) -> list[Run]:
    """Return the runs, each in order of epochs."""
    groups: dict[tuple[Any, ...], list[ExperimentResult]] = {}
    for each in results:
        groups.setdefault(tuple(each.params.values()), []).append(each)
    every = [group[0].params for group in groups.values()]
    told = [name for name in _TOLD if len({params[name] for params in every}) > 1]
    found = []
    for group in groups.values():
        group.sort(key=lambda each: int(each.step["epoch"]))
        params, epochs = group[0].params, [int(each.step["epoch"]) for each in group]
        hidden = [params["hidden"]] if params["hidden"] == _BOTTLENECK else []
        name = ", ".join([params["activation"], *hidden, *(f"{k}={params[k]}" for k in told)])
        found.append(Run(name, dict(params), epochs, [dict(each.result) for each in group]))
    return found


def size_of(results: Sequence[ExperimentResult]) -> str:
    """Return how long training was, beside the paper's."""
    if not results:
        return ""
    epochs, rate = (
        max(each.params[name] for each in results) for name in ("epochs", "learning_rate")
    )
    return f"after {epochs} epochs at rate {rate:g}; the paper: {_EPOCHS}, rate not printed"


def claims_of(results: Sequence[ExperimentResult]) -> list[Claim]:
    """Return the claims of sections 2.2 to 2.4 and appendix F."""
    runs = runs_of(results)
    if not runs:
        return []
    narrow = [run for run in runs if run.params["hidden"] == _BOTTLENECK]
    deep = [run for run in runs if run.params["hidden"] != _BOTTLENECK]
    claims = [*_table_claims(runs[0]), _limit_claim(runs)]
    if deep:
        alike = [run for run in deep if "-" not in run.params["activation"]]
        claims += _size_claims(_with(deep, "tanh")) + _path_claims(deep) + _mixed_claims(deep)
        claims += _stop_claims(alike)
    return [*claims, _bottleneck_claim(narrow)] if narrow else claims


def _bottleneck_claim(runs: Sequence[Run]) -> Claim:
    return _seeds(
        "behind a bottleneck a layer shows more of X than the bottleneck",
        "2.4, Fig. 6",
        f"I(X;Bin(T_3)) above I(X;Bin(T_2)) by {_SAME:g} nats at the end, bins of 0.07",
        runs,
        lambda run: above(run.levels(2, 1).end(), _SAME),
        lasting=True,
    )


def tables_of(
    results: Sequence[ExperimentResult],
    widths: Sequence[float],
    fine: Sequence[float],
    numbers: Sequence[int],
) -> list[ResultTable]:
    """Return Table 1, where layers end by bin size, and the three stops; means over seeds."""
    runs = runs_of(results)
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.name, []).append(run)
    if not runs:
        return []
    whole = {name: [run for run in group if run.looked_into] for name, group in groups.items()}
    ends = [_ends(name, group, widths, fine, numbers) for name, group in whole.items() if group]
    return [_table_1(runs[0]), *ends, _stops_table(groups)]


def _with(runs: Sequence[Run], activation: str) -> list[Run]:
    return [run for run in runs if run.params["activation"] == activation]


def _seeds(
    claim: str,
    where: str,
    what: str,
    runs: Sequence[Run],
    test: Callable[[Run], Verdict],
    *,
    lasting: Verdict = None,
    by_chance: float = 0.0,
) -> Claim:
    """Return a claim with how many networks show it: it holds if all do, not if none does.

    Those that have not learned do not count. Where a network shows it with some probability
    `by_chance`, they have to be so many that not all are likely to.
    """
    if not runs:
        return absent(claim, where)
    learned = [run for run in runs if run.learned]
    verdicts = [kept(test(run), run.short, lasting) for run in learned]
    kind = "seeds" if len({run.name for run in runs}) == 1 else "networks"
    shown, open_ones = verdicts.count(True), verdicts.count(None)
    measured = f"{what}: {shown} of {len(runs)} {kind}"
    measured += f", {open_ones} not told" if open_ones else ""
    measured += f", {len(runs) - len(learned)} not learned" if len(learned) < len(runs) else ""
    holds = alike(verdicts) if verdicts else None
    if holds is True and by_chance ** len(learned) > _CHANCE:
        return Claim(claim, where, f"{measured}; so few may show it by chance", None)
    # each network has been asked whether it was long enough
    return judged(claim, where, measured, holds, short=_shortest(runs), lasting=holds)


def _shortest(runs: Sequence[Run]) -> str:
    return min(runs, key=lambda run: run.epochs[-1]).short


def _table_claims(run: Run) -> list[Claim]:
    """Return whether Table 1 has the limits of these data."""
    data, rows = run.params["data"], round(math.exp(run.results[0]["input_limit"]))
    found = [run.results[0][name] / BIT for name in ("input_limit", "label_limit")]
    claims = (
        "H(X) of Table 1, to which layers drift, is log2 of the training rows",
        "I(X;Y) of Table 1 is that of the data, but for the split",
    )
    if data not in PAPER:
        return [absent(claim, "Table 1", f"other data: {data}") for claim in claims]
    paper = PAPER[data]
    return [
        Claim(
            claims[0],
            "Table 1",
            f"printed {paper[0]:.6f} bits; log2 {rows} = {found[0]:.6f}",
            abs(found[0] - paper[0]) < _PRINTED,
        ),
        Claim(
            claims[1],
            "Table 1",
            f"printed {paper[1]:.6f} bits, here {found[1]:.6f}; {_OTHER_SPLIT:g} less or more "
            "count as the split's",
            abs(found[1] - paper[1]) < _OTHER_SPLIT,
        ),
    ]


def _limit_claim(runs: Sequence[Run]) -> Claim:
    """Return whether all layers get to (H(X), I(X;Y)) after the last epoch."""
    fine = rows = total = 0
    short = set()
    for run in runs:
        last = run.looked_into
        if last is None:
            continue
        limits = last["input_limit"], last["label_limit"]
        for layer, points in enumerate(
            zip(*_pairs(last, "fine"), *_pairs(last, "row"), strict=True)
        ):
            near = [limit - value < _NEAR for limit, value in zip(limits * 2, points, strict=True)]
            total, fine, rows = total + 1, fine + all(near[:2]), rows + all(near[2:])
            if not all(near[2:]):
                short.add(f"{layer + 1} of {run.name}")
    named = [*sorted(short)[:_MOST_NAMED], *(["..."] if len(short) > _MOST_NAMED else [])]
    equal = f"; equal rows in layer {', '.join(named)}" if short else ""
    measured = (
        f"after {_epochs_of(runs)} {fine} of {total} layers are within {_NEAR:g} nats in the "
        f"smallest bins, {rows} with rows as they are{equal}"
    )
    claim = "in smaller bins all layers go to (H(X), I(X;Y))"
    return Claim(claim, "2.2.1, 2.3", measured, fine == total if total else None)


def _pairs(result: dict[str, Any], kind: str) -> tuple[list[float], list[float]]:
    """Return both coordinates by layer, in the smallest bins of a kind."""
    return result[f"{kind}_input"][_FINEST], result[f"{kind}_label"][_FINEST]


def _size_claims(runs: Sequence[Run]) -> list[Claim]:
    return [
        _seeds(
            "tanh: smaller bins take the hidden layers to the right",
            *("2.2.1, Fig. 1", f"{_SAME:g} nats further, 0.3 to 0.01, if not at H(X) in both"),
            *(runs, lambda run: every(_goes_right(run))),
            lasting=True,
        ),
        _seeds(
            "tanh: the output layer's end does not depend on the bins",
            *("2.2.1, Fig. 1", f"within {_SAME:g} nats, 0.01 against 0.3"),
            *(runs, lambda run: within(_spread(run, -1).end(), _SAME)),
        ),
    ]


def _spread(run: Run, layer: int) -> Levels:
    """Return how much further a layer is in bins of 0.01 than in bins of 0.3."""
    small, large = (run.curve("input", place)[:, layer] for place in (_SMALL, _LARGE))
    return Levels.counted(small - large)


def _goes_right(run: Run) -> Iterator[Verdict]:
    limit = run.results[-1]["input_limit"]
    for layer in range(run.hidden):
        there = limit - run.curve("input", _LARGE)[-1, layer] < _SAME
        yield there or above(_spread(run, layer).end(run.hidden), _SAME)


def _falls(run: Run, layer: int, parts: int = 1) -> Verdict:
    """Tell whether a layer's I(X;Bin(T)) ends 0.2 nats or more below its largest value."""
    return above(run.levels(layer).fall(parts), FALL)


def _steady(run: Run, layers: Sequence[int]) -> Verdict:
    """Tell whether none of some layers falls: what has fallen has, what has not may yet."""
    falls = [below(run.levels(layer).fall(len(layers)), FALL) for layer in layers]
    return every(kept(each, run.short, False) for each in falls)


def _path_claims(runs: Sequence[Run]) -> list[Claim]:
    tanh, relu = _with(runs, "tanh"), _with(runs, "relu")
    return [
        _seeds(
            "tanh: the last hidden layer compresses",
            *("2.3, Fig. 4a", f"I(X;Bin(T_L)) falls by {FALL:g} nats"),
            *(tanh, lambda run: _falls(run, -2)),
            lasting=True,
        ),
        _empty_claim(tanh),
        _seeds(
            "ReLU: hidden layers gain information, none compresses",
            "2.3, Fig. 4b",
            f"each ends {_SAME:g} nats above epoch 0 or that near H(X), less than {FALL:g} nats "
            "below its height",
            relu,
            _rises,
            lasting=False,
        ),
        _seeds(
            "ReLU: empty bins become fewer",
            "2.3, Fig. 5",
            f"{100 * _MORE:.0f} % more bins in use at the end than at first, in each hidden layer",
            relu,
            lambda run: every(_fills(run)),
        ),
        _seeds(
            "the output goes to 1 bit, one bin for each class",
            *("2.3, Fig. 4", f"I(X;Bin(T)) within {_SAME:g} nats of H(Y)"),
            *([*tanh, *relu], _decides),
        ),
    ]


def _empty_claim(runs: Sequence[Run]) -> Claim:
    claim, where = "tanh: layers that compress empty their bins", "2.3, Fig. 5"
    fewer: list[Verdict] = []
    for run in runs:
        if run.learned:
            height = run.curve("input").argmax(axis=0)
            falling = [layer for layer in range(run.hidden + 1) if _falls(run, layer)]
            fewer += [
                below(run.filled(layer).times(height[layer]), 1.0 - _MORE) for layer in falling
            ]
    if not fewer:
        return absent(claim, where, "no tanh layer that compresses in this run")
    measured = (
        f"{100 * _MORE:.0f} % fewer in use than at its height: {fewer.count(True)} of {len(fewer)} "
        "layers that fall"
    )
    return judged(claim, where, measured, alike(fewer), short=_shortest(runs), lasting=True)


def _rises(run: Run) -> Verdict:
    gains = [above(run.levels(layer).gain(run.hidden), _SAME) for layer in range(run.hidden)]
    limit, ends = run.results[-1]["input_limit"], run.curve("input")[-1]
    gained = [gain or bool(limit - end < _SAME) for gain, end in zip(gains, ends, strict=False)]
    rose = every(kept(each, run.short, True) for each in gained)
    # all of it has to last: of a short run only that a layer has fallen
    return every([rose, _steady(run, range(run.hidden))])


def _fills(run: Run) -> Iterator[Verdict]:
    for layer in range(run.hidden):
        yield above(run.filled(layer).times(0, run.hidden), 1.0 + _MORE)


def _decides(run: Run) -> Verdict:
    limit = run.results[-1]["label_limit"]
    low, high = run.levels(-1).end()
    return within((low - limit, high - limit), _SAME)


def _mixed_claims(runs: Sequence[Run]) -> list[Claim]:
    return [
        _seeds(
            "tanh after ReLU does not compress",
            *("2.2.2, Fig. 2a", f"layers 3 to 5 fall by less than {FALL:g} nats"),
            _with(runs, "relu-relu-tanh-tanh-tanh"),
            lambda run: _steady(run, range(2, 5)),
            lasting=False,
        ),
        _seeds(
            "ReLU after tanh compresses, though the tanh layers do not",
            "2.2.2, Fig. 2b",
            f"of layers 1 to 5 only from the 3rd on, by {FALL:g} nats or more",
            _with(runs, "tanh-tanh-relu-relu-relu"),
            _compresses_late,
            lasting=False,
        ),
    ]


def _compresses_late(run: Run) -> Verdict:
    later = some(_falls(run, layer, 3) for layer in (2, 3, 4))
    return every([_steady(run, range(2)), kept(later, run.short, True)])


def _stop_claims(runs: Sequence[Run]) -> list[Claim]:
    return [
        _seeds(
            "early stopping comes where the output begins to compress",
            *("2.4.1, Fig. 7a", "within a factor 2 of the epoch of its largest I(X;Bin(T))"),
            *(runs, _stops_at_turn),
            by_chance=2.0 * math.log(2.0) / math.log(max(3, *(run.epochs[-1] for run in runs)))
            if runs
            else 0.0,
        ),
        _seeds(
            "early stopping is not at the least validation loss of the run",
            *("2.4.1, Fig. 7b", "the least loss is later than the stop"),
            *(runs, lambda run: run.stops().perfect > run.stops().early),
            lasting=True,
            by_chance=0.5,
        ),
        _seeds(
            "in the end accuracy is good and cross-entropy grows",
            "App. F, Fig. 17",
            f"accuracy less than {100 * _GOOD:.0f} points below the best loss's, loss "
            f"{100 * _GROWN:.0f} % above the least",
            runs,
            _overfits,
        ),
    ]


def _stops_at_turn(run: Run) -> Verdict:
    turn = max(1, run.epochs[int(run.curve("input")[:, -1].argmax())])
    near = 0.5 <= run.epochs[run.stops().early] / turn <= 2.0
    return every([_falls(run, -1), near])


def _overfits(run: Run) -> Verdict:
    """Tell by the levels of the last epochs, and an error of accuracies as of other rows."""
    best, accuracy = run.stops().perfect, run.single("validation_accuracy")
    grown = Levels.counted(run.single("validation_loss")).times(best)
    error = math.sqrt(sum(p * (1.0 - p) for p in (accuracy[best], accuracy[-1])) / run.validated)
    lost = Effect(float(accuracy[best] - accuracy[-1]), error, error)
    return every([above(grown, 1.0 + _GROWN), below(lost.interval(), _GOOD)])


def _table_1(run: Run) -> ResultTable:
    found = [run.results[0][name] for name in ("label_limit", "input_limit")]
    paper = PAPER.get(run.params["data"])
    names = ("I(X;Y)", "H(X)")
    rows: list[tuple[str, ...]] = [
        (name, f"{value:.6f}", f"{value / BIT:.6f}", f"{paper[1 - i]:.6f}" if paper else "")
        for i, (name, value) in enumerate(zip(names, found, strict=True))
    ]
    headers = ("limit", "nats", "bits", "paper, bits")
    return ResultTable(f"Table 1: limits of the plane, {run.params['data']}", headers, rows)


def _ends(
    name: str,
    runs: Sequence[Run],
    widths: Sequence[float],
    fine: Sequence[float],
    numbers: Sequence[int],
) -> ResultTable:
    """Return where layers end on the axis of I(X;Bin(T)), by size and by number of bins."""

    def mean(key: str) -> NDArray[np.float64]:
        found = [(run.looked_into or {})[key] for run in runs]
        return np.asarray(np.mean(found, axis=0))

    table = np.concatenate(
        [mean("number_input"), mean("input")[::-1], mean("fine_input"), mean("row_input")]
    )
    headers = (
        "layer",
        *(f"{number} bins" for number in numbers),
        *(f"{width:g}" for width in (*widths[::-1], *fine)),
        "rows",
    )
    last = len(table[0])
    rows = [
        (str(i + 1) if i + 1 < last else "output", *(f"{value:.3f}" for value in column))
        for i, column in enumerate(table.T)
    ]
    title = (
        f"{name}: I(X;Bin(T)) (nats) after {_epochs_of(runs)}, {_mean_of(runs)}; "
        f"H(X) = {runs[0].results[0]['input_limit']:.3f}"
    )
    return ResultTable(title, headers, rows)


def _stops_table(groups: dict[str, list[Run]]) -> ResultTable:
    rows: list[tuple[str, ...]] = []
    for name, runs in groups.items():
        for kind in Stops._fields:
            places = [getattr(run.stops(), kind) for run in runs]
            numbers = [
                [run.epochs[place] for run, place in zip(runs, places, strict=True)],
                *(
                    [run.single(key)[place] for run, place in zip(runs, places, strict=True)]
                    for key in ("validation_loss", "validation_accuracy", "train_loss")
                ),
            ]
            output = [run.curve("input")[p, -1] for run, p in zip(runs, places, strict=True)]
            means = [float(np.mean(each)) for each in (*numbers, output)]
            rows.append((f"{name}, {kind}", f"{means[0]:.0f}", *(f"{m:.4f}" for m in means[1:])))
    headers = (
        *("network, stop", "epoch", "validation loss", "validation accuracy", "train loss"),
        "I(X;Bin(T)) of output",
    )
    patience = next(iter(groups.values()))[0].params["patience"]
    seeds = _mean_of(next(iter(groups.values())))
    title = f"stops, early with a patience of {patience} epochs; bins of 0.07, {seeds}; nats"
    return ResultTable(title, headers, rows)


def _epochs_of(runs: Sequence[Run]) -> str:
    """Return after which epochs the smallest bins are looked at."""
    found = sorted({last["epoch"] for run in runs if (last := run.looked_into)})
    return f"epoch {' or '.join(map(str, found))}"


def _mean_of(runs: Sequence[Run]) -> str:
    return f"mean of {len(runs)} seeds" if len(runs) > 1 else "one seed"
