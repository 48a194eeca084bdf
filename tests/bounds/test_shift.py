"""Bounds on how far information moves with the law of X, against random channels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import rel_entr
from scipy.stats import norm

from entbench import bounds

Array = NDArray[np.float64]


def _information(law: Array, channel: Array) -> float:
    joint = law[:, None] * channel
    ratio = np.where(joint > 0, channel / np.where(joint.sum(0) > 0, joint.sum(0), 1), 1)
    return float((joint * np.log(np.where(ratio > 0, ratio, 1))).sum())


def _channels(seed: int, count: int):  # type: ignore[no-untyped-def]
    """Yield pairs of laws of 2 to 8 values and a channel, sparse ones too."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        size, outputs = rng.integers(2, 9, size=2)
        laws = rng.dirichlet(np.full(size, rng.choice([0.05, 0.3, 1.0])), size=2)
        yield laws[0], laws[1], rng.dirichlet(np.full(outputs, rng.choice([0.02, 0.3])), size=size)


def test_total_variation_over_random_channels() -> None:
    for p, p2, channel in _channels(0, 500):
        moved = abs(_information(p2, channel) - _information(p, channel))
        distance = min(1.0, 0.5 * float(abs(p - p2).sum()))
        printed = bounds.tv_shift_printed(distance, len(p))
        bound = bounds.tv_shift_bound(distance, len(p))
        assert moved <= printed + 1e-12
        assert printed <= bound + 1e-12
        # what any channel into so many outputs carries
        capacity = math.log(channel.shape[1])
        assert moved <= bounds.tv_shift_bound(distance, capacity=capacity) + 1e-12
        assert bounds.tv_shift_bound(distance, len(p), capacity) <= bound + 1e-12


def test_kl_over_random_channels() -> None:
    for p, p2, channel in _channels(1, 500):
        moved = abs(_information(p2, channel) - _information(p, channel))
        divergence = max(0.0, float(rel_entr(p2, p).sum()))
        assert moved <= bounds.kl_shift_bound(divergence, len(p)) + 1e-9


@pytest.mark.parametrize("t", [0.01, 0.3, 0.9])
@pytest.mark.parametrize("size", [2, 16])
def test_total_variation_is_attained(size: int, t: float) -> None:
    law, shifted = np.zeros(size), np.full(size, t / (size - 1))
    law[0], shifted[0] = 1.0, 1 - t
    moved = _information(shifted, np.eye(size)) - _information(law, np.eye(size))
    assert moved == pytest.approx(bounds.tv_shift_printed(t, size), rel=1e-12)
    if t <= 1 - 1 / size:
        assert moved == pytest.approx(bounds.tv_shift_bound(t, size), rel=1e-12)


def test_printed_form_is_violated_where_n_is_a_width() -> None:
    """16 inputs into 2 neurons of 4 levels: 1.42 nats where width 2 would allow 0.61."""
    law, shifted = np.zeros(16), np.full(16, 0.3 / 15)
    law[0], shifted[0] = 1.0, 0.7
    moved = _information(shifted, np.eye(16)) - _information(law, np.eye(16))
    assert moved == pytest.approx(1.4233, abs=1e-4)
    assert bounds.tv_shift_printed(0.3, 2) == pytest.approx(0.6109, abs=1e-4)
    assert moved <= bounds.tv_shift_bound(0.3, 16) * (1 + 1e-12)


def test_printed_form_is_violated_where_only_a_bound_is_known() -> None:
    """TV at most 0.95 allows TV 0.5, where two values move by log 2."""
    assert bounds.tv_shift_printed(0.95, 2) < math.log(2)
    assert bounds.tv_shift_bound(0.95, 2) == pytest.approx(math.log(2), rel=1e-12)


def test_monotone_forms_never_decrease() -> None:
    for size in (2, 3, 50):
        ts = np.linspace(0, 1, 101)
        by_tv = [bounds.tv_shift_bound(float(t), size) for t in ts]
        best = np.maximum.accumulate([bounds.tv_shift_printed(float(t), size) for t in ts])
        assert (np.diff(by_tv) >= 0).all()
        assert by_tv[-1] == pytest.approx(math.log(size), rel=1e-12)
        # the grid may miss the largest by 0.005^2/2 times the curvature, at most 4 size
        assert (np.array(by_tv) >= best - 1e-12).all()
        assert by_tv == pytest.approx(best, abs=5e-5 * size)
        by_kl = [bounds.kl_shift_bound(x, size) for x in (0, 1e-9, 0.1, 1, 1.6, 3, 40, math.inf)]
        assert by_kl == sorted(by_kl)
        assert by_kl[0] == 0.0
    assert bounds.kl_shift_bound(0.02, 9) == pytest.approx(bounds.kl_shift_printed(0.02, 9))


