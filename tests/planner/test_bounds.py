from __future__ import annotations

import math

import numpy as np
import pytest

from entbench import bounds
from entbench.planner import BOUNDS, samples_needed, sigma_needed
from entbench.planner._inversion import smallest_n, smallest_sigma


@pytest.mark.parametrize("threshold", [1, 2, 3, 9, 10, 11, 99, 100, 101, 12345, 999_999])
def test_smallest_n_is_exact_to_a_million(threshold: int) -> None:
    assert smallest_n(lambda n: 0.0 if n >= threshold else 1.0, 0.5) == threshold


@pytest.mark.parametrize("threshold", [10**7 + 3, 10**15, 7 * 10**40, 10**299])
def test_smallest_n_beyond_is_never_too_small(threshold: int) -> None:
    found = smallest_n(lambda n: 0.0 if n >= threshold else 1.0, 0.5)
    assert isinstance(found, int)
    assert threshold <= found <= threshold * (1 + 2e-6)


def test_out_of_reach_is_infinite() -> None:
    assert smallest_n(lambda n: 1.0, 0.5) == math.inf
    assert smallest_n(lambda n: 1.0 / n, 1e-5, largest=1000) == math.inf
    assert smallest_n(lambda n: 1.0 / n, 1e-3, largest=1000) == 1000
    assert smallest_sigma(lambda s: 1.0, 0.5, 1e-3, 1e3, 20) == math.inf
    assert smallest_sigma(lambda s: 0.0, 0.5, 1e-3, 1e3, 20) == 1e-3


@pytest.mark.parametrize("bound", ["risk", "theorem-4", "bias", "worst-case-bias"])
@pytest.mark.parametrize(("dim", "sigma", "error"), [(1, 0.1, 0.05), (2, 0.5, 0.1), (3, 0.2, 0.3)])
def test_n_does_and_one_less_does_not(bound: str, dim: int, sigma: float, error: float) -> None:
    n = samples_needed(error, dim=dim, sigma=sigma, bound=bound)
    function = BOUNDS[bound].error_at
    assert function(int(n), dim, sigma) <= error
    less = n - 1 if n <= 1e6 else n * (1 - 3e-6)
    assert function(int(less), dim, sigma) > error


@pytest.mark.parametrize(
    ("dim", "n", "digits"), [(1, 1.4e3, 0.05), (2, 6.4e3, 0.01), (3, 2.3e4, 0.03), (5, 7.1e5, 0.01)]
)
def test_risk_bound_at_sigma_tenth(dim: int, n: float, digits: float) -> None:
    """The n for a risk of 0.1 as computed, to their digits, when the bound was derived."""
    assert samples_needed(0.1, dim=dim, sigma=0.1) == pytest.approx(n, rel=digits)


def test_the_papers_example() -> None:
    """Theorem 4 asks 4e9 samples for 0.4 nats at d = 3, sigma = 0.005; the risk bound 8.6e6."""
    setting = {"dim": 3, "sigma": 0.005}
    assert samples_needed(0.4, bound="theorem-4", **setting) == pytest.approx(4e9, rel=0.15)
    assert samples_needed(0.4, bound="risk", **setting) == pytest.approx(8.6e6, rel=0.01)


@pytest.mark.parametrize("dim", [1, 5, 30])
def test_bias_bound_has_a_closed_form(dim: int) -> None:
    sigma, error = 0.3, 0.07
    volume = (1.0 + math.sqrt(2.0 / math.pi) / sigma) ** dim
    exact = math.ceil((volume - 1.0) / math.expm1(error))
    assert samples_needed(error, dim=dim, sigma=sigma, bound="bias") == pytest.approx(
        exact, rel=2e-6
    )
    n = 500
    closed = math.sqrt(2.0 / math.pi) / math.expm1(math.log1p(n * math.expm1(error)) / dim)
    assert sigma_needed(error, dim=dim, n=n, bound="bias") == pytest.approx(closed, rel=1e-12)


@pytest.mark.parametrize("bound", ["risk", "theorem-4", "bias"])
def test_sigma_does_and_less_does_not(bound: str) -> None:
    dim, n, error = 3, 10**5, 0.2
    sigma = sigma_needed(error, dim=dim, n=n, bound=bound)
    function = BOUNDS[bound].error_at
    assert function(n, dim, sigma) <= error < function(n, dim, sigma * (1 - 1e-9))
    assert samples_needed(error, dim=dim, sigma=sigma, bound=bound) <= n


@pytest.mark.parametrize("bound", ["risk", "theorem-4", "bias"])
@pytest.mark.parametrize("dim", [1, 4, 20])
def test_bounds_fall_with_n_and_sigma(bound: str, dim: int) -> None:
    """What bisection rests on. Theorem 4 is found by a bounded search of its radius: to 1e-6."""
    function = BOUNDS[bound].error_at
    in_n = [function(int(n), dim, 0.1) for n in np.geomspace(1, 1e9, 40)]
    in_sigma = [function(1000, dim, s) for s in np.geomspace(1e-2, 1e2, 60)]
    for values in (in_n, in_sigma):
        finite = np.array([v for v in values if math.isfinite(v)])
        assert (np.diff(finite) <= 1e-6 * finite[:-1]).all()


def test_worst_case_is_below_what_is_enough() -> None:
    """A necessary n above a sufficient one would contradict both."""
    for dim, sigma in [(1, 0.1), (2, 0.2), (3, 0.5)]:
        needed = samples_needed(0.1, dim=dim, sigma=sigma, bound="worst-case-bias")
        assert needed <= samples_needed(0.1, dim=dim, sigma=sigma, bound="bias")
        assert bounds.worst_case_bias_bound(int(needed), dim, sigma) <= 0.1


def test_beyond_numbers() -> None:
    assert samples_needed(0.1, dim=1000, sigma=0.1) == math.inf
    assert math.isfinite(samples_needed(0.1, dim=100, sigma=0.1))
    assert samples_needed(0.05, dim=1, sigma=1e6) == 1
    # however wide the noise, Theorem 4 does not fall below a level of n's
    assert sigma_needed(0.1, dim=2, n=10**4, bound="theorem-4") == math.inf
    assert bounds.plug_in_risk_theorem_4(10**4, 2, 1e6) > 0.1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"error": 0.0}, "`error` must be a finite number > 0; got 0.0"),
        ({"dim": 0}, "`dim` must be an integer >= 1; got 0"),
        ({"sigma": math.inf}, "`sigma` must be a finite number > 0; got inf"),
        ({"bound": "theorem"}, "`bound` must be one of 'risk', .*; got 'theorem'"),
    ],
)
def test_bad_input(options: dict[str, object], match: str) -> None:
    arguments = {"error": 0.1, "dim": 2, "sigma": 0.1, **options}
    with pytest.raises(ValueError, match=match):
        samples_needed(arguments.pop("error"), **arguments)  # type: ignore[arg-type]


def test_no_sigma_for_a_bound_on_the_worst_case() -> None:
    with pytest.raises(ValueError, match="`bound` must be one of 'risk', 'theorem-4', 'bias'; got"):
        sigma_needed(0.1, dim=1, n=10, bound="worst-case-bias")
    with pytest.raises(ValueError, match="`n` must be an integer >= 1; got 0"):
        sigma_needed(0.1, dim=1, n=0)
