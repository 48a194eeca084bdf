"""Sources whose truth comes from sampling: their samplers and facts, and truths known otherwise."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare, kstest, multivariate_normal, norm

from entbench import Source
from entbench.mixture import GaussianMixture, gaussian_entropy
from entbench.sources import BPSKChannel
from entbench.sources._certificate import Asked, certify_bracket
from entbench.sources.empirical import Empirical
from entbench.sources.gaussian_mixture import RandomGaussianMixture, radius
from entbench.sources.random_network import RandomNetwork
from entbench.sources.reed_muller import ReedMuller, _all_messages

SOURCES: list[Source] = [
    RandomGaussianMixture(),
    ReedMuller(),
    RandomNetwork(),
    Empirical("breast-cancer"),
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: type(source).__name__)
def test_contract(source: Source) -> None:
    samples = source.sample(37, np.random.default_rng(5))
    assert samples.shape == (37, source.dim)
    assert np.array_equal(samples, source.sample(37, np.random.default_rng(5)))
    reference = source.reference()
    assert 0.0 < reference.error <= 5e-3
    # 20 Gaussians in five dimensions hardly overlap: a bound with proof
    assert reference.confidence == (1.0 if isinstance(source, RandomGaussianMixture) else 0.95)
    (check,) = reference.checks
    assert check.method != reference.method
    assert check.error is not None
    assert check.difference == abs(check.value - reference.value) < reference.error + check.error
    assert type(source)(**source.get_params()) == source
    facts = source.facts()
    if facts.in_unit_cube:
        assert np.abs(source.sample(10_000, np.random.default_rng(0))).max() <= 1.0


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: type(source).__name__)
def test_second_method_agrees(source: Source) -> None:
    first, second = source.certify(0.02, 0.999), source.verify(0.02, 0.999)  # type: ignore[attr-defined]
    assert first.method != second.method
    assert second.error <= 0.02
    assert abs(first.value - second.value) <= first.error + second.error


@pytest.mark.parametrize(
    "source",
    [*SOURCES, ReedMuller(0, 3), ReedMuller(3, 3), RandomNetwork(activation="linear")],
    ids=str,
)
def test_subgaussian_constant_bounds_the_moments(source: Source) -> None:
    """E exp(a.(S-ES)) <= exp(K^2 |a|^2/2), in means over samples."""
    samples = source.sample(20_000, np.random.default_rng(0))
    centred = samples - samples.mean(axis=0)
    constant = source.facts().subgaussian_constant
    assert constant is not None
    assert np.linalg.eigvalsh(np.cov(centred.T)).max() <= constant**2 * 1.05  # 5 sd of a variance
    directions = np.random.default_rng(1).standard_normal((20, source.dim))
    for a in directions / np.linalg.norm(directions, axis=1, keepdims=True) / constant:
        assert np.exp(centred @ a).mean() <= math.exp(0.5) * 1.05


def test_mixture_samples_follow_its_density() -> None:
    source = RandomGaussianMixture(d=2, k=4, scale=0.3, seed=3)
    centres, weights = source.components
    assert weights.sum() == pytest.approx(1.0)
    assert np.ptp(weights) > 0.05
    samples = source.sample(20_000, np.random.default_rng(0))
    for axis in range(2):

        def distribution(y: np.ndarray, axis: int = axis) -> np.ndarray:
            return norm.cdf(y[:, None], centres[:, axis], 0.3) @ weights

        assert kstest(samples[:, axis], distribution).pvalue > 1e-4


def test_mixture_of_one_is_a_gaussian() -> None:
    found = RandomGaussianMixture(d=3, k=1, sigma=0.3, scale=0.4).certify(1e-3)
    assert found.value == pytest.approx(gaussian_entropy(3, 0.5), abs=1e-6)


def polynomials(r: int, m: int) -> set[tuple[int, ...]]:
    """The code by its definition: sums mod 2 of products of at most r of the m variables."""
    places = np.array(list(itertools.product((0, 1), repeat=m)))[:, ::-1]
    terms = [
        places[:, list(chosen)].prod(axis=1)
        for order in range(r + 1)
        for chosen in itertools.combinations(range(m), order)
    ]
    return {
        tuple((np.array(picks) @ np.array(terms)) % 2)
        for picks in itertools.product((0, 1), repeat=len(terms))
    }


@pytest.mark.parametrize(("r", "m"), [(0, 3), (1, 3), (2, 3), (3, 3), (2, 4), (0, 1), (1, 1)])
def test_words_are_the_code_by_its_definition(r: int, m: int) -> None:
    source = ReedMuller(r, m)
    words = source.encode(_all_messages(source.n_bits))
    made = {tuple(((1 - word) / 2).astype(int)) for word in words}
    assert made == polynomials(r, m)
    assert len(made) == 2**source.n_bits
    drawn = source.sample(64 * len(made), np.random.default_rng(0))
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == len(made)
    assert chisquare(counts).pvalue > 1e-4


def test_least_distance_of_a_long_code() -> None:
    source = ReedMuller(3, 12)
    words = source.sample(50, np.random.default_rng(0))
    assert words.shape == (50, 4096)
    distances = 0.5 * (4096 - words @ words.T)
    assert distances[~np.eye(50, dtype=bool)].min() >= 2 ** (12 - 3)


@pytest.mark.parametrize(("r", "copies", "scale"), [(4, 16, 1.0), (0, 1, 4.0)])
def test_exact_codes(r: int, copies: int, scale: float) -> None:
    # I_BPSK(1) and I_BPSK(2) from an earlier computation by other code
    table = {1.0: 0.336830820347, 2.0: 0.111421482185}
    for sigma, axis in table.items():
        source = ReedMuller(r, 4, sigma * scale)
        noise = gaussian_entropy(16, sigma * scale)
        reference = source.reference()
        assert reference.confidence == 1.0
        assert reference.value - noise == pytest.approx(copies * axis, abs=1e-10)
        assert source.facts().mutual_information == pytest.approx(copies * axis, abs=1e-10)


@pytest.mark.parametrize("source", [ReedMuller(3, 3), ReedMuller(0, 3, 3.0)], ids=str)
def test_sampled_routes_find_the_exact_truths(source: ReedMuller) -> None:
    truth = source.reference().value
    for found in (source._over_the_codebook(Asked(5e-3, 0.999)), source.verify(5e-3, 0.999)):
        assert abs(found.value - truth) <= found.error <= 5e-3


def test_sum_over_cosets_is_the_sum_over_words() -> None:
    source = ReedMuller(2, 4, 0.8)
    noise = np.random.default_rng(0).standard_normal((30, 16))
    received = 1.0 + 0.8 * noise
    mixture = GaussianMixture(source.encode(_all_messages(11)), 0.8)
    expected = mixture.log_density(received, 1e-13) - norm.logpdf(0.8 * noise, scale=0.8).sum(1)
    np.testing.assert_allclose(source._log_ratio(noise, source._cosets), expected, atol=1e-10)
    words = source.encode(_all_messages(11))[1:]
    direct = np.exp(-((words - 1.0) ** 2).sum(axis=1) / (8 * 0.8**2)).sum()
    squares, cube = source._reach(np.array([1.0, 0.0]), 10**4), source._reach(np.eye(2)[1], 10**4)
    far = np.random.default_rng(1).standard_normal((10_000, 16))
    assert np.ptp(0.5 * (far**2).sum(axis=1)) <= squares - 12 * math.log(2)
    assert np.ptp(source._cube_ratio(far)) <= cube - 12 * math.log(2)
    assert source._variance_bound == pytest.approx(2.19 * direct, rel=1e-10)


def test_code_too_large_to_sum_over_is_bracketed() -> None:
    found = ReedMuller(2, 6, 4.0).certify(0.2)
    assert "leave-one-out" in found.method
    assert found.error <= 0.2
    noise = gaussian_entropy(64, 4.0)
    # less information than the whole cube gives
    assert noise - 0.2 < found.value < noise + BPSKChannel(64, 4.0).reference().value + 0.2


def test_linear_network_is_gaussian() -> None:
    source = RandomNetwork(d_in=4, d=3, sigma=0.5, activation="linear", depth=3)
    samples = source.sample(50_000, np.random.default_rng(0))
    product = np.linalg.multi_dot([weights for weights, _ in source.layers])
    covariance = product.T @ product
    # 5 standard errors of a covariance
    slack = 5 * np.sqrt(2 / 50_000) * np.diag(covariance).max()
    np.testing.assert_allclose(np.cov(samples.T), covariance, atol=slack)
    exact = source.reference()
    expected = multivariate_normal(cov=covariance + 0.25 * np.eye(3)).entropy()
    assert exact.value == pytest.approx(expected, abs=1e-10)
    assert exact.confidence == 1.0
    bracket = certify_bracket(source.sample, 0.5, Asked(0.03, 0.999))
    assert abs(bracket.value - expected) <= bracket.error


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_network_is_its_formula(activation: str) -> None:
    source = RandomNetwork(d_in=2, d=3, activation=activation, width=4, depth=2, inputs="uniform")
    (first, shift), (second, other) = source.layers
    f = np.tanh if activation == "tanh" else lambda x: np.where(x > 0, x, 0)
    u = np.random.default_rng(7).uniform(-1, 1, (5, 2))
    expected = [f(second.T @ f(first.T @ row + shift) + other) for row in u]
    np.testing.assert_allclose(source.sample(5, np.random.default_rng(7)), expected, rtol=1e-12)
    assert source.facts().in_unit_cube == (activation == "tanh")


def test_bundled_rows_fill_the_cube() -> None:
    from sklearn.datasets import load_breast_cancer
    from sklearn.preprocessing import MinMaxScaler

    rows = load_breast_cancer(return_X_y=True)[0]
    expected = MinMaxScaler((-1, 1)).fit_transform(rows)
    np.testing.assert_allclose(Empirical("breast-cancer").rows, expected, atol=1e-12)
    digits = Empirical()
    assert digits.rows.shape == (1797, 64)
    assert not digits.rows[:, 0].any()  # a column that never changes
    whitened = Empirical("breast-cancer", scaling="whiten").rows
    np.testing.assert_allclose(whitened.T @ whitened / len(rows), np.eye(30), atol=1e-10)
    with pytest.raises(ValueError, match='`scaling` must be "cube" or "none" for rows that span'):
        Empirical("digits", scaling="whiten")


def test_file_that_changed_is_another_source(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    rows = np.random.default_rng(0).standard_normal((40, 1))
    np.save(path, rows)
    source = Empirical(str(path), sigma=0.3, scaling="none")
    assert np.array_equal(source.rows, rows)
    # 40 components on the line, by direct summation over a fine lattice
    y = np.linspace(-6, 6, 40_001)
    q = norm.pdf(y[:, None], rows[:, 0], 0.3).mean(axis=1)
    truth = -float(np.sum(q * np.log(np.maximum(q, 1e-300)))) * (y[1] - y[0])
    assert source.reference().value == pytest.approx(truth, abs=1e-8)
    drawn = source.sample(4000, np.random.default_rng(0))
    values, counts = np.unique(drawn, return_counts=True)
    assert set(values) == set(rows[:, 0])
    assert chisquare(counts).pvalue > 1e-4
    params = source.get_params()
    assert Empirical(**params) == source
    np.save(path, rows + 1e-12)
    assert Empirical(str(path), sigma=0.3, scaling="none") != source
    with pytest.raises(ValueError, match="`digest` must be that of the rows of"):
        Empirical(**params)


def test_ball_holds_the_points() -> None:
    points = np.random.default_rng(0).exponential(size=(100, 3))
    spread = np.linalg.norm(points[:, None] - points[None], axis=2).max()
    assert 0.5 * spread <= radius(points) <= spread
    assert radius(np.array([[0.0], [0.0], [3.0]])) == 1.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReedMuller(5, 4), "`r` must be an integer in .0, 4.; got 5"),
        (lambda: ReedMuller(1, 13), "`m` must be an integer in .1, 12.; got 13"),
        (lambda: ReedMuller(-1, 4), "`r` must be an integer in .0, 4.; got -1"),
        (lambda: ReedMuller(sigma=0), "`sigma` must be a finite number > 0"),
        (lambda: RandomGaussianMixture(k=0), "`k` must be an integer >= 1; got 0"),
        (lambda: RandomGaussianMixture(scale=-1), "`scale` must be a finite number > 0"),
        (lambda: RandomNetwork(activation="gelu"), "`activation` must be one of 'tanh', 'relu'"),
        (lambda: RandomNetwork(inputs="dice"), "`inputs` must be one of 'normal', 'uniform'"),
        (lambda: RandomNetwork(depth=0), "`depth` must be an integer >= 1; got 0"),
        (lambda: Empirical("none.npy"), "data file 'none.npy' does not exist"),
        (lambda: Empirical("iris"), "data file 'iris' does not exist"),
        (lambda: Empirical(scaling="cubic"), "`scaling` must be one of 'cube', 'whiten', 'none'"),
    ],
)
def test_bad_parameters(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_a_choice_named_none_works_in_a_suite(tmp_path: Path) -> None:
    """From TOML, as a text and in a list, of sources and of estimators."""
    from entbench.runner import load_suite, make_plan

    np.save(tmp_path / "rows.npy", np.array([[0.0, 0.0], [5.0, 1.0], [9.0, 7.0]]))
    for scaling in ('"none"', '["none", "cube"]'):
        path = tmp_path / "mine.toml"
        path.write_text(
            f'source = {{name = "empirical", data = "{tmp_path}/rows.npy", scaling = {scaling}}}\n'
            'estimators = ["gaussian[correction=none]", "binning[n_bins=none]"]\n'
            "n = [10]\n"
        )
        plan = make_plan(load_suite(str(path)))
        assert dict(plan.cases[0].source.params)["scaling"] == "none"
        first, second = list(dict.fromkeys(cell.estimator for cell in plan.cells))
        assert dict(first.params)["correction"] == "none"
        assert first.label == "gaussian[correction=none]"
        assert dict(second.params)["n_bins"] is None  # where None is the value that is meant


def test_huge_rows_are_scaled_or_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    np.save(path, 1e150 * np.random.default_rng(0).standard_normal((8, 3)))
    for scaling in ("cube", "whiten"):
        assert math.isfinite(Empirical(str(path), scaling=scaling, sigma=0.5).certify(0.05).value)
    with pytest.raises(ValueError, match="coordinates must be at most 1e"):
        Empirical(str(path), scaling="none", sigma=0.5).certify(0.05)


def test_path_must_be_text() -> None:
    with pytest.raises(TypeError, match="`data` must be a name or the path of a file; got 3"):
        Empirical(3)  # type: ignore[arg-type]
