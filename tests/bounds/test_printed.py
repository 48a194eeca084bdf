"""Theorems 4 and 5 as printed: the paper's own numbers, and the formulas written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr

from entbench import bounds


def _theorem_4(n: float, d: int, beta: float, eps: float, factor: float) -> float:
    width = 2 + 2 * beta * math.sqrt((2 + eps) * math.log(n))
    first = 0.5 / (4 * math.pi * beta**2) ** (d / 4)
    first *= math.log(n * width**d / (math.pi * beta**2) ** (d / 2)) * width ** (d / 2)
    c = d / 2 * math.log(2 * math.pi * beta**2) + d / beta**2
    m = c**2 + 2 * c * d * (1 + beta**2) / beta**2
    m += 8 * d * (d + 2 * beta**4 + d * beta**4) / beta**4
    return first / math.sqrt(n) + math.sqrt(m) * factor


@pytest.mark.parametrize(
    ("tail", "factor"),
    [
        ("none", lambda n, d, eps: 0.0),
        ("2/n", lambda n, d, eps: 2 / n),
        ("2/sqrt(n)", lambda n, d, eps: 2 / math.sqrt(n)),
        ("sqrt(2/n)", lambda n, d, eps: math.sqrt(2 / n)),
        ("cauchy-schwarz", lambda n, d, eps: 2 * math.sqrt(d) * n ** -(0.5 + eps / 4)),
    ],
)
@pytest.mark.parametrize(
    ("n", "d", "beta", "eps"), [(1000, 3, 0.1, 1.0), (10**9, 7, 0.5, 0.01), (50, 1, 2.0, 3.0)]
)
def test_theorem_4_written_out(tail, factor, n, d, beta, eps) -> None:
    expected = _theorem_4(n, d, beta, eps, factor(n, d, eps))
    value = bounds.plug_in_risk_theorem_4_printed(n, d, beta, eps, tail)
    assert value == pytest.approx(expected, rel=1e-12)


def test_theorem_4_reproduces_the_papers_example_at_one_end_only() -> None:
    """0.4 at n = 4e9; its 3.74 at n = 4e6 comes from no reading."""

    def value(n: int, tail: str) -> float:
        return bounds.plug_in_risk_theorem_4_printed(n, 3, 0.005, tail=tail)

    assert value(4 * 10**9, "none") == pytest.approx(0.383, abs=5e-4)
    assert value(4 * 10**9, "2/n") == pytest.approx(0.383, abs=5e-4)
    assert value(4 * 10**9, "cauchy-schwarz") == pytest.approx(0.391, abs=5e-4)
    assert value(4 * 10**9, "2/sqrt(n)") > 12
    assert value(4 * 10**9, "sqrt(2/n)") > 8.9
    for tail in ("none", "2/n", "cauchy-schwarz"):
        assert 9.8 < value(4 * 10**6, tail) < 10.2
        assert 3.35 <= value(4 * 10**7, tail) < 3.44


@pytest.mark.parametrize(("d", "expected"), [(2, 0.030), (4, 4.7), (5, 57), (10, 1.3e7)])
def test_theorem_4_at_other_dimensions(d: int, expected: float) -> None:
    value = bounds.plug_in_risk_theorem_4_printed(4 * 10**9, d, 0.005, tail="none")
    assert value == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("n", "d", "beta"), [(100, 1, 0.1), (10**6, 5, 0.1), (10**9, 3, 0.005)])
def test_theorem_4_is_least_over_epsilon(n: int, d: int, beta: float) -> None:
    grid = np.geomspace(1e-4, 1e3, 3000)
    least = min(_theorem_4(n, d, beta, e, 2 * math.sqrt(d) * n ** -(0.5 + e / 4)) for e in grid)
    value = bounds.plug_in_risk_theorem_4_printed(n, d, beta, tail="cauchy-schwarz")
    # the grid's steps of 0.5 % leave it 1e-5 above the least at most
    assert least * (1 - 1e-5) <= value <= least * (1 + 1e-9)
    assert bounds.plug_in_risk_theorem_4_printed(n, d, beta) == pytest.approx(
        _theorem_4(n, d, beta, 0.0, 2 / n), rel=1e-12
    )


@pytest.mark.parametrize("with_e2", [True, False])
@pytest.mark.parametrize(("n", "d", "s", "k"), [(1000, 3, 0.1, 1.0), (10**8, 9, 0.7, 0.02)])
def test_theorem_5_written_out(n: int, d: int, s: float, k: float, with_e2: bool) -> None:
    e2 = math.e**2 if with_e2 else 1.0
    inside = e2 * (k + s) ** 2 * math.log(n) / ((math.e - 1) * math.pi * s**2)
    first = 0.5 * math.log(n * (8 * inside) ** (d / 2)) * (2 * inside) ** (d / 4) / math.sqrt(n)
    a = d / 2 * math.log(2 * math.pi * s**2) + 2 * d * k**2 / s**2
    m = a**2 + 2 * a * (s**2 * d + 2 * d * k**2) / s**2
    m += 8 * (16 * d**2 * k**4 + s**4 * d * (2 + d)) / s**4
    expected = first + 2 * math.sqrt(m * math.e * d / n)
    value = bounds.plug_in_risk_theorem_5(n, d, s, k, with_e2)
    assert value == pytest.approx(expected, rel=1e-12)


def test_theorem_4_proved_by_brute_force() -> None:
    """The form proved for every n, its minimum over r on a grid."""
    n, d, s = 10_000, 3, 0.2
    values = []
    for r in np.geomspace(0.02, 8, 20_000):
        region, peak = (2 + 2 * r) ** d, (2 * math.pi * s**2) ** (-d / 2)
        x = (4 * math.pi * s**2) ** (-d / 4) * math.sqrt(region / n) / (region * peak)
        psi = -x * math.log(x) if x < 1 / math.e else 1 / math.e
        p, phi = 2 * ndtr(-r / s), math.exp(-((r / s) ** 2) / 2) / math.sqrt(2 * math.pi)
        a = 4 * p + 8 * s * phi + s**2 * (p + 2 * r / s * phi)
        b = 4 + 4 * s * math.sqrt(2 / math.pi) + s**2
        values.append(region * peak * psi + 2 * (d * a + d * (d - 1) * b * p) / (2 * s**2))
    # the grid's steps of 0.03 % leave it 1e-6 above the least at most
    assert bounds.plug_in_risk_theorem_4(n, d, s) == pytest.approx(min(values), rel=1e-6)


def test_settings_that_the_theorems_do_not_reach() -> None:
    with pytest.raises(ValueError, match="`n` must be large enough for the theorem's logarithm"):
        bounds.plug_in_risk_theorem_4_printed(1, 5, 50.0)
    with pytest.raises(ValueError, match="`n` must be an integer >= 2; got 1"):
        bounds.plug_in_risk_theorem_5(1, 5, 1.0, 1.0)
    with pytest.raises(ValueError, match="`epsilon` must be a finite number > 0; got 0"):
        bounds.plug_in_risk_theorem_4_printed(10, 5, 1.0, epsilon=0.0)
    with pytest.raises(ValueError, match="`tail` must be one of '2/n'"):
        bounds.plug_in_risk_theorem_4_printed(10, 5, 1.0, tail="1/n")
    assert bounds.plug_in_risk_theorem_4_printed(10, 10_000, 1e-6) == math.inf