def _entropy(points: Array, sigma: float) -> float:
    def integrand(y: float) -> float:
        q = float(norm.pdf(y, points, sigma).mean())
        return -q * math.log(q) if q > 0 else 0.0

    return float(quad(integrand, -1 - 10 * sigma, 1 + 10 * sigma, limit=400)[0])


def test_wasserstein_entropy_shift() -> None:
    rng = np.random.default_rng(2)
    for sigma in (0.2, 1.0):
        for scale in (0.05, 0.5):
            s = rng.uniform(-1, 1, size=5)
            moved = np.clip(s + scale * rng.standard_normal(5), -1, 1)
            distance = float(abs(np.sort(s) - np.sort(moved)).mean())
            change = abs(_entropy(s, sigma) - _entropy(moved, sigma))
            assert 0 < change <= bounds.wasserstein_entropy_shift(distance, 1, sigma)


def test_wasserstein_formulas() -> None:
    one = bounds.wasserstein_entropy_shift(0.3, 4, 0.5)
    assert one == pytest.approx(2 * 2.5 / 0.25 * 0.3, rel=1e-12)
    assert bounds.wasserstein_shift_bound(0.1, 4, 0.5, 3.0) == pytest.approx(2 * one, rel=1e-12)
    first = bounds.wasserstein_shift_bound(0.1, 4, 0.5, 3.0, first_layer=True)
    assert first == pytest.approx(one, rel=1e-12)


def test_guarantee_3() -> None:
    n, d, s = 400, 3, 0.5
    delta = bounds.plug_in_risk_bound(n, d, s)
    inputs = d * math.log(1 + 1 / s**2) / (4 * math.sqrt(n))
    value = bounds.information_risk_bound
    assert value(n, d, s) == pytest.approx(2 * delta + inputs, rel=1e-12)
    assert value(n, d, s, 0.1) == pytest.approx(0.2 + inputs, rel=1e-12)
    assert value(n, d, s, first_layer=True) == delta
    assert value(n, d, s, fixed_inputs=True) == 2 * delta


def test_inputs_spread_information_less_than_guaranteed() -> None:
    """The mean of h(T | x_i) over n inputs, S given X two-point of random spread, in 1-D."""
    sigma, n = 0.3, 25
    spreads = np.linspace(0, 1, 41)
    entropies = np.array([_entropy(np.array([-a, a]), sigma) for a in spreads])
    rng = np.random.default_rng(3)
    # half of the inputs without spread, half with all: the widest law
    draws = entropies[rng.choice([0, 40], size=(4000, n))].mean(axis=1)
    allowed = math.log(1 + 1 / sigma**2) / (4 * math.sqrt(n))
    assert 0.2 * allowed < abs(draws - entropies[[0, 40]].mean()).mean() <= allowed


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`distance` must be a number in \[0, 1\]; got 1.5"):
        bounds.tv_shift_bound(1.5, 3)
    with pytest.raises(TypeError, match="`distance` must be a number"):
        bounds.tv_shift_bound("near", 3)
    with pytest.raises(ValueError, match="`size` must be an integer >= 2; got 1"):
        bounds.tv_shift_printed(0.5, 1)
    with pytest.raises(ValueError, match="`size` or `capacity` must be given"):
        bounds.tv_shift_bound(0.5)
    with pytest.raises(ValueError, match="`capacity` must be finite"):
        bounds.kl_shift_bound(0.5, capacity=math.inf)
    with pytest.raises(ValueError, match="`divergence` must be <= 2"):
        bounds.kl_shift_printed(2.5, 3)
    with pytest.raises(ValueError, match="`divergence` must be a number >= 0; got nan"):
        bounds.kl_shift_bound(math.nan, 3)
    with pytest.raises(TypeError, match="`lipschitz` must be a number >= 0; got True"):
        bounds.wasserstein_shift_bound(0.1, 1, 1.0, lipschitz=True)
