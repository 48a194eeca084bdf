"""Information under shifted laws of the input: laws, distances, bounds and claims."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import wasserstein_distance

from entbench import bounds
from entbench._base import ExperimentResult
from entbench.networks.experiments._shift import (
    InformationUnderShift,
    distances,
    lipschitz_constants,
    rounded,
)
from entbench.networks.experiments._shift_changes import changes_of, errors_of
from entbench.networks.experiments._shift_claims import exact_change
from entbench.networks.experiments.shift import ShiftMNIST, ShiftSZT
from entbench.report.figures._shift import information_under_shift, shift_bounds
from entbench.shift import wasserstein

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SIZE = {"inputs": 128, "copies": 3, "passes": 16, "n": 16, "draws": 2}
SZT = ShiftSZT(epochs=10, **SIZE)
MNIST = ShiftMNIST(epochs=10, data="digits", **SIZE)
NAMES = ("tv", "kl", "w1", "tv_width", "kl_width", "tv_inputs", "kl_inputs", "trivial")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENTBENCH_STORE", str(tmp_path_factory.mktemp("shift") / "store.sqlite"))
        yield


def measured(
    experiment: InformationUnderShift, *shifts: tuple[str, float]
) -> list[ExperimentResult]:
    steps = experiment.steps()[:2]
    steps += [{"what": "shift", "family": name, "intensity": value} for name, value in shifts]
    params = experiment.get_params()
    return [ExperimentResult(params, step, experiment.measure(step)) for step in steps]


@pytest.fixture(scope="module")
def szt(store: None) -> list[ExperimentResult]:
    shifts = (("tilting", 1.5), ("bit-flips", 0.1), ("translation", 1e-4))
    return measured(SZT, *shifts)


@pytest.fixture(scope="module")
def mnist(store: None) -> list[ExperimentResult]:
    return measured(MNIST, ("rotation", 5.0), ("label-skew", 0.3))


def test_steps_are_the_data_the_estimator_and_all_shifts() -> None:
    steps = SZT.steps()
    assert [step["what"] for step in steps[:3]] == ["shift", "built", "shift"]
    assert [step["family"] for step in steps[:3]] == ["none", "none", "reweighting"]
    counts = Counter(step["family"] for step in steps)
    assert counts["tilting"] == len(ShiftSZT.families["tilting"].intensities)
    some = ShiftSZT(epochs=10, points=2).steps()
    ends = [step["intensity"] for step in some if step["family"] == "tilting"]
    assert ends == [0.003, 4.0]


@pytest.mark.parametrize("total", [128, 384, 1280])
def test_rounded_counts_keep_shares(total: int) -> None:
    rng = np.random.default_rng(0)
    weights = np.repeat([0.3, 0.7], 64) / 64.0
    order = rng.permutation(128)
    counts = rounded(weights[order], total, rng)
    assert counts.sum() == total
    assert (np.abs(counts - total * weights[order]) < 1.0).all()
    assert counts[weights[order] < 0.01].sum() == pytest.approx(0.3 * total, abs=1.0)
    uneven = rng.dirichlet(np.ones(128))
    found = rounded(uneven, total, rng)
    assert found.sum() == total
    # all rows below a weight together, so that no shift of any size is lost
    sums = np.cumsum(found[np.argsort(uneven)]) - total * np.cumsum(np.sort(uneven))
    assert np.abs(sums).max() <= 0.5 + 1e-9
    assert (rounded(np.full(128, 1.0 / 128.0), 3 * 128, rng) == 3).all()


def test_distances_are_those_of_the_rows() -> None:
    """Against counts of rows by hand, all mass moved on the line, and a linear program."""
    rng = np.random.default_rng(1)
    for columns in (1, 2):
        X = rng.integers(0, 6, size=(20, columns)).astype(np.float32)
        other = np.concatenate([X[rng.integers(0, 20, 25)], X[:5] + np.float32(columns == 2)])
        found = distances(X, other)
        p, q = (Counter(map(tuple, rows.tolist())) for rows in (other, X))
        values = set(p) | set(q)
        gaps = {v: p[v] / 30 - q[v] / 20 for v in values}
        assert found.tv == pytest.approx(0.5 * sum(map(abs, gaps.values())), rel=1e-12)
        terms = [
            c / 30 * math.log(c / 30 / (q[v] / 20)) if q[v] else math.inf for v, c in p.items()
        ]
        assert found.kl == pytest.approx(sum(terms), rel=1e-12)
        assert found.support == len(values)
        entropies = [
            -sum(c / n * math.log(c / n) for c in law.values()) for law, n in ((p, 30), (q, 20))
        ]
        assert found.entropy == pytest.approx(max(entropies), rel=1e-12)
        if columns == 1:
            w1 = wasserstein_distance(other[:, 0], X[:, 0])
        else:
            points = np.array(sorted(values), dtype=np.float64)
            weights = [
                [law[tuple(v)] / n for v in points.tolist()] for law, n in ((p, 30), (q, 20))
            ]
            w1 = wasserstein(points, points, weights=weights[0], other_weights=weights[1]).value
        assert (found.w1_low, found.w1) == pytest.approx((w1, w1), rel=1e-9)
    same = distances(X, np.repeat(X, 3, axis=0))
    assert (same.tv, same.kl, same.w1) == (0.0, 0.0, 0.0)


def test_nothing_moves_faster_than_the_lipschitz_constant(store: None) -> None:
    network = SZT.network()
    constants = lipschitz_constants(network)
    x = np.random.default_rng(0).standard_normal((200, 12))
    y = x + 1e-3 * np.random.default_rng(1).standard_normal((200, 12))
    with torch.no_grad():
        pairs = [
            network.seed(5).double().signals(torch.tensor(rows, dtype=torch.float64))
            for rows in (x, y)
        ]
    gaps = np.linalg.norm(x - y, axis=1)
    for constant, first, second in zip(constants, *pairs, strict=True):
        ratios = np.linalg.norm((first - second).numpy(), axis=1) / gaps
        assert 0.01 * constant < ratios.max() <= constant
    weights = [value for value in network.state_arrays().values() if value.ndim == 2]
    largest = [math.sqrt(np.linalg.eigvalsh(w.T @ w)[-1]) for w in weights[:2]]
    assert constants[:2] == pytest.approx([largest[0], largest[0] * largest[1]], rel=1e-10)


def by_hand(result: Any, sigma: float) -> list[list[float]]:
    """Return the corrected bounds of each layer, from their formulas."""
    found = []
    for layer, (width, slope) in enumerate(zip(result["width"], result["lipschitz"], strict=True)):
        most = min(math.log(result["support"] - 1), 0.5 * width * math.log(1.0 + sigma**-2))
        kl = math.inf if result["kl"] is None else result["kl"]
        pair = (result["tv"], min(math.sqrt(kl / 2.0), math.sqrt(1.0 - math.exp(-kl))))
        shares = [min(t, 1.0 / (1.0 + math.exp(-most))) for t in pair]
        tv, kl_bound = (
            t * most - (t * math.log(t) + (1 - t) * math.log(1 - t)) if t else 0.0 for t in shares
        )
        w1 = math.sqrt(width) * (2.0 + sigma) / sigma**2 * slope * result["w1"]
        found.append([tv, kl_bound, w1 * (1.0 if layer == 0 else 2.0)])
    return found


@pytest.mark.parametrize("data", ["szt", "mnist"])
def test_bounds_are_their_formulas(data: str, request: pytest.FixtureRequest) -> None:
    results = request.getfixturevalue(data)
    for each in results:
        json.dumps(each.result, allow_nan=False)
        if each.step["what"] == "shift":
            names = ("tv_bound", "kl_bound", "w1_bound")
            columns = np.transpose([each.result[name] for name in names])
            assert columns.tolist() == [
                pytest.approx(line, rel=1e-9) for line in by_hand(each.result, 0.1)
            ]
            assert each.result["broken"] == []


def test_first_layer_under_a_shift_by_monte_carlo(szt: list[ExperimentResult]) -> None:
    """I(X';T_1) of the tilted law, from its weights, in NumPy."""
    (tilted,) = (each for each in szt if each.step["family"] == "tilting")
    rows = SZT._shifted(SZT._data(), "tilting", 1.5)
    values, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(values) < 128 < len(rows) == tilted.result["rows"] == 3 * 128
    arrays = SZT.network().state_arrays()
    signal = np.tanh(values @ arrays["0.0.weight"].T + arrays["0.0.bias"]).astype(np.float64)
    law = counts / counts.sum()
    rng = np.random.default_rng(0)
    x = rng.choice(len(law), size=4000, p=law)
    z = rng.standard_normal((len(x), signal.shape[1]))
    logs = -0.5 * cdist(signal[x] / 0.1 + z, signal / 0.1, "sqeuclidean")
    terms = -0.5 * (z**2).sum(axis=1) - logsumexp(logs, axis=1, b=law)
    error = 4.0 * terms.std() / math.sqrt(len(x))  # false alarm 6e-5
    low, high = tilted.result["low"][0], tilted.result["high"][0]
    assert low - error <= terms.mean() <= high + error
    # what the tilt asked for, but for rounding of 384 counts
    assert tilted.result["kl"] == pytest.approx(1.5, abs=0.05)


def test_points_that_leave_the_support_leave_w1_alone(szt: list[ExperimentResult]) -> None:
    (moved,) = (each.result for each in szt if each.step["family"] == "translation")
    assert (moved["tv"], moved["kl"], moved["support"]) == (1.0, None, 256)
    assert moved["w1"] == pytest.approx(1e-4, rel=1e-3)  # single precision beside 1
    changes = [change for change in changes_of(szt) if change.family == "translation"]
    assert [change.informs("tv") or change.informs("kl") for change in changes] == [False] * 5
    assert changes[0].informs("w1")
    (flipped,) = (each.result for each in szt if each.step["family"] == "bit-flips")
    assert 0.0 < flipped["tv"] < 1.0
    assert flipped["kl"] is None


def test_estimator_built_on_draws(szt: list[ExperimentResult]) -> None:
    built = szt[1].result
    assert np.shape(built["built"]) == (2, 5)
    assert built["built"][0] != built["built"][1]
    risks = [bounds.plug_in_risk_bound(16, dim, 0.1) for dim in (10, 7, 5, 4, 3)]
    inputs = [dim * math.log(101.0) / 16.0 for dim in (10, 7, 5, 4, 3)]
    whole = [risks[0], *(2 * r + i for r, i in zip(risks[1:], inputs[1:], strict=True))]
    assert built["risk_bound"] == pytest.approx(whole, rel=1e-12)
    # an estimate from 16 inputs is at most log 16, and X' has more to tell
    (missed,) = (m for m in errors_of(szt) if (m.change.family, m.change.layer) == ("bit-flips", 1))
    low = szt[3].result["low"][0]
    assert missed.near.value == pytest.approx(low - np.mean(built["built"], axis=0)[0], rel=1e-12)
    assert missed.near.value > low - math.log(16.0) - 1e-3 > 0.0


def test_images_are_turned_and_digits_skewed(mnist: list[ExperimentResult]) -> None:
    rotated, skewed = (each.result for each in mnist[2:])
    assert rotated["tv"] == 1.0
    assert 0.0 < rotated["w1_low"] <= rotated["w1"] < 2.0
    data = MNIST._data()
    assert data.X.shape == (128, 64)
    labels = dict(zip(map(tuple, data.X.tolist()), data.y.tolist(), strict=True))
    rows = MNIST._shifted(data, "label-skew", 0.3)
    shares = [
        np.bincount(each, minlength=3) / len(each)
        for each in ([labels[tuple(row)] for row in rows.tolist()], data.y)
    ]
    by_label = 0.5 * np.abs(shares[0] - shares[1]).sum()
    assert by_label == pytest.approx(0.3, abs=1.0 / 128)
    assert skewed["tv"] == pytest.approx(0.3, abs=1.0 / 128)


def test_same_question_same_answer(szt: list[ExperimentResult]) -> None:
    assert SZT.measure(szt[4].step) == szt[4].result


def test_exact_example_over_a_gaussian_channel() -> None:
    """Two neurons of four levels each and little noise, on a grid; and KL = 1 from uniform."""
    sigma, levels = 0.05, np.linspace(-1.0, 1.0, 4)
    points = np.array([(a, b) for a in levels for b in levels])
    axis = np.arange(-1.5, 1.5, sigma / 5.0)
    kernels = np.exp(-0.5 * ((axis - points.T[..., None]) / sigma) ** 2)
    kernels /= sigma * math.sqrt(2.0 * math.pi)

    def information(law: Any) -> float:
        q = (law[:, None] * kernels[0]).T @ kernels[1]
        q = q[q > 0.0]
        normal = math.log(2.0 * math.pi * math.e * sigma**2)
        return -float((q * np.log(q)).sum()) * (sigma / 5.0) ** 2 - normal

    law = np.array([0.7, *[0.3 / 15] * 15])
    assert information(np.eye(16)[0]) == pytest.approx(0.0, abs=1e-9)
    assert information(law) == pytest.approx(exact_change(0.3), abs=1e-9)
    assert exact_change(0.3) == pytest.approx(1.4233, abs=1e-4)

    # a law of divergence 1 from the uniform one
    def excess(t: float) -> float:
        return math.log(16.0) - exact_change(t) - 1.0

    t = brentq(excess, 1e-9, 15 / 16)
    shifted = np.array([1.0 - t, *[t / 15] * 15])
    assert float((shifted * np.log(16.0 * shifted)).sum()) == pytest.approx(1.0, abs=1e-9)
    fall = information(np.full(16, 1 / 16)) - information(shifted)
    assert fall == pytest.approx(1.0, abs=1e-8)
    assert fall > bounds.kl_shift_printed(1.0, 2) + 0.3


def invented(information: float, **bound: float) -> list[ExperimentResult]:
    """Results of one layer whose information was 2 and is another, with bounds of 1 but those."""
    params = {"sigma": 0.1, "inputs": 128, "passes": 16}
    every = {f"{name}_bound": [bound.get(name, 1.0)] for name in NAMES} | {"trivial_bound": [3.0]}
    found = []
    for family, value in (("none", 2.0), ("reweighting", information), ("translation", 2.0)):
        result = {
            "information": [value],
            "low": [value - 0.1],
            "high": [value + 0.1],
            "tv": 1.0 if family == "translation" else 0.3,
            "kl": 0.1,
            "w1": 0.2,
            "support": 128,
            **every,
        }
        step = {"what": "shift", "family": family, "intensity": 0.3}
        found.append(ExperimentResult(params, step, result))
    step = {"what": "built", "family": "none", "intensity": 0.0}
    built = {"built": [[1.9], [2.0], [2.1]], "risk_bound": [0.5]}
    return [*found, ExperimentResult(params, step, built)]


EXACT = [False, False, False, True]


def test_claims_tell_what_was_measured() -> None:
    fine = ShiftSZT.claims(invented(1.5))
    assert [c.holds for c in fine] == [*EXACT, *[True] * 7]
    assert "violated by 0 of 2 layers and shifts, surely kept by 2" in fine[6].measured
    # 1.3 nats or more are beyond 1, and beyond 1 + 0.5 by what was built
    far = ShiftSZT.claims(invented(0.3))
    # what was built is off by 1.6 in the mean over three draws, which may be 1.5
    assert [c.holds for c in far] == [*EXACT, *[False] * 5, True, None]
    assert "violated by 1 of 2" in far[4].measured
    wrong = ShiftSZT.claims(invented(0.0))
    assert wrong[-1].holds is False
    open_ended = ShiftSZT.claims(invented(1.5, tv=4.0, kl=4.0, w1=4.0))
    assert [c.holds for c in open_ended[6:]] == [None] * 5
    # a change of 1.1 with intervals of 0.1: may be 0.9, and is not surely
    assert [c.holds for c in ShiftSZT.claims(invented(0.9))[4:9]] == [None] * 5
    assert ShiftSZT.claims([]) == []
    assert ShiftSZT.tables([]) == []
    assert ShiftSZT.remark([]) == ""


def test_tables_count_violations_and_mark_what_is_vacuous() -> None:
    exact, fared, shifts = ShiftSZT.tables(invented(0.3, w1=4.0))
    assert exact.rows[1] == ("0.3", "1.4233", "0.6109", "1.4233", "1.4233")
    rows = dict(fared.rows)
    assert rows["TV corrected"] == "1 / 2 / 2"
    assert rows["W_1"] == "0 / 0 / 2"
    assert shifts.rows[0][0] == "reweighting 0.3"
    assert shifts.rows[0][4] == "1.700 [1.445, 1.955]"  # four intervals that hold together
    assert shifts.rows[0][5:8] == ("1", "1", "4 v")
    # draws of 1.9 and 2.1 are above 0.4 by 1.5 and 1.7
    assert shifts.rows[0][8] == "1.600"


def test_figures_draw_what_was_measured(
    szt: list[ExperimentResult], mnist: list[ExperimentResult], tmp_path: Path
) -> None:
    figure = information_under_shift(szt)
    assert [axes.get_title(loc="left").partition(",")[0] for axes in figure.axes] == [
        *("tilting", "bit-flips", "translation"),
    ]
    tilted = szt[2].result["information"]
    drawn = [line.get_ydata() for line in figure.axes[0].lines if line.get_linestyle() == "-"]
    assert [float(y[0]) for y in drawn] == tilted
    bars = shift_bounds(szt)
    assert len(bars.axes) == 15
    assert len(shift_bounds(mnist).axes) == 15
    information_under_shift(mnist).savefig(tmp_path / "mnist.png", dpi=40)
    bars.savefig(tmp_path / "bars.png", dpi=40)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sigma": 0.0}, "`sigma` must be"),
        ({"epochs": 11}, "`epoch` must be one whose weights are kept"),
        ({"inputs": 64}, "`inputs`"),
        ({"copies": 0}, "`copies`"),
        ({"passes": 1}, "`passes`"),
        ({"points": -1}, "`points`"),
        ({"n": 1}, "`n`"),
        ({"draws": 1}, "`draws`"),
    ],
)
def test_bad_parameters_get_a_line(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ShiftSZT(**{"epochs": 10, **params})


def test_every_family_goes_as_far_as_its_last_intensity(store: None) -> None:
    for experiment in (SZT, MNIST):
        data = experiment._data()
        for name, family in experiment.families.items():
            last = experiment._shifted(data, name, family.intensities[-1])
            assert distances(data.X, last).w1 > 0.1
