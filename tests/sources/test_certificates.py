"""Certificates against truths known by other means, and how often they hold."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from entbench import Reference
from entbench.mixture import GaussianMixture, gaussian_entropy
from entbench.sources import TruncatedMixture
from entbench.sources import _certificate as certificate
from entbench.sources._certificate import (
    Asked,
    certify_bracket,
    certify_mixture,
    mean_to,
    verify_bracket,
    verify_mixture,
)


def product_mixture(dim: int, sigma: float) -> tuple[GaussianMixture, float]:
    """The 3^dim points of a grid, unevenly weighted along every axis; truth by QUADPACK."""
    from scipy.integrate import quad

    places, weights = np.array([-1.0, 0.2, 1.0]), np.array([0.5, 0.2, 0.3])

    def term(y: float) -> float:
        q = float(weights @ norm.pdf(y, places, sigma))
        return -q * math.log(q) if q > 0.0 else 0.0

    truth, _ = quad(term, -1.0 - 10 * sigma, 1.0 + 10 * sigma, epsabs=1e-12, limit=200)
    grids = np.meshgrid(*[np.arange(3)] * dim, indexing="ij")
    chosen = np.stack([grid.ravel() for grid in grids], axis=1)
    return GaussianMixture(places[chosen], sigma, weights[chosen].prod(axis=1)), dim * truth


def gaussian_signal(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.standard_normal((n, 3))


GAUSSIAN_TRUTH = gaussian_entropy(3, math.sqrt(1.25))  # of noise 0.5


@pytest.mark.parametrize("dim", [1, 2])
def test_few_dimensions_are_integrated_by_rules(dim: int) -> None:
    mixture, truth = product_mixture(dim, 0.4)
    for found in (certify_mixture(mixture, Asked(1e-6)), verify_mixture(mixture, Asked(1e-6))):
        assert abs(found.value - truth) <= found.error <= 1e-8
    assert certify_mixture(mixture, Asked(1e-6)).confidence == 1.0


def test_both_ways_find_the_truth_in_three_dimensions() -> None:
    mixture, truth = product_mixture(3, 0.4)
    asked = Asked(4e-3, 0.999)
    for way in (certify_mixture, verify_mixture):
        found = way(mixture, asked)
        assert abs(found.value - truth) <= found.error <= 4e-3
        assert found.confidence == 0.999
    first = certify_mixture(mixture, asked)
    assert first == certify_mixture(mixture, asked)
    assert first.value != certify_mixture(mixture, Asked(4e-3, 0.999, seed=1)).value
    (check,) = first.checks
    assert check.difference == abs(check.value - first.value) < 10 * first.error


def test_one_component_is_no_trouble() -> None:
    found = certify_mixture(GaussianMixture(np.full((1, 4), 1e6), 1e-150), Asked(1e-3))
    assert found.value == pytest.approx(gaussian_entropy(4, 1e-150), rel=1e-12)


def test_bracket_encloses_a_known_truth() -> None:
    asked = Asked(0.02, 0.99)
    for way in (certify_bracket, verify_bracket):
        found = way(gaussian_signal, 0.5, asked)
        assert abs(found.value - GAUSSIAN_TRUTH) <= found.error <= 0.02
    source = TruncatedMixture(d=3, sigma=0.2)
    found = certify_bracket(source.sample, source.sigma, asked)
    assert abs(found.value - source.reference().value) <= found.error


def test_limits_are_student_s() -> None:
    low, high = np.random.default_rng(0).normal(size=(2, 16))
    batches = certificate._Batches(8, low, high + 5.0, 0.25, 1.0)
    below, above = batches.limits(0.9)
    # one-sided at 5 % each
    quantile = student.ppf(0.95, 15) / 4.0
    assert below == pytest.approx(low.mean() - quantile * low.std(ddof=1) - 0.25, rel=1e-12)
    assert above == pytest.approx(high.mean() + 5.0 + quantile * high.std(ddof=1) + 0.25, rel=1e-12)
    apart = certificate._Batches(8, low, np.append(high[1:], np.inf), 0.25, 1.0)
    assert apart.limits(0.9) == (below, math.inf)


def test_budget_that_will_not_do_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    mixture, _ = product_mixture(3, 0.4)
    monkeypatch.setattr(certificate, "_MOST_DRAWS", 5000)
    with pytest.raises(ValueError, match=r"^`error` of 0.0001 nats at confidence 0.95 is beyond"):
        certify_mixture(mixture, Asked(1e-4))
    with pytest.raises(ValueError, match="nats reached with 5000 draws"):
        verify_mixture(mixture, Asked(1e-4))
    monkeypatch.setattr(certificate, "_MOST_SAMPLES", 1024)
    with pytest.raises(ValueError, match="reached with 16 batches of 1024 samples"):
        certify_bracket(gaussian_signal, 0.5, Asked(0.01))
    with pytest.raises(ValueError, match="reached with 16 batches of 1024 samples"):
        verify_bracket(gaussian_signal, 0.5, Asked(0.01))


def never(*arguments: object) -> None:
    raise AssertionError("the budget was spent")


def at_best(caught: pytest.ExceptionInfo[ValueError]) -> float:
    found = re.search(r"about (\S+) nats could be had at best", str(caught.value))
    assert found is not None
    return float(found[1])


def test_hopeless_bracket_is_refused_before_the_budget_is_spent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(certificate, "_batches", never)
    with pytest.raises(ValueError, match="by an estimate from batches of 1024 samples") as caught:
        certify_bracket(gaussian_signal, 0.5, Asked(1e-9))
    # I_chi2 = (1 + 1/0.25)^3 - 1 = 124: the bias at 2^18 samples, and V = 3 (1/1.25)^2/2: what
    # half of Student's limits comes to. What is said to be out of reach has to be.
    bias, scatter = 124 / 2 / 2**18, math.sqrt(0.96 / 2**18)
    assert 1e-6 < at_best(caught) < 0.5 * (2 * bias + 2 * 2.13 * scatter / 4)


def test_hopeless_mixture_is_refused_before_the_budget_is_spent() -> None:
    mixture, _ = product_mixture(3, 0.4)
    seen: list[str] = []
    with (
        certificate.watched(lambda stage, detail: seen.append(detail)),
        pytest.raises(ValueError, match="could be had at best, by an estimate from") as caught,
    ):
        certify_mixture(mixture, Asked(1e-9))
    *_, last = seen
    # of a normal mean: a hundred times the draws, a tenth of the error
    draws, error = int(last.split()[0]), float(last.split()[3])
    assert draws < 0.1 * certificate._MOST_DRAWS
    scale = math.sqrt(draws / certificate._MOST_DRAWS)
    assert at_best(caught) == pytest.approx(1.96 * error * scale, rel=0.5)  # one digit is told


def test_what_can_be_had_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 atoms far apart: at 64 samples many stand alone, and leave-one-out is way above h.

    It comes down faster than as 1/n: by that rule 2048 samples would leave more than a nat.
    """
    monkeypatch.setattr(certificate, "_FIRST_SAMPLES", 64)
    monkeypatch.setattr(certificate, "_MOST_SAMPLES", 2048)
    probes: list[int] = []
    probe = certificate._probe

    def counted(sample: object, sigma: float, asked: Asked, n: int, *others: float) -> None:
        probes.append(n)
        probe(sample, sigma, asked, n, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(certificate, "_probe", counted)

    def atoms(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.integers(0, 4, (n, 3)).astype(np.float64)

    found = certify_bracket(atoms, 0.05, Asked(0.05))
    truth = math.log(64) + gaussian_entropy(3, 0.05)
    assert abs(found.value - truth) <= found.error <= 0.05
    assert 64 in probes


def test_watcher_is_told_and_forgotten() -> None:
    stages: list[str] = []
    with certificate.watched(lambda stage, detail: stages.append(stage)):
        certify_bracket(gaussian_signal, 0.5, Asked(0.1))
    told = list(dict.fromkeys(stages))
    assert told[0] == "plug-in and leave-one-out of 1024 samples"
    assert told[-1].startswith("check by ")
    count = len(stages)
    certify_bracket(gaussian_signal, 0.5, Asked(0.1))
    assert len(stages) == count


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0,), "`error` must be a finite number > 0; got 0.0"),
        ((1e-3, 1.0), "`confidence` must lie in .0, 1. where the truth comes from sampling; got 1"),
        ((1e-3, 0.0), "`confidence` must be a finite number > 0"),
        ((1e-3, 0.95, -1), "`seed` must be an integer >= 0; got -1"),
    ],
)
def test_what_is_asked_is_checked(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Asked(*arguments)  # type: ignore[arg-type]


def test_mean_meets_its_standard_error() -> None:
    def draw(m: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return 1e8 + rng.exponential(size=m)

    means = [mean_to(draw, 0.01, 10**6, np.random.default_rng(seed)) for seed in range(40)]
    # 4 standard errors over 40 seeds; squares of 1e8 + x without a shift would lose all digits
    assert np.mean([m.value for m in means]) == pytest.approx(1e8 + 1.0, abs=4 * 0.01 / 40**0.5)
    assert all(m.standard_error <= 0.01 and m.n_draws < 1.3e4 for m in means)


def test_variance_that_no_draw_showed_is_bounded() -> None:
    def never(m: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.zeros(m)

    mean = mean_to(never, 0.01, 10**6, np.random.default_rng(0), variance_bound=4.0)
    assert mean.n_draws >= 40_000
    assert mean.standard_error == pytest.approx(math.sqrt(4.0 / mean.n_draws))


def coverage(make: Callable[[int], Reference], truth: float, repeats: int) -> float:
    """Share of seeds whose certificate holds."""
    made = [make(seed) for seed in range(repeats)]
    return float(np.mean([abs(found.value - truth) <= found.error for found in made]))


def of_mixture(seed: int) -> Reference:
    mixture, _ = product_mixture(3, 0.4)
    return certify_mixture(mixture, Asked(2e-2, 0.95, seed))


def of_bracket(seed: int) -> Reference:
    return certify_bracket(gaussian_signal, 0.5, Asked(0.05, 0.95, seed))


def test_certificates_hold_as_often_as_they_say() -> None:
    # 40 repeats: at 95 % more than 6 misses have a chance of 1e-3, and at 80 % no more of 0.3
    assert coverage(of_mixture, product_mixture(3, 0.4)[1], 40) >= 34 / 40
    assert coverage(of_bracket, GAUSSIAN_TRUTH, 12) >= 10 / 12  # 3 misses: 0.02


@pytest.mark.slow
def test_coverage_of_the_mixture_s_certificate() -> None:
    assert 0.92 <= coverage(of_mixture, product_mixture(3, 0.4)[1], 300) <= 0.98


@pytest.mark.slow
def test_coverage_of_the_bracket() -> None:
    assert coverage(of_bracket, GAUSSIAN_TRUTH, 300) >= 0.95
