from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import foldnorm, poisson

from entbench.estimators.corrected_sample_propagation import JackknifeSamplePropagation
from entbench.estimators.sample_propagation import SamplePropagation
from entbench.planner import Pilot, measure_pilot, plan
from entbench.planner._pilot import _log_ratios, _variance
from entbench.sources.truncated_mixture import TruncatedMixture


def atoms(n: int, weights: list[float], seed: int = 0) -> np.ndarray:
    places = np.arange(len(weights), dtype=float) * 2.0
    rng = np.random.default_rng(seed)
    return rng.choice(places, size=n, p=weights)[:, None]


def test_separated_atoms_by_counting() -> None:
    """n_eff is the number of atoms, V the variance of -log of their shares; kernels to 1e-5."""
    signal = atoms(500, [0.5, 0.3, 0.15, 0.05])
    counts = np.unique(signal, return_counts=True)[1]
    surprise = np.repeat(-np.log(counts / 500), counts)
    whole, _ = _log_ratios(signal, 1e-3, np.random.default_rng(0), 1, 4000)
    assert np.exp(whole).mean() == pytest.approx(4.0, rel=3e-5)
    assert _variance(whole)[0] == pytest.approx(surprise.var(ddof=1), rel=1e-4)


def test_halves_by_counting() -> None:
    """Of 60 rare atoms some are in one half alone: half their number is what n_eff gains."""
    signal = atoms(200, [0.4, *[0.01] * 60])
    order = np.random.default_rng(3).permutation(200)
    seen = [set(signal[half, 0]) for half in (order[:100], order[100:])]
    whole, half = _log_ratios(signal, 1e-3, np.random.default_rng(3), 1, 4000)
    gained = np.exp(whole).mean() - np.exp(half).mean()
    assert len(seen[0] ^ seen[1]) > 20
    assert gained == pytest.approx(0.5 * len(seen[0] ^ seen[1]), rel=1e-4)
    pilot = measure_pilot(signal, 1e-3, random_state=3)
    limit = 2.0 * pilot.most_gained
    assert poisson.cdf(len(seen[0] ^ seen[1]), limit) == pytest.approx(0.05, rel=1e-3)
    singles = np.unique(signal, return_counts=True)[1] == 1
    assert pilot.alone == pytest.approx(singles.sum() / 200)
    assert poisson.cdf(singles.sum(), 200 * pilot.missing_mass) == pytest.approx(0.05, rel=1e-3)


def test_atoms_extrapolate_to_the_truth() -> None:
    """sqrt(V) = 0.599; over 40 seeds, at n = 2000, it came out as 0.596 with sd 0.013: 4 sd."""
    weights = [0.5, 0.3, 0.15, 0.05]
    log_p = np.log(weights)
    deviation = math.sqrt(
        np.average(log_p**2, weights=weights) - np.average(log_p, weights=weights) ** 2
    )
    pilot = measure_pilot(atoms(2000, weights), 1e-3)
    assert pilot.chi_square_information == pytest.approx(3.0, abs=1e-3)
    assert pilot.deviation == pytest.approx(deviation, abs=0.053)
    assert not pilot.too_small


def test_n_eff_is_that_of_sp() -> None:
    """Two Monte-Carlo integrations of one number: over 20 seeds they differ by 0.9 %: 4 sd."""
    source = TruncatedMixture(3, 0.1, 0.5)
    signal = source.sample(2000, np.random.default_rng(0))
    fitted = SamplePropagation(0.1, random_state=0).fit(signal)
    pilot = measure_pilot(signal, 0.1)
    assert pilot.n_eff == pytest.approx(fitted.diagnostics_["n_eff"], rel=0.035)


@pytest.mark.parametrize(
    ("source", "factor"),
    [
        (TruncatedMixture(5, 0.1, 0.02), 1.05),
        (TruncatedMixture(5, 0.5, 0.5), 1.1),
        (TruncatedMixture(3, 0.1, 0.5), 1.25),
        (TruncatedMixture(2, 0.1, 1e6), 1.1),
    ],
)
def test_chi_square_information_of_known_sources(source: TruncatedMixture, factor: float) -> None:
    """From 1000 samples; over 3 seeds it was off by 3, 6, 9 and 3 % at most."""
    truth = source.facts().chi_square_information
    assert truth is not None
    signal = source.sample(1000, np.random.default_rng(1))
    pilot = measure_pilot(signal, source.sigma)
    assert truth / factor < pilot.chi_square_information < truth * factor


