"""What the plane's paper says of its networks, held against results, run by run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from entbench._base import Claim, ExperimentResult, ResultTable
from entbench.networks._plane import Stops, stops_of

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
_FALL = 0.2  # nats; less counts as no compression
_NEAR = 0.01  # nats; less counts as the limit
_SAME = 0.1  # nats; less counts as the same end
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
    claims = [_table_claim(runs[0]), _limit_claim(runs)]
    if deep:
        alike = [run for run in deep if "-" not in run.params["activation"]]
        claims += _size_claims(_with(deep, "tanh")) + _path_claims(deep) + _mixed_claims(deep)
        claims += _stop_claims(alike)
    return [*claims, _bottleneck_claim(narrow)] if narrow else claims


def _bottleneck_claim(runs: Sequence[Run]) -> Claim:
    return _seeds(
        "behind a bottleneck a layer shows more of X than the bottleneck",
        *("2.4, Fig. 6", "I(X;Bin(T_3)) above I(X;Bin(T_2)) at the end, bins of 0.07"),
        *(runs, lambda run: bool(run.curve("input")[-1, 2] > run.curve("input")[-1, 1])),
        at_end=False,
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
    test: Callable[[Run], bool],
    *,
    at_end: bool = True,
) -> Claim:
    """Return a claim with how many networks show it: it holds if all do, not if none does.

    One that is on how training ends is not told of by a run that is shorter than the paper's.
    """
    if not runs:
        return Claim(claim, where, "not in this run", None)
    shown = sum(test(run) for run in runs)
    kind = "seeds" if len({run.name for run in runs}) == 1 else "networks"
    return _judged(
        claim, where, f"{what}: {shown} of {len(runs)} {kind}", runs, at_end, (shown, len(runs))
    )


def _judged(
    claim: str,
    where: str,
    measured: str,
    runs: Sequence[Run],
    at_end: bool,
    shown: tuple[int, int],
) -> Claim:
    """Return a claim that holds if all show it, does not if none does, and else is open."""
    if at_end and min(run.epochs[-1] for run in runs) < _EPOCHS:
        return Claim(claim, where, f"{measured}; of {_EPOCHS} epochs not all are there", None)
    return Claim(claim, where, measured, {shown[1]: True, 0: False}.get(shown[0]))


def _table_claim(run: Run) -> Claim:
    data = run.params["data"]
    claim = "H(X), to which layers drift, is log2 of the training rows"
    found = [run.results[0][name] / BIT for name in ("input_limit", "label_limit")]
    measured = f"H(X) = {found[0]:.5f}, I(X;Y) = {found[1]:.5f} bits"
    if data not in PAPER:
        return Claim(claim, "Table 1", f"{measured}; other data: {data}", None)
    paper = PAPER[data]
    measured += f"; printed {paper[0]:.5f}, {paper[1]:.5f} of its own split"
    near = abs(found[0] - paper[0]) < 1e-6 and abs(found[1] - paper[1]) < _OTHER_SPLIT
    return Claim(claim, "Table 1", measured, near)


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
            *(runs, _goes_right),
            at_end=False,
        ),
        _seeds(
            "tanh: the output layer's end does not depend on the bins",
            *("2.2.1, Fig. 1", f"within {_SAME:g} nats, 0.01 against 0.3"),
            *(runs, lambda run: bool(abs(_spread(run)[-1]) < _SAME)),
        ),
    ]


def _spread(run: Run) -> NDArray[np.float64]:
    """Return how much further layers end in bins of 0.01 than in bins of 0.3."""
    small, large = (run.curve("input", place)[-1] for place in (_SMALL, _LARGE))
    return np.asarray(small - large)


def _goes_right(run: Run) -> bool:
    there = run.results[-1]["input_limit"] - run.curve("input", _LARGE)[-1, :-1] < _SAME
    return bool((there | (_spread(run)[:-1] >= _SAME)).all())


def _fall(run: Run) -> NDArray[np.float64]:
    """Return by how much each layer's I(X;Bin(T)) ends below its largest value."""
    curve = run.curve("input")
    return np.asarray(curve.max(axis=0) - curve[-1])


