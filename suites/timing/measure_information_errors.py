"""Measure whether stated errors of information hold, and print tables.

    python -m entbench.suites.timing.measure_information_errors [--runs 100] [--only TEXT]

The first table is of `sp-mi` with `n_inputs`: 200 inputs, of which few have wide laws, and the mean
of their conditional entropies. Signals lie on lines, turned in two and three dimensions, or are
products, so that quadrature in one dimension gives every entropy. The second is of
`InformationFlow` on networks whose I(X;T) is exact: by quadrature of a line, or by the entropies of
corners out of each other's reach that noise chooses with known probabilities. The truths use numpy
and scipy only. Asked are 94 % of intervals that cover, in every group of settings, and one value in
all beyond 4.5/1.96 of its interval. About 10 minutes on one core.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import entr, ndtr

from entbench.estimators import SamplePropagationMI
from entbench.suites.timing.measure_numerical_error import processor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

RUNS = 100
ASKED = 0.94
QUANTILE, FAR = 1.96, 4.5
# Of h(N(0, 1)) in nats.
NOISE = 0.5 * math.log(2.0 * math.pi * math.e)
INPUTS = 200
# Runs that share their signals: a truth takes as long as a few runs.
SAME_DATA = 10
# Trapezoidal rule, in units of sigma: its error is below e^-50, see `measure_numerical_error`.
STEP, REACH = 0.05, 10.5
# In sigma, between corners: they overlap by less than 1e-10 nats, exp(-APART^2/8) for neighbours.
APART = 14.0


def line_entropy(places: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the entropy of a mixture of N(place, 1) by the trapezoidal rule, in nats."""
    at = np.asarray(places, dtype=float)
    shares = np.full(len(at), 1.0 / len(at)) if weights is None else np.asarray(weights)
    total = 0.0
    order = np.argsort(at)
    for part in np.split(order, np.flatnonzero(np.diff(at[order]) > 2.0 * REACH) + 1):
        nodes = np.arange(at[part[0]] - REACH, at[part[-1]] + REACH, STEP)
        kernels = np.exp(-0.5 * (nodes[:, None] - at[part]) ** 2) / math.sqrt(2.0 * math.pi)
        total += STEP * float(entr(kernels @ shares[part]).sum())
    return total


class Found(NamedTuple):
    """A value, the ends of its interval of 95 %, and the truth."""

    value: float
    low: float
    high: float
    truth: float

    @property
    def covers(self) -> bool:
        """Whether the interval holds the truth, up to the rounding of both."""
        slack = 1e-10
        return self.low - slack <= self.truth <= self.high + slack

    @property
    def far_off(self) -> bool:
        """Whether the truth is beyond 4.5 errors of an end, where the end is 1.96 of them off."""
        low = self.value - FAR / QUANTILE * (self.value - self.low) - 1e-10
        high = self.value + FAR / QUANTILE * (self.high - self.value) + 1e-10
        return not low <= self.truth <= high


@dataclass(frozen=True)
class Setting:
    """What to run: a group of settings, a name, and an interval from a seed.

    Attributes
    ----------
    group, name : str
        Settings of a group are judged together.
    run : callable
        Takes the number of a run.
    share : float
        Of the runs asked for.
    """

    group: str
    name: str
    run: Callable[[int], Found]
    share: float = 1.0


class Channel(NamedTuple):
    """Signals of equally many rows for every input, in units of sigma, and the mean entropy."""

    inputs: Floats
    signal: Floats
    conditional: float


def channel(spreads: Floats, rows: int, dim: int, form: str, seed: int) -> Channel:
    """Return signals of every input with its spread.

    Parameters
    ----------
    spreads : ndarray of shape (n_inputs,)
        Standard deviations along a line, or along every axis of a product.
    rows, dim : int
        Of an input; of a product, along every axis.
    form : {"line", "product", "twice"}
        On a line in a random direction; all combinations of values on the axes; on a line, every
        signal twice.
    seed : int
        Of the signals.
    """
    rng = np.random.default_rng([seed, len(spreads), dim])
    signals, entropies = [], []
    for spread in rng.permutation(spreads):
        axes = spread * rng.standard_normal((dim if form == "product" else 1, rows))
        entropies.append(sum(line_entropy(axis) for axis in axes))
        if form == "product":
            signals.append(np.array(list(itertools.product(*axes))))
            continue
        direction = rng.standard_normal(dim)
        places = np.tile(axes[0], 2 if form == "twice" else 1)
        signals.append(places[:, None] * direction / np.linalg.norm(direction))
        entropies[-1] += (dim - 1) * NOISE
    inputs = np.repeat(np.arange(float(len(spreads))), len(signals[0]))[:, None]
    return Channel(inputs, np.concatenate(signals), float(np.mean(entropies)))