def test_predicted_error_by_a_second_route() -> None:
    """Folded normal from scipy.stats, with the mean and variances of the docstring."""
    pilot = Pilot(1000, 5, 0.1, 35.0, 33.0, 0.7, too_small=False)
    for n in (100, 1000, 10**6):
        bias = min(33.0 / (2 * n), math.log1p(33.0 / n))
        spread = math.sqrt(0.49 / n + 33.0 / (2 * n * n))
        assert pilot.error_at(n) == pytest.approx(
            foldnorm.mean(bias / spread, scale=spread), rel=1e-12
        )
        assert pilot.error_at(n, "sp-jackknife") == pytest.approx(
            spread * math.sqrt(2 / math.pi), rel=1e-12
        )
    assert pilot.error_at(5) == pytest.approx(
        foldnorm.mean(math.log1p(6.6) / math.sqrt(0.098 + 0.66), scale=math.sqrt(0.758)), rel=1e-9
    )
    assert pilot.error_at(67, "sp-jackknife") == math.inf
    assert pilot.error_at(68, "sp-jackknife") < math.inf
    values = [pilot.error_at(n) for n in range(1, 3000)]
    assert (np.diff(values) < 0.0).all()


@pytest.mark.parametrize("growth", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("n", [50, 1000, 20_000])
def test_largest_error_by_a_second_route(growth: float, n: int) -> None:
    """The rises of the value, integrated numerically in log n; a limit of growth 0 is 1e-3."""
    pilot = Pilot(1000, 1, 0.1, 40.0, 42.0, 0.7, False, 6.0, growth, 0.8)
    exponent = max(growth, 1e-3)
    slope = 6.0 * exponent / (1.0 - 2.0**-exponent)

    def rise(log_n: float) -> float:
        power = max(math.exp(log_n) / 1000.0, 1.0) ** exponent
        n_eff = 40.0 + slope * (power - 1.0) / exponent
        return 0.5 * (n_eff + slope * power - 1.0) * math.exp(-log_n)

    ends = [math.log(n), math.log(max(n, 1000)), math.log(1e3) + 60.0 / (1.0 - growth)]
    bias = sum(quad(rise, *ends[i : i + 2], epsabs=1e-12, limit=500)[0] for i in (0, 1))
    spread = math.sqrt((0.64 + bias) / n)
    expected = foldnorm.mean(min(bias, math.log1p(2.0 * bias)) / spread, scale=spread)
    assert pilot.largest_error_at(n) == pytest.approx(expected, rel=1e-6)


def test_largest_error_falls_and_is_above_the_likely() -> None:
    for growth in (0.0, 0.5, 0.9):
        pilot = Pilot(500, 1, 0.1, 40.0, 43.0, 0.7, False, 6.0, growth, 0.8)
        for method in ("sp", "sp-jackknife"):
            largest = np.array([pilot.largest_error_at(n, method) for n in range(2, 3000, 7)])
            likely = np.array([pilot.error_at(n, method) for n in range(2, 3000, 7)])
            assert (largest >= likely).all()
            assert (np.diff(largest[np.isfinite(largest)]) < 0.0).all()
    assert Pilot(500, 1, 0.1, 40.0, 43.0, 0.7, False, 6.0, 1.0, 0.8).largest_error_at(9) == math.inf


def test_too_small_a_pilot_bounds_from_below() -> None:
    signal = np.random.default_rng(0).uniform(-1, 1, (100, 10))
    pilot = measure_pilot(signal, 0.1)
    assert pilot.too_small
    assert pilot.n_eff == pytest.approx(100.0, rel=1e-3)
    assert pilot.error_at(1000) == pytest.approx(0.0495, rel=1e-3)
    assert pilot.error_at(10**6, "sp-jackknife") == math.inf


def test_equal_samples() -> None:
    pilot = measure_pilot(np.full((20, 3), 1e6), 0.1)
    assert pilot.n_eff == pytest.approx(1.0, rel=1e-4)
    assert pilot.error_at(10) == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize(("scale", "shift"), [(1e-150, 0.0), (1e100, 0.0), (1.0, 1e6)])
def test_unit_and_origin_do_not_matter(scale: float, shift: float) -> None:
    """Kernels are summed to 1e-5; 1e6 has 1e-10 of rounding, 1e-9 sigma."""
    signal = TruncatedMixture(3, 0.1, 0.5).sample(500, np.random.default_rng(0))
    plain = measure_pilot(signal, 0.1)
    moved = measure_pilot(signal * scale + shift, 0.1 * scale)
    assert moved.n_eff == pytest.approx(plain.n_eff, rel=1e-4)
    assert moved.chi_square_information == pytest.approx(plain.chi_square_information, rel=1e-3)
    assert moved.deviation == pytest.approx(plain.deviation, rel=1e-2)


def test_same_seed_same_pilot() -> None:
    signal = TruncatedMixture(2, 0.1, 0.5).sample(300, np.random.default_rng(0))
    kept = signal.copy()
    state = np.random.get_state()[1].copy()
    first = measure_pilot(signal, 0.1, random_state=3, n_jobs=1, rows=50)
    assert first == measure_pilot(signal, 0.1, random_state=3, n_jobs=2, rows=50)
    assert first != measure_pilot(signal, 0.1, random_state=4, rows=50)
    np.testing.assert_array_equal(signal, kept)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_bad_input() -> None:
    good = np.zeros((20, 2))
    with pytest.raises(ValueError, match="`samples` must have at least 20 rows; got 19"):
        measure_pilot(good[:19], 0.1)
    with pytest.raises(ValueError, match="`sigma` must be a finite number > 0; got 0"):
        measure_pilot(good, 0)
    with pytest.raises(ValueError, match="`samples` must have shape"):
        measure_pilot(np.zeros(30), 0.1)
    with pytest.raises(ValueError, match="`n` must be an integer >= 1; got 0"):
        measure_pilot(good, 0.1).error_at(0)


def mean_error(source: TruncatedMixture, method: str, n: int, trials: int) -> tuple[float, float]:
    """Return the mean absolute error over trials, and its standard error."""
    kinds = {"sp": SamplePropagation, "sp-jackknife": JackknifeSamplePropagation}
    truth = source.reference().value
    rng = np.random.default_rng(1)
    errors = []
    for trial in range(trials):
        estimator = kinds[method](source.sigma, tolerance=5e-3, random_state=trial)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that n is small
            errors.append(abs(estimator.fit(source.sample(n, rng)).entropy_ - truth))
    return float(np.mean(errors)), float(np.std(errors, ddof=1)) / math.sqrt(trials)


def check_factor_two(source: TruncatedMixture, error: float, trials: int) -> None:
    """The n planned from 2000 samples brings the error asked within a factor 2.

    The factor is what the planner promises; four standard errors over the trials are on top.
    """
    pilot = source.sample(2000, np.random.default_rng(0))
    made = plan(error=error, sigma=source.sigma, pilot=pilot, timed=False)
    for answer in made.answers[-2:]:
        assert answer.n is not None
        assert not answer.at_least
        found, standard_error = mean_error(source, answer.name, int(answer.n), trials)
        assert found - 4 * standard_error <= 2.0 * error
        if answer.name == "sp" or answer.n > 2.1 * (made.pilot.chi_square_information + 1):
            assert found + 4 * standard_error >= 0.5 * error


@pytest.mark.parametrize(
    "source",
    [TruncatedMixture(5, 0.1, 0.02), TruncatedMixture(5, 0.5, 0.5), TruncatedMixture(3, 0.1, 0.1)],
)
def test_the_pilots_n_brings_the_error(source: TruncatedMixture) -> None:
    """Standard errors over 25 trials were 5 to 9 % of the error."""
    check_factor_two(source, 0.1, 25)


@pytest.mark.slow
@pytest.mark.parametrize("error", [0.1, 0.03])
@pytest.mark.parametrize(
    "source",
    [
        TruncatedMixture(2, 0.1, 1e6),
        TruncatedMixture(3, 0.1, 0.5),
        TruncatedMixture(5, 0.1, 0.02),
        TruncatedMixture(5, 0.1, 0.1),
        TruncatedMixture(5, 0.5, 0.02),
        TruncatedMixture(5, 0.5, 0.5),
        TruncatedMixture(10, 0.5, 0.02),
    ],
)
def test_the_pilots_n_brings_the_error_widely(source: TruncatedMixture, error: float) -> None:
    check_factor_two(source, error, 100)