def _path_claims(runs: Sequence[Run]) -> list[Claim]:
    tanh, relu = _with(runs, "tanh"), _with(runs, "relu")
    return [
        _seeds(
            "tanh: the last hidden layer compresses",
            *("2.3, Fig. 4a", f"I(X;Bin(T_L)) falls by {_FALL:g} nats"),
            *(tanh, lambda run: bool(_fall(run)[-2] >= _FALL)),
        ),
        _empty_claim(tanh),
        _seeds(
            "ReLU: hidden layers gain information, none compresses",
            *(
                "2.3, Fig. 4b",
                f"each ends above epoch 0, less than {_FALL:g} nats below its height",
            ),
            *(relu, _rises),
        ),
        _seeds(
            "ReLU: empty bins become fewer",
            *("2.3, Fig. 5", "more bins in use at the end than at first, in each hidden layer"),
            *(relu, _fills),
        ),
        _seeds(
            "the output goes to 1 bit, one bin for each class",
            *("2.3, Fig. 4", f"I(X;Bin(T)) within {_SAME:g} nats of H(Y)"),
            *([*tanh, *relu], _decides),
        ),
    ]


def _empty_claim(runs: Sequence[Run]) -> Claim:
    claim, where = "tanh: layers that compress empty their bins", "2.3, Fig. 5"
    fewer: list[bool] = []
    for run in runs:
        filled, height = run.single("filled"), run.curve("input").argmax(axis=0)
        falling = np.flatnonzero(_fall(run) >= _FALL)
        fewer += [bool(filled[-1, i] < filled[height[i], i]) for i in falling]
    if not fewer:
        return Claim(claim, where, "no tanh layer that compresses in this run", None)
    measured = f"fewer in use than at its height: {sum(fewer)} of {len(fewer)} layers that fall"
    return _judged(claim, where, measured, runs, True, (sum(fewer), len(fewer)))


def _rises(run: Run) -> bool:
    curve = run.curve("input")[:, :-1]
    return bool((curve[-1] > curve[0]).all() and (_fall(run)[:-1] < _FALL).all())


def _fills(run: Run) -> bool:
    filled = run.single("filled")[:, :-1]
    return bool((filled[-1] > filled[0]).all())


def _decides(run: Run) -> bool:
    return bool(abs(run.curve("input")[-1, -1] - run.results[-1]["label_limit"]) < _SAME)


def _mixed_claims(runs: Sequence[Run]) -> list[Claim]:
    return [
        _seeds(
            "tanh after ReLU does not compress",
            *("2.2.2, Fig. 2a", f"layers 3 to 5 fall by less than {_FALL:g} nats"),
            _with(runs, "relu-relu-tanh-tanh-tanh"),
            lambda run: bool((_fall(run)[2:5] < _FALL).all()),
        ),
        _seeds(
            "ReLU after tanh compresses, though the tanh layers do not",
            *(
                "2.2.2, Fig. 2b",
                f"of layers 1 to 5 only from the 3rd on, by {_FALL:g} nats or more",
            ),
            _with(runs, "tanh-tanh-relu-relu-relu"),
            lambda run: bool((_fall(run)[:2] < _FALL).all() and (_fall(run)[2:5] >= _FALL).any()),
        ),
    ]


def _stop_claims(runs: Sequence[Run]) -> list[Claim]:
    return [
        _seeds(
            "early stopping comes where the output begins to compress",
            *("2.4.1, Fig. 7a", "within a factor 2 of the epoch of its largest I(X;Bin(T))"),
            *(runs, _stops_at_turn),
        ),
        _seeds(
            "early stopping is not at the least validation loss of the run",
            *("2.4.1, Fig. 7b", "the least loss is later than the stop"),
            *(runs, lambda run: run.stops().perfect > run.stops().early),
        ),
        _seeds(
            "in the end accuracy is good and cross-entropy grows",
            *(
                "App. F, Fig. 17",
                "accuracy within 0.01 of the best loss's, loss 5 % above the least",
            ),
            *(runs, _overfits),
        ),
    ]


def _stops_at_turn(run: Run) -> bool:
    turn = max(1, run.epochs[int(run.curve("input")[:, -1].argmax())])
    compresses = _fall(run)[-1] >= _FALL
    return bool(compresses and 0.5 <= run.epochs[run.stops().early] / turn <= 2.0)


def _overfits(run: Run) -> bool:
    loss, accuracy = run.single("validation_loss"), run.single("validation_accuracy")
    best = run.stops().perfect
    return bool(loss[-1] > 1.05 * loss[best] and accuracy[-1] >= accuracy[best] - 0.01)


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
