"""Certificates against truths known by other means, and how often they hold."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from entbench import Reference
from entbench.mixture import GaussianMixture, MixtureEntropy, gaussian_entropy
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
    # the rule's error is extrapolated, no bound with proof
    assert certify_mixture(mixture, Asked(1e-6)).confidence == 0.95


@pytest.mark.parametrize(("shift", "sigma"), [(1e6, 1e-3), (-1e9, 1e-2), (1e3, 1e-6)])
def test_rules_agree_far_from_the_origin(shift: float, sigma: float) -> None:
    """Rounded points of a lattice would differ by 1e-8 here, and the two contradict each other."""
    for dim in (1, 2):
        centres = shift + 5.0 * sigma * np.random.default_rng(0).standard_normal((20, dim))
        found = certify_mixture(GaussianMixture(centres, sigma), Asked(1e-3))
        (check,) = found.checks
        assert check.difference < 1e-11
        assert check.error is not None
        assert check.error < 1e-8


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
    # asked for three times the error, at 99.9 %
    assert "I-MMSE" in check.method
    assert check.error is not None
    assert check.error <= 3 * first.error
    assert check.difference == abs(check.value - first.value) <= first.error + check.error


def test_one_component_is_no_trouble() -> None:
    found = certify_mixture(GaussianMixture(np.full((1, 4), 1e6), 1e-150), Asked(1e-3))
    assert found.value == pytest.approx(gaussian_entropy(4, 1e-150), rel=1e-12)
    assert found.confidence == 1.0
    (check,) = found.checks
    assert check.value == pytest.approx(found.value, rel=1e-12)


def test_components_apart_have_a_bound_with_proof() -> None:
    centres = 40.0 * np.eye(5)[:4]
    found = certify_mixture(GaussianMixture(centres, 1.0), Asked(1e-2))
    assert found.confidence == 1.0
    assert "do not overlap" in found.method
    assert abs(found.value - math.log(4) - gaussian_entropy(5, 1.0)) <= found.error < 1e-3
    (check,) = found.checks
    # no interval of draws is as narrow: the check says how wide its own is
    assert check.error is not None
    assert found.error < check.error <= 3 * 5e-3


def test_quantile_of_a_numerical_error() -> None:
    assert Asked(1e-2, 0.5).quantile == 1.96  # the error holds there, and nowhere below
    assert Asked(1e-2, 0.95).quantile == pytest.approx(1.96, abs=1e-4)
    assert Asked(1e-2, 0.999).quantile == pytest.approx(norm.ppf(0.9995), rel=1e-12)
    assert Asked(1e-2, 1.0 - 7e-6).quantile == pytest.approx(4.5, abs=0.02)
    # as the log of the probability: twice the log, twice the multiple
    squared = Asked(1e-2, 1.0 - 7e-6**2 / 2.0).quantile
    assert squared == pytest.approx(9.0, rel=1e-3)


def test_a_check_that_contradicts_is_one_line() -> None:
    first = Reference(1.0, 1e-3, "one way", confidence=0.95)
    close = Reference(1.0039, 3e-3, "another way", confidence=0.999)
    (check,) = certificate.confirmed(first, close).checks
    assert (check.method, check.value, check.error) == ("another way", 1.0039, 3e-3)
    apart = Reference(1.005, 3e-3, "another way", confidence=0.999)
    said = (
        r"^the reference is refused: h\(S\+Z\) = 1 \+- 1.0e-03 nats by one way, but 1.005 \+- "
        r"3.0e-03 by another way: 5.0e-03 apart, 1.0e-03 more than their errors\.$"
    )
    with pytest.raises(ValueError, match=said):
        certificate.confirmed(first, apart)


def test_a_certificate_that_is_wrong_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    mixture, _ = product_mixture(3, 0.4)
    entropy = GaussianMixture.entropy

    def wrong(self: GaussianMixture, *arguments: Any, **more: Any) -> MixtureEntropy:
        found = entropy(self, *arguments, **more)
        return replace(found, value=found.value + 0.1, plug_in=found.plug_in + 0.1)

    monkeypatch.setattr(GaussianMixture, "entropy", wrong)
    with pytest.raises(ValueError, match="the reference is refused: .* by I-MMSE at"):
        certify_mixture(mixture, Asked(0.01))

    def far(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.zeros((n, 3))

    with pytest.raises(ValueError, match="is refused: .* by cross-entropy of fresh samples"):
        certify_bracket(far, 0.5, Asked(0.01))


def test_rare_mass_counts_in_the_bracket() -> None:
    """Where no sample shows it, the limits leave room for an atom of 3/N at least."""
    same = certificate._Batches(1024, np.zeros(16), np.zeros(16), 0.0, 1.0, (2e-4, 2e-4))
    low, high = same.limits(0.95)
    samples = 16 * 1024
    assert high == -low >= 3.0 / samples * math.log(samples / 3.0) / math.log(samples)
    one = certificate._one_sample(1024, 4.0)
    assert one == pytest.approx((math.log(samples) + 4.0) / samples)


def test_plain_draws_find_rare_mass_too() -> None:
    places = np.zeros((300, 3))
    places[0, 0] = 30.0
    mixture = GaussianMixture(places, 1.0)
    share = 1.0 / 300.0
    truth = -share * math.log(share) - (1 - share) * math.log1p(-share) + gaussian_entropy(3, 1.0)
    found = [certificate._by_plain_draws(mixture, Asked(0.02, 0.95, seed)) for seed in range(40)]
    # more than 6 of 40 at 95 % have a chance of 1e-3
    assert sum(abs(each.value - truth) > each.error for each in found) <= 6
    assert all(0.0 < each.error <= 0.02 for each in found)


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
    with pytest.raises(ValueError, match="nats reached with 5000 independent draws"):
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

    means = [mean_to(draw, 0.01, 10**6, np.random.default_rng(seed), 0.0) for seed in range(40)]
    # 4 standard errors over 40 seeds; squares of 1e8 + x without a shift would lose all digits
    assert np.mean([m.value for m in means]) == pytest.approx(1e8 + 1.0, abs=4 * 0.01 / 40**0.5)
    # the range of the exponential is log n: an error of 0.01 has 1.4 log(n)/n of that
    assert all(m.numerical_error <= 0.01 and m.n_draws < 1.7e4 for m in means)


def test_what_no_draw_showed_counts_with_its_range() -> None:
    def never(m: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.zeros(m)

    mean = mean_to(never, 0.01, 10**6, np.random.default_rng(0), 30.0)
    span = 30.0 + math.log(mean.n_draws)
    assert mean.numerical_error == pytest.approx((1.4 + 2**0.5) * span / mean.n_draws)
    assert mean.numerical_error <= 0.01
    # Chebyshev's inequality, at 5 % and at 7e-6, where the variance is known to be next to nothing
    known = mean_to(never, 0.01, 10**6, np.random.default_rng(0), 30.0, variance_bound=1e-12)
    assert known.numerical_error < 1.1e-6 * 84 / math.sqrt(known.n_draws)
    # without a range no error is believed
    unknown = mean_to(never, 0.01, 10**4, np.random.default_rng(0), math.inf)
    assert unknown.numerical_error == math.inf


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
    # at least what it says: the error claimed is half of that asked where less was reached
    assert coverage(of_mixture, product_mixture(3, 0.4)[1], 300) >= 0.94


@pytest.mark.slow
def test_coverage_of_the_bracket() -> None:
    assert coverage(of_bracket, GAUSSIAN_TRUTH, 300) >= 0.95