_channels: dict[tuple[Any, ...], Channel] = {}


def conditional(
    name: str, spreads: Floats, rows: int, dim: int, form: str, n_inputs: int, budget: int, run: int
) -> Found:
    """Return the interval of the mean conditional entropy."""
    key = (name, rows, dim, form, run // SAME_DATA)
    if key not in _channels:
        _channels.clear()
        _channels[key] = channel(spreads, rows, dim, form, run // SAME_DATA)
    made = _channels[key]
    fitted = SamplePropagationMI(
        1.0, tolerance=0.02, max_draws=budget, n_inputs=n_inputs, random_state=run, n_jobs=1
    )
    said = fitted.fit(made.inputs, made.signal).diagnostics_
    if said["n_inputs_used"] > n_inputs:
        raise AssertionError(f"{said['n_inputs_used']} inputs were integrated, not {n_inputs}.")
    ends = float(said["conditional_low"]), float(said["conditional_high"])
    return Found(float(said["h_conditional"]), *ends, made.conditional)


def spreads_of(wide: int) -> Floats:
    """Return spreads of which so many are wide; 0 for equal ones, -1 for ever wider ones."""
    if wide < 0:
        return np.asarray(10.0 ** np.linspace(-2.0, 2.0, INPUTS))
    return np.where(np.arange(INPUTS) < wide, 10.0, 0.3 if wide else 2.0)


def conditional_settings() -> Iterator[Setting]:
    """Yield the settings of the first table."""
    names = {10: "10 of 200 wide", 30: "30 of 200 wide", 0: "equal laws", -1: "spreads 0.01-100"}
    for wide, group in names.items():
        for rows, dim, form, n_inputs, budget, share in (
            (12, 1, "line", 20, 20_000, 1.5),
            (12, 1, "line", 60, 60_000, 0.7),
            (12, 2, "line", 5, 40_000, 0.7),
            (12, 3, "line", 20, 20_000, 1.0),
            (3, 3, "product", 60, 60_000, 0.4),
            (6, 3, "twice", 2, 5_000, 0.4),
        ):
            share *= 1.0 if wide > 0 else 0.3
            given = (group, spreads_of(wide), rows, dim, form, n_inputs, budget)
            name = f"d={dim} {form}, n_inputs={n_inputs}"
            yield Setting(f"sp-mi, {group}", name, partial(conditional, *given), share)


def corner_network(gain: float, dim: int) -> Any:
    """Return a network that adds noise to ``gain x``, and sends every sign to a far corner."""
    torch, networks = _torch()

    # a step but for a width of 1e-9, which no noise meets
    scale = torch.nn.Linear(dim, dim, bias=False, dtype=torch.float64)
    scale.weight.data = 1e9 * APART * torch.eye(dim, dtype=torch.float64)
    signs = torch.nn.Sequential(scale, torch.nn.Hardtanh(-0.5 * APART, 0.5 * APART))
    first = torch.nn.Linear(dim, dim, bias=False, dtype=torch.float64)
    first.weight.data = gain * torch.eye(dim, dtype=torch.float64)
    return networks.NoisyNetwork([first, signs, torch.nn.Identity()], 1.0)


def _torch() -> tuple[Any, Any]:
    """Return torch and what needs it: the first table is printed without."""
    return importlib.import_module("torch"), importlib.import_module("entbench.networks")


def corner_information(X: Floats, gain: float) -> float:
    """Return I(X;T_2) of a network of corners, by the probabilities of each."""
    positive = ndtr(gain * X)
    signs = np.array(list(itertools.product([False, True], repeat=X.shape[1])))
    chances = np.where(signs, positive[:, None], 1.0 - positive[:, None]).prod(axis=2)
    return float(entr(chances.mean(axis=0)).sum() - entr(chances).sum(axis=1).mean())


def linear_network(*gains: Floats) -> Any:
    """Return a linear network with noise of deviation 1 after every layer."""
    torch, networks = _torch()
    stages = []
    for gain in gains:
        stage = torch.nn.Linear(gain.shape[1], gain.shape[0], bias=False, dtype=torch.float64)
        stage.weight.data = torch.tensor(gain)
        stages.append(stage)
    return networks.NoisyNetwork([*stages, torch.nn.Identity()], 1.0)


def flow(
    network: Any, X: Floats, layer: int, truth: float, options: dict[str, Any], run: int
) -> Found:
    """Return the interval of I(X;T) that `InformationFlow` states."""
    made = _torch()[1].InformationFlow(
        network, layers=[layer], random_state=run, n_jobs=1, **options
    )
    result = made.estimate(X)[0]
    low, high = result.interval.low, result.interval.high
    return Found(result.value, low, high, truth)


def flow_settings() -> Iterator[Setting]:
    """Yield the settings of the second table."""
    rng = np.random.default_rng(7)
    rare = np.full((4096, 1), -12.0)
    rare[[5, 700, 4000]] = 12.0
    rare_corners = np.full((4096, 3), -20.0)
    rare_corners[[5, 700], 0] = rare_corners[4000, 1] = 20.0
    line = np.concatenate([rng.uniform(-3.0, 3.0, 200), [40.0, 45.0]])[:, None]
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0][:, :1]
    clear = np.where(rng.random((1000, 2)) < 0.5, -6.0, 6.0)
    clear[[3, 500, 900]] = 0.5
    mixed = rng.uniform(-1.0, 1.0, (200, 1)) * np.array([[1.0, -1.0, 0.5]])
    mixed[:180] = np.where(mixed[:180] > 0, 7.0, -7.0)
    few = np.array([[-3.0], [-1.0], [1.0], [4.0]])
    one = np.eye(1)

    def quadrature(at: Floats, variance: float = 1.0) -> float:
        return line_entropy(at / math.sqrt(variance)) - NOISE

    lines = (
        ("layer 1, d=1, 3 of 4096 apart", linear_network(one), rare, 1, quadrature(rare[:, 0])),
        ("layer 1, d=3, 3 of 4096 in other corners", linear_network(np.eye(3)), rare_corners, 1,
         float(entr(np.array([4093.0, 2.0, 1.0]) / 4096.0).sum())),
        ("layer 1, d=4, turned line", linear_network(turn), line, 1, quadrature(line[:, 0])),
        ("layer 2, d=1, linear", linear_network(one, 0.8 * one), few, 2,
         quadrature(0.8 * few[:, 0], 1.64)),
        ("layer 2, d=1, 3 of 4096 apart", corner_network(1.0, 1), rare, 2,
         corner_information(rare, 1.0)),
        ("layer 2, d=1, 4096 seldom flipped", corner_network(1.0, 1), rare / 3.0, 2,
         corner_information(rare / 3.0, 1.0)),
        ("layer 2, d=2, 3 of 1000 unclear", corner_network(1.0, 2), clear, 2,
         corner_information(clear, 1.0)),
        ("layer 2, d=3, 20 of 200 unclear", corner_network(1.0, 3), mixed, 2,
         corner_information(mixed, 1.0)),
    )  # fmt: skip
    options: tuple[dict[str, Any], ...] = (
        *({"tolerance": 1e-2}, {"tolerance": 1e-2}, {"tolerance": 1e-2}),
        *({"passes": 60}, {"passes": 8}, {"passes": 8}, {"passes": 20}, {"passes": 30}),
    )
    for (name, network, X, layer, truth), option in zip(lines, options, strict=True):
        yield Setting("flow", name, partial(flow, network, X, layer, truth, option), 0.5)
    for (name, network, X, layer, truth), option in (*zip(lines[4:], options[4:], strict=True),):
        some = {**option, "n_inputs": 30}
        given = partial(flow, network, X, layer, truth, some)
        yield Setting("flow, n_inputs=30", name, given, 0.5)


def _print_row(name: str, found: list[Found], seconds: float) -> None:
    widths = [one.high - one.low for one in found]
    off = [abs(one.value - one.truth) for one in found]
    share = sum(one.covers for one in found) / len(found)
    print(
        f"| {name} | {len(found)} | {share:.1%} | {sum(one.far_off for one in found)}"
        f" | {np.median(widths):.3g} | {np.median(off):.3g} | {seconds:.0f} |",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS, help="runs of a setting, about")
    parser.add_argument("--only", default="", help="settings with this text in group or name")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", "`X` has|layer .*: too few")
    print(f"{processor()}, one thread\n")
    print("| setting | runs | covers | beyond 4.5 e | median width | median error | seconds |")
    print("| :-- | --: | --: | --: | --: | --: | --: |")
    settings = [s for s in (*conditional_settings(), *flow_settings())
                if asked.only in f"{s.group} {s.name}"]  # fmt: skip
    for group, members in itertools.groupby(settings, key=lambda s: s.group):
        every: list[Found] = []
        began = time.perf_counter()
        for setting in members:
            before = time.perf_counter()
            found = [setting.run(run) for run in range(max(1, round(asked.runs * setting.share)))]
            _print_row(setting.name, found, time.perf_counter() - before)
            every += found
        _print_row(f"**{group}**", every, time.perf_counter() - began)
    print(f"| asked of each group | | >= {ASKED:.0%} | 0 | | | |")


if __name__ == "__main__":
    main()
