"""Perturbations: what their facts say, evaluated again from the rows and weights that came back."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import hadamard
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from entbench import bounds, shift

CUBE = (np.arange(2**8)[:, None] >> np.arange(8)) & 1


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _law(rows: NDArray, weights: NDArray) -> Counter[tuple[float, ...]]:
    law: Counter[tuple[float, ...]] = Counter()
    for row, weight in zip(np.reshape(rows, (len(rows), -1)) + 0.0, weights, strict=True):
        law[tuple(row)] += weight
    return law


def _check_facts(X: NDArray, perturbed: shift.Perturbed) -> None:
    """Count the laws value by value, and put the Wasserstein distance between its bounds."""
    before, after = _law(X, np.full(len(X), 1 / len(X))), _law(perturbed.X, perturbed.weights)
    values = set(before) | set(after)
    facts = perturbed.facts
    assert facts.tv == pytest.approx(
        0.5 * math.fsum(abs(before[v] - after[v]) for v in values), rel=1e-10, abs=1e-14
    )
    gone = any(after[v] > 0 and before[v] == 0 for v in values)
    kl = math.inf
    if not gone:
        kl = math.fsum(after[v] * math.log(after[v] / before[v]) for v in values if after[v] > 0)
    assert facts.kl == pytest.approx(kl, rel=1e-9, abs=1e-14)
    assert facts.support_size == len(values)
    assert facts.same_support == all(before[v] > 0 and after[v] > 0 for v in values)
    exact = shift.wasserstein(
        np.reshape(X, (len(X), -1)),
        np.reshape(perturbed.X, (len(perturbed.X), -1)),
        other_weights=perturbed.weights,
        method="exact",
    )
    assert facts.w1_low <= exact.high * (1 + 1e-9) + 1e-12
    assert exact.low <= facts.w1 * (1 + 1e-9) + 1e-12
    assert math.fsum(perturbed.weights) == pytest.approx(1.0, abs=1e-12)


IMAGES = _rng(5).random((12, 6, 7))
PERTURBATIONS = [
    shift.Reweighting(0.3),
    shift.Reweighting(0.7),
    shift.LabelSkew(0.2),
    shift.Tilting(0.1),
    shift.Tilting(0.4, "label"),
    shift.AdditiveNoise(0.5),
    shift.AdditiveNoise(0.0),
    shift.Translation(2.0),
    shift.Rotation(30.0),
    shift.BitFlips(p=0.1),
    shift.BitFlips(n_flips=2),
]


@pytest.mark.parametrize("perturbation", PERTURBATIONS, ids=repr)
@pytest.mark.parametrize("seed", [0, 1])
def test_facts_are_those_of_the_rows(perturbation: shift.Perturbation, seed: int) -> None:
    rng = _rng(seed)
    X = rng.integers(2, size=(40, 4))  # repeated rows, some of them with labels that differ
    y = rng.integers(3, size=40)
    kept = X.copy()
    perturbed = perturbation.apply(X, y, _rng(seed))
    _check_facts(X, perturbed)
    assert np.array_equal(X, kept)
    assert np.array_equal(perturbed.y, y)
    again = perturbation.apply(X, y, _rng(seed))
    assert np.array_equal(again.X, perturbed.X)
    assert np.array_equal(again.weights, perturbed.weights)


@pytest.mark.parametrize(
    "perturbation",
    [
        shift.Reweighting(0.25),
        shift.AdditiveNoise(0.1),
        shift.Translation(0.5),
        shift.Translation(2.0, "pixels"),
        shift.Translation(0.5, "pixels"),
        shift.Rotation(10.0),
    ],
    ids=repr,
)
def test_facts_of_images(perturbation: shift.Perturbation) -> None:
    perturbed = perturbation.apply(IMAGES, None, _rng())
    assert perturbed.X.shape == IMAGES.shape
    assert perturbed.y is None
    _check_facts(IMAGES, perturbed)


@pytest.mark.parametrize("eps", [0.0, 1e-9, 0.1, 0.5, 0.77, 0.99])
def test_reweighting_is_exactly_that_far(eps: float) -> None:
    X = _rng().normal(size=(100, 3))
    perturbed = shift.Reweighting(eps).apply(X, None, _rng(1))
    assert perturbed.facts.tv == pytest.approx(eps, rel=1e-6, abs=1e-13)
    assert 0.5 * np.abs(perturbed.weights - 0.01).sum() == pytest.approx(eps, rel=1e-6, abs=1e-13)
    assert (perturbed.weights >= 0).all()
    changed = perturbed.weights < 0.01
    # a half gives, or as many as it takes
    assert np.count_nonzero(changed) == (0 if eps == 0 else max(50, round(100 * eps)))
    assert perturbed.facts.same_support == (eps not in (0.5, 0.77, 0.99))


def test_reweighting_of_repeated_rows_is_by_values() -> None:
    X = np.repeat(np.eye(4), [1, 2, 3, 14], axis=0)
    perturbed = shift.Reweighting(0.04).apply(X, None, _rng(2))
    assert perturbed.facts.tv == pytest.approx(0.04, rel=1e-10)
    for value in np.eye(4):
        assert len(set(perturbed.weights[np.equal(X, value).all(axis=1)])) == 1


def test_the_same_rows_give_at_every_intensity() -> None:
    X = _rng().normal(size=(30, 2))
    give = [
        shift.Reweighting(eps).apply(X, None, _rng(3)).weights < 1 / 30 for eps in (0.1, 0.3, 0.5)
    ]
    assert np.array_equal(give[0], give[1])
    assert np.array_equal(give[0], give[2])


def test_label_skew_moves_mass_between_classes() -> None:
    X, y = _rng().normal(size=(60, 2)), np.repeat(["a", "b", "c"], [10, 20, 30])
    perturbed = shift.LabelSkew(0.15).apply(X, y, _rng(4))
    masses = np.array([perturbed.weights[y == label].sum() for label in "abc"])
    assert 0.5 * np.abs(masses - [1 / 6, 1 / 3, 1 / 2]).sum() == pytest.approx(0.15, rel=1e-12)
    assert perturbed.facts.tv == pytest.approx(0.15, rel=1e-12)  # each row has one label
    for label in "abc":
        assert len(set(perturbed.weights[y == label])) == 1


@pytest.mark.parametrize("eps", [0.0, 1e-6, 0.01, 1.0, 3.0])
def test_tilting_is_exactly_that_far(eps: float) -> None:
    X = _rng().normal(size=(80, 3)) + 1e6
    perturbed = shift.Tilting(eps).apply(X, None, _rng(5))
    w = perturbed.weights
    assert perturbed.facts.kl == pytest.approx(eps, rel=1e-8, abs=1e-15)
    assert np.sum(w * np.log(80 * w)) == pytest.approx(eps, rel=1e-8, abs=1e-14)
    # log-weights are linear in x: of rank 1 + dim
    if eps:
        design = np.column_stack([np.ones(80), X - 1e6])
        left = np.log(w) - design @ np.linalg.lstsq(design, np.log(w), rcond=None)[0]
        assert np.abs(left).max() < 1e-6 * np.ptp(np.log(w))


def test_tilting_is_the_nearest_law_with_its_mean() -> None:
    """Its theta is the one at which the dual of that problem is least."""
    X = _rng(6).normal(size=(50, 1))
    w = shift.Tilting(0.2).apply(X, None, _rng(6)).weights
    f = X[:, 0]
    mean = w @ f
    theta = minimize_scalar(lambda t: np.log(np.mean(np.exp(t * (f - mean)))), tol=1e-12).x
    expected = np.exp(theta * f) / np.exp(theta * f).sum()
    assert w == pytest.approx(expected, rel=1e-6)


def test_tilting_by_label() -> None:
    X, y = _rng().normal(size=(40, 2)), np.repeat([3, 7], [10, 30])
    w = shift.Tilting(0.05, "label").apply(X, y, _rng(7)).weights
    p = np.array([w[y == 3].sum(), w[y == 7].sum()])
    assert np.sum(p * np.log(p / [0.25, 0.75])) == pytest.approx(0.05, rel=1e-9)


def test_tilting_at_and_beyond_its_largest() -> None:
    X = np.repeat([[0.0], [1.0]], [6, 2], axis=0)
    limits = set()
    for seed in range(8):
        with pytest.raises(ValueError, match=r"`eps` must be at most [0-9.]+ nats") as info:
            shift.Tilting(1.5).apply(X, None, _rng(seed))
        limits.add(float(str(info.value).split("at most ")[1].split(" ")[0]))
    assert sorted(limits) == pytest.approx([math.log(8 / 6), math.log(8 / 2)], rel=1e-10)
    seed = next(s for s in range(8) if _rng(s).standard_normal() > 0)
    most = shift.Tilting(math.log(4)).apply(X, None, _rng(seed))
    assert most.weights == pytest.approx([0.0] * 6 + [0.5] * 2, abs=1e-12)


def test_noise_moves_by_what_the_docstring_says() -> None:
    for dim in (1, 5, 30):
        X = _rng().normal(size=(4000, dim))
        facts = shift.AdditiveNoise(0.3).apply(X, None, _rng(8)).facts
        expected = 0.3 * math.sqrt(2) * math.exp(gammaln((dim + 1) / 2) - gammaln(dim / 2))
        # sd of |N| is at most 0.71: 4 standard errors over 4000 rows
        assert facts.w1 == pytest.approx(expected, abs=4 * 0.3 * 0.71 / math.sqrt(4000))
        assert (facts.tv, facts.kl, facts.same_support) == (1.0, math.inf, False)
        assert facts.support_size == 8000


def test_translation_is_its_length() -> None:
    X = _rng().normal(size=(50, 6))
    facts = shift.Translation(3.0).apply(X, None, _rng(9)).facts
    assert facts.w1 == pytest.approx(3.0, rel=1e-12)
    assert facts.w1_low == pytest.approx(3.0, rel=1e-12)


def test_translation_by_whole_pixels_is_a_slice() -> None:
    seen = set()
    for seed in range(20):
        moved = shift.Translation(2.0, "pixels").apply(IMAGES, None, _rng(seed)).X
        options = {
            "down": (moved[:, 2:], IMAGES[:, :-2], moved[:, :2]),
            "up": (moved[:, :-2], IMAGES[:, 2:], moved[:, -2:]),
            "right": (moved[:, :, 2:], IMAGES[:, :, :-2], moved[:, :, :2]),
            "left": (moved[:, :, :-2], IMAGES[:, :, 2:], moved[:, :, -2:]),
        }
        fits = [n for n, (a, b, c) in options.items() if np.allclose(a, b) and not c.any()]
        assert len(fits) == 1
        seen.update(fits)
    assert seen == {"down", "up", "right", "left"}


def test_rotation_of_vectors_keeps_lengths_and_a_complement() -> None:
    X = _rng().normal(size=(40, 5))
    angle = math.radians(25.0)
    perturbed = shift.Rotation(25.0).apply(X, None, _rng(10))
    products = perturbed.X @ perturbed.X.T
    assert products == pytest.approx(X @ X.T, abs=1e-12)
    steps = perturbed.X - X
    _, spread, axes = np.linalg.svd(steps)
    assert np.count_nonzero(spread > 1e-12) == 2
    in_plane = np.linalg.norm(X @ axes[:2].T, axis=1)
    expected = 2 * math.sin(angle / 2) * in_plane.mean()
    assert perturbed.facts.w1 == pytest.approx(expected, rel=1e-10)
    back = shift.Rotation(-25.0).apply(perturbed.X, None, _rng(10)).X
    assert back == pytest.approx(X, abs=1e-12)


def test_equal_rows_stay_equal() -> None:
    X = np.tile(_rng().normal(size=(7, 33)), (1001, 1))
    for perturbation in (shift.Rotation(20.0), shift.Translation(1.0), shift.Tilting(0.1)):
        perturbed = perturbation.apply(X, None, _rng())
        assert perturbed.facts.support_size == (7 if perturbation.name == "tilting" else 14)
        assert len(set(perturbed.weights)) <= 7


def test_rotation_of_images_by_a_quarter() -> None:
    square = IMAGES[:, :, :6]
    turned = shift.Rotation(90.0).apply(square, None, _rng()).X
    assert turned == pytest.approx(np.rot90(square, axes=(1, 2)), abs=1e-9)


def test_bit_flips_of_all_patterns() -> None:
    fixed = shift.BitFlips(n_flips=3).apply(CUBE, None, _rng(11))
    # rows move by sqrt 3, the law not at all
    assert fixed.facts[:4] == (0.0, 0.0, 0.0, 0.0)
    assert set(np.abs(fixed.X - CUBE).sum(axis=1)) == {3.0}
    assert (fixed.facts.support_size, fixed.facts.same_support) == (256, True)
    law = shift.flipped_law(CUBE, 0.1)
    assert law.facts == (0.0, 0.0, 0.0, 0.0, 256, True)
    # the rows of one draw are not uniform, and their facts say so
    drawn = shift.BitFlips(p=0.1).apply(CUBE, None, _rng(12))
    assert drawn.facts.tv > 0.2
    flipped = np.abs(drawn.X - CUBE).mean()
    assert flipped == pytest.approx(0.1, abs=4 * 0.3 / math.sqrt(CUBE.size))


@pytest.mark.parametrize("p", [0.0, 0.03, 0.5, 1.0])
def test_flip_law_against_walsh_hadamard_and_kronecker(p: float) -> None:
    law = _rng(13).dirichlet(np.full(64, 0.3))
    found = shift.flip_law(law, p)
    transform = hadamard(64)
    bits = np.array([bin(i).count("1") for i in range(64)])
    by_transform = transform @ ((1 - 2 * p) ** bits * (transform @ law)) / 64
    channel = np.ones((1, 1))
    for _ in range(6):
        channel = np.kron(channel, [[1 - p, p], [p, 1 - p]])
    assert found == pytest.approx(by_transform, abs=1e-15)
    assert found == pytest.approx(channel @ law, rel=1e-12, abs=1e-300)
    assert (found >= 0).all()


@pytest.mark.parametrize("p", [0.0, 0.05, 0.5, 1.0])
def test_flipped_law_of_a_part_of_the_cube(p: float) -> None:
    X = CUBE[_rng(14).permutation(256)[:200], :6]
    law = shift.flipped_law(X, p)
    _check_facts(X, law)
    # what comes out of many draws has that law: 4 standard deviations of a count, 64 patterns
    many = np.tile(X, (200, 1))
    drawn = _law(shift.BitFlips(p=p).apply(many, None, _rng(15)).X, np.ones(len(many)))
    for row, weight in zip(law.X, law.weights, strict=True):
        expected = weight * len(many)
        assert abs(drawn[tuple(row)] - expected) <= 4 * math.sqrt(expected) + 1
    assert len(drawn) <= len(law.X)


def test_flips_of_one_row_move_it_by_all_that_is_stated() -> None:
    for p in (0.05, 0.6):
        law = shift.flipped_law(CUBE[:1, :6], p)
        exact = shift.wasserstein(CUBE[:1, :6], law.X, other_weights=law.weights)
        assert law.facts.w1 == pytest.approx(exact.value, rel=1e-12)


def test_flipping_half_of_the_time_forgets_the_rows() -> None:
    law = shift.flipped_law(CUBE[:5], 0.5)
    assert law.weights == pytest.approx(np.full(256, 1 / 256), rel=1e-12)
    assert law.facts.tv == pytest.approx(1 - 5 / 256, rel=1e-12)


def test_resample() -> None:
    X, y = _rng().normal(size=(5, 2)), np.arange(5)
    perturbed = shift.Reweighting(0.3).apply(X, y, _rng(16))
    drawn, labels = shift.resample(perturbed, 20000, _rng(17))
    assert np.array_equal(drawn, X[labels])
    shares = np.bincount(labels, minlength=5) / 20000
    # 4 standard deviations of a share
    assert shares == pytest.approx(perturbed.weights, abs=4 * 0.5 / math.sqrt(20000))
    none = shift.resample(shift.Reweighting(0.3).apply(X, None, _rng(16)), 3, _rng())
    assert none[0].shape == (3, 2)
    assert none[1] is None


@pytest.mark.parametrize(
    "perturbation", [shift.Reweighting(0.2), shift.Tilting(0.15), shift.BitFlips(p=0.05)], ids=repr
)
def test_information_moves_by_no_more_than_the_bound_at_the_facts(
    perturbation: shift.Perturbation,
) -> None:
    """Through a layer that maps each value to one of 5 symbols: I is the entropy of the symbol."""
    for seed in range(20):
        X = CUBE[_rng(seed).permutation(256)[:180]]
        perturbed = perturbation.apply(X, None, _rng(seed))
        layer = _rng(100 + seed).normal(size=(8, 5))

        def information(rows: NDArray, weights: NDArray, layer: NDArray = layer) -> float:
            masses = np.bincount((rows @ layer).argmax(axis=1), weights, 5)
            masses = masses[masses > 0]
            return float(-(masses * np.log(masses)).sum())

        moved = abs(
            information(perturbed.X, perturbed.weights) - information(X, np.full(180, 1 / 180))
        )
        facts = perturbed.facts
        assert moved <= bounds.tv_shift_bound(facts.tv, facts.support_size) + 1e-12
        assert moved <= bounds.kl_shift_bound(facts.kl, facts.support_size) + 1e-12


def test_tiny_scale_and_far_offset() -> None:
    X = _rng().normal(size=(20, 3))
    for scale in (1e-150, 1e-200):
        facts = shift.Translation(scale).apply(X * scale, None, _rng(18)).facts
        assert facts.w1 == pytest.approx(scale, rel=1e-9, abs=0)
        assert shift.Reweighting(0.2).apply(X * scale, None, _rng()).facts.w1 > 0.0
    far = shift.Reweighting(0.2).apply(X + 1e6, None, _rng()).facts
    near = shift.Reweighting(0.2).apply(X, None, _rng()).facts
    assert far.w1 == pytest.approx(near.w1, rel=1e-6)


@pytest.mark.parametrize("family", [shift.Reweighting, shift.LabelSkew])
@pytest.mark.parametrize("eps", [-0.1, 1.1, math.nan])
def test_eps_out_of_range(family: type, eps: float) -> None:
    with pytest.raises(ValueError, match=r"`eps` must be a number in \[0, 1\]; got"):
        family(eps)


def test_bad_parameters() -> None:
    with pytest.raises(TypeError, match=r"`eps` must be a number in \[0, 1\]; got '1'"):
        shift.Reweighting("1")
    with pytest.raises(ValueError, match=r"`eps` must be a finite number >= 0; got inf\."):
        shift.Tilting(math.inf)
    with pytest.raises(ValueError, match=r"`statistic` must be one of 'linear', 'label'"):
        shift.Tilting(0.1, "square")
    with pytest.raises(ValueError, match=r"`scale` must be a finite number >= 0; got -1\."):
        shift.AdditiveNoise(-1)
    with pytest.raises(ValueError, match=r"`direction` must be one of 'random', 'pixels'"):
        shift.Translation(1.0, "up")
    with pytest.raises(ValueError, match=r"`degrees` must be a finite number; got nan\."):
        shift.Rotation(math.nan)
    with pytest.raises(ValueError, match=r"one of `p` and `n_flips` must be given; got p=None and"):
        shift.BitFlips()
    with pytest.raises(ValueError, match=r"one of `p` and `n_flips` must be given; got p=0\.1 and"):
        shift.BitFlips(0.1, 2)
    with pytest.raises(ValueError, match=r"`p` must be a number in \[0, 1\]; got 2\."):
        shift.BitFlips(2)


def test_bad_data() -> None:
    X, rng = np.eye(3), _rng()
    with pytest.raises(ValueError, match=r"`eps` must be at most 0\.666666666667, .*got 0\.7\."):
        shift.Reweighting(0.7).apply(X, None, rng)
    with pytest.raises(ValueError, match=r"`eps` must be at most 0, .* of 1 values"):
        shift.Reweighting(0.1).apply(X[:1], None, rng)
    with pytest.raises(ValueError, match=r"`y` must be given: the perturbation is by class"):
        shift.LabelSkew(0.1).apply(X, None, rng)
    with pytest.raises(ValueError, match=r"`y` must have shape \(3,\), .*got shape \(2,\)\."):
        shift.AdditiveNoise(0.1).apply(X, [0, 1], rng)
    with pytest.raises(ValueError, match=r"`X` must have shape .* for direction \"pixels\"; got"):
        shift.Translation(1.0, "pixels").apply(X, None, rng)
    with pytest.raises(ValueError, match=r"`X` must have two columns to rotate in"):
        shift.Rotation(10.0).apply(X[:, :1], None, rng)
    with pytest.raises(ValueError, match=r"`X` must hold zeros and ones; got 0\.5\."):
        shift.BitFlips(0.1).apply(X / 2, None, rng)
    with pytest.raises(ValueError, match=r"`n_flips` must be an integer in \[0, 3\]; got 4\."):
        shift.BitFlips(n_flips=4).apply(X, None, rng)
    with pytest.raises(ValueError, match=r"`X` must have shape \(n, dim\), dim at most 16"):
        shift.flipped_law(np.zeros((2, 17)), 0.1)
    with pytest.raises(ValueError, match=r"`law` must have 2\^dim entries; got 3\."):
        shift.flip_law(np.full(3, 1 / 3), 0.1)
    with pytest.raises(ValueError, match=r"`X` must be finite; got nan"):
        shift.AdditiveNoise(0.1).apply(X * math.nan, None, rng)
    with pytest.raises(ValueError, match=r"`X` must not be empty; got shape \(0, 2, 2\)\."):
        shift.Rotation(1.0).apply(np.zeros((0, 2, 2)), None, rng)
    with pytest.raises(TypeError, match=r"`rng` must be a numpy.random.Generator; got 0\."):
        shift.AdditiveNoise(0.1).apply(X, None, 0)
