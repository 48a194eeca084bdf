"""The torch backend, on the CPU by the code that an accelerator runs, against the compiled walk."""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp

from entbench.mixture import GaussianMixture
from entbench.mixture._accelerator import Limits, TorchSums, find_accelerator
from entbench.mixture._sums import LeftOut

_LN2 = math.log(2.0)
# Small enough that a few thousand centres are many blocks, tiles and parts.
SMALL = Limits(block=256, pairs=2**12, entries=2**11)


@pytest.fixture(autouse=True)
def one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests run side by side, where torch's threads would wait for each other."""
    if request.node.get_closest_marker("torch") is None:
        yield
        return
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def both(mixture: GaussianMixture, limits: Limits | None = SMALL) -> tuple[Any, TorchSums]:
    return mixture.kernels, TorchSums(mixture.tree, mixture._samples_in_places, "cpu", limits)


def draw(
    mixture: GaussianMixture, m: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    components = rng.integers(0, mixture.n, m)
    noise = mixture.sigma * rng.standard_normal((m, mixture.dim))
    return components, mixture.centres[components] + noise


def direct(mixture: GaussianMixture, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logs of kernel sums over all pairs."""
    squares = ((points[:, None, :] - mixture.centres) ** 2).sum(axis=2)
    logs = np.log(np.full(mixture.n, 1 / mixture.n) if mixture.weights is None else mixture.weights)
    return np.asarray(logsumexp(logs - squares / (2 * mixture.sigma**2), axis=1))


def assert_agree(one: Any, other: Any, tolerance: float) -> None:
    # rounding alone may leave more where a sum is far below its largest possible value
    reached = np.maximum(tolerance, 1e-14 * np.abs(one.log2))
    assert np.all(other.errors <= reached)
    difference = np.abs(one.log2 - other.log2) * _LN2
    assert np.all(difference <= one.errors + other.errors)


@pytest.mark.torch
@pytest.mark.parametrize("dim", [1, 3, 5, 20])
@pytest.mark.parametrize("sigma", [0.01, 0.3, 3.0])
def test_sums_agree_with_the_compiled_walk(dim: int, sigma: float) -> None:
    rng = np.random.default_rng([dim, int(100 * sigma)])
    mixture = GaussianMixture(rng.uniform(-1, 1, (1500, dim)), sigma)
    walk, accelerator = both(mixture)
    components, points = draw(mixture, 150, rng)
    for left_out in (None, mixture.left_out(components)):
        for tolerance in (1e-3, 1e-5, 1e-12):
            compiled = walk.sums(points, tolerance, left_out=left_out)
            for method in ("dense", "pruned"):
                found = accelerator.sums(points, tolerance, method, left_out)
                assert_agree(compiled, found, tolerance)
                assert found.method == method
    dense, pruned = (accelerator.sums(points, 1e-3, method).work for method in ("dense", "pruned"))
    assert pruned <= dense
    if sigma == 0.01:
        assert pruned < 0.5 * dense


@pytest.mark.torch
@pytest.mark.parametrize("tolerance", [1e-4, 1e-12])
def test_errors_stated_hold_against_all_pairs(tolerance: float) -> None:
    rng = np.random.default_rng(0)
    mixture = GaussianMixture(rng.uniform(-1, 1, (2000, 3)), 0.05)
    points = np.concatenate([draw(mixture, 200, rng)[1], rng.uniform(-2, 2, (50, 3))])
    found = both(mixture)[1].sums(points, tolerance)
    # the judge is in double precision itself
    assert np.all(np.abs(found.log2 * _LN2 - direct(mixture, points)) <= found.errors + 5e-13)


@pytest.mark.torch
def test_weights_of_all_sizes() -> None:
    rng = np.random.default_rng(1)
    weights = 10.0 ** rng.uniform(-300, 0, 1000)
    weights[:2] = 1.0, 1e-300
    mixture = GaussianMixture(rng.uniform(-1, 1, (1000, 2)), 0.02, weights)
    walk, accelerator = both(mixture)
    points = mixture.centres[:300] + 0.01
    for tolerance in (1e-4, 1e-11):
        assert_agree(walk.sums(points, tolerance), accelerator.sums(points, tolerance), tolerance)


@pytest.mark.torch
def test_leaving_out_one_of_equal_centres() -> None:
    rng = np.random.default_rng(2)
    centres = rng.uniform(-1, 1, (400, 3))[rng.integers(0, 400, 1600)]
    mixture = GaussianMixture(centres, 0.1)
    left_out = mixture.left_out(np.arange(100))
    walk, accelerator = both(mixture)
    compiled, found = (k.sums(centres[:100], 1e-6, "auto", left_out) for k in (walk, accelerator))
    assert_agree(compiled, found, 1e-6)
    rest = [direct(GaussianMixture(np.delete(centres, i, 0), 0.1), centres[[i]]) for i in range(20)]
    expected = np.concatenate(rest) + np.log1p(-1 / 1600)
    assert found.log2[:20] * _LN2 == pytest.approx(expected, abs=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("tolerance", "slack"), [(1e-12, 1e-9), (1e-5, 1e-4)])
def test_removals_agree_with_their_definition(shared: bool, tolerance: float, slack: float) -> None:
    rng = np.random.default_rng(3)
    centres = rng.uniform(-1, 1, (900, 2))
    if shared:
        centres = centres[rng.integers(0, 400, 900)]
    mixture = GaussianMixture(centres, 0.05)
    components, points = draw(mixture, 60, rng)
    squares = ((points[:, None, :] - centres) ** 2).sum(axis=2) / mixture.tree.unit**2
    own = squares[np.arange(60), components] + math.log2(900)
    left_out = mixture.left_out(components)
    walk, accelerator = both(mixture)
    sums, removals = accelerator.removals(points, tolerance, left_out, own)
    logs = -squares * _LN2
    logs = np.log1p(-np.exp(logs - logsumexp(logs, axis=1, keepdims=True)))
    logs[np.arange(60), components] = 0.0
    assert removals == pytest.approx(logs.sum(axis=1), abs=slack)
    compiled, series = walk.removals(points, tolerance, left_out, own)
    assert_agree(compiled, sums, tolerance)
    # the compiled kernel's series leaves up to 1e-5 nats
    assert removals == pytest.approx(series, abs=slack + 2e-5)


@pytest.mark.torch
def test_a_large_share_is_removed_in_double_precision() -> None:
    """Beside one other sample at the point itself, whose share is all but 1e-9."""
    centres = np.array([[0.0], [6.5]])
    mixture = GaussianMixture(centres, 1.0)
    own = np.array([6.5**2 / mixture.tree.unit**2 + 1.0])
    left_out = mixture.left_out(np.array([1]))
    _, removals = both(mixture)[1].removals(np.array([[0.0]]), 1e-5, left_out, own)
    # log(1 - r) with 1 - r the share of the own sample
    assert removals == pytest.approx([-(6.5**2) / 2 - math.log1p(math.exp(-(6.5**2) / 2))])


@pytest.mark.torch
def test_nothing_left() -> None:
    mixture = GaussianMixture([[0.0, 1.0]], 1.0)
    left_out = mixture.left_out(np.array([0]))
    accelerator = both(mixture)[1]
    sums = accelerator.sums(np.zeros((1, 2)), 1e-5, "auto", left_out)
    assert sums.log2 == [-math.inf]
    assert sums.errors == [0.0]
    own = np.array([1.0 / mixture.tree.unit**2])
    assert accelerator.removals(np.zeros((1, 2)), 1e-5, left_out, own)[1] == pytest.approx([0.0])


@pytest.mark.torch
def test_far_points_do_not_underflow() -> None:
    rng = np.random.default_rng(4)
    mixture = GaussianMixture(rng.uniform(-1, 1, (1000, 3)), 1e-3)
    points = 10.0 ** np.arange(13)[:, None] * rng.standard_normal((13, 3))
    walk, accelerator = both(mixture)
    found = accelerator.sums(points, 1e-4)
    assert np.isfinite(found.log2).all()
    compiled = walk.sums(points, 1e-4)
    assert np.all(np.abs(found.log2 - compiled.log2) * _LN2 <= found.errors + compiled.errors)


@pytest.mark.torch
def test_a_sum_out_of_range_is_no_zero() -> None:
    found = both(GaussianMixture([[0.0]], 1e-3))[1].sums(np.array([[1e200]]), 1e-4)
    assert found.errors == [math.inf]


@pytest.mark.torch
@pytest.mark.parametrize("sigma", [1e-6, 1e-3, 1.0, 1e30])
def test_centres_far_from_the_origin(sigma: float) -> None:
    """Differences are taken first, in double precision: a common shift costs nothing."""
    rng = np.random.default_rng(5)
    centres = 1e6 + sigma * rng.uniform(-30, 30, (1000, 2))
    mixture = GaussianMixture(centres, sigma)
    points = draw(mixture, 100, rng)[1]
    accelerator = both(mixture)[1]
    expected = direct(mixture, points)
    for tolerance in (1e-5, 1e-12):
        found = accelerator.sums(points, tolerance)
        assert np.all(found.errors <= tolerance)
        assert np.all(np.abs(found.log2 * _LN2 - expected) <= found.errors + 5e-13)


@pytest.mark.torch
@pytest.mark.parametrize("statistic", ["plug-in", "leave-one-out", "miller-madow", "jackknife"])
def test_entropy_is_that_of_the_compiled_kernels(
    statistic: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "entbench.mixture._mixture.find_accelerator"
    monkeypatch.setattr(name, lambda device: partial(TorchSums, device="cpu", limits=SMALL))
    centres = np.random.default_rng(6).uniform(-1, 1, (600, 3))
    compiled, found = (
        GaussianMixture(centres, 0.2, device=device).entropy(
            1e-2, 2000, np.random.default_rng(0), statistic
        )
        for device in ("cpu", "cuda")
    )
    assert found.n_draws == compiled.n_draws
    # removals are off by the compiled series' 1e-5 as well
    slack = found.kernel_error + compiled.kernel_error + 2e-5
    assert found.value == pytest.approx(compiled.value, abs=slack)


@pytest.mark.torch
def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither tiles nor tables grow with the numbers of queries and centres."""
    tiles, tables = [], []
    space, reach = "_Tiles._space", "_Blocks.reach"
    module = sys.modules[TorchSums.__module__]

    def spy(path: str, sizes: list[int]) -> None:
        owner, method = getattr(module, path.split(".")[0]), path.split(".")[1]
        original = getattr(owner, method)

        def watched(*arguments: Any) -> Any:
            made = original(*arguments)
            sizes.append((made if path == reach else made[0]).numel())
            return made

        monkeypatch.setattr(owner, method, watched)

    spy(space, tiles)
    spy(reach, tables)
    centres = np.random.default_rng(7).uniform(-1, 1, (2000, 2))
    both(GaussianMixture(centres, 0.1))[1].sums(centres, 1e-3)
    assert max(tiles) <= SMALL.pairs
    assert max(tables) <= SMALL.entries


@pytest.mark.torch
def test_sizes_of_blocks_and_tiles_change_rounding_only() -> None:
    rng = np.random.default_rng(8)
    mixture = GaussianMixture(rng.uniform(-1, 1, (3000, 3)), 0.1)
    points = draw(mixture, 300, rng)[1]
    left_out = LeftOut(np.full(300, -1), np.zeros(300))
    found = [
        both(mixture, limits)[1].sums(points, 1e-10, "auto", left_out)
        for limits in (SMALL, Limits(1000, 2**14, 2**8), None)
    ]
    for other in found[1:]:
        assert_agree(found[0], other, 1e-10)


def test_the_cpu_needs_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_torch(monkeypatch)
    assert find_accelerator("cpu") is None
    assert find_accelerator("auto") is None
    assert GaussianMixture([[0.0]], 1.0, device="auto").log_density([[0.0]]).shape == (1,)


def test_missing_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_torch(monkeypatch)
    message = r"device='cuda' needs torch, which is not installed: pip install \"entbench\[networks"
    with pytest.raises(ImportError, match=message):
        GaussianMixture([[0.0]], 1.0, device="cuda")


@pytest.mark.torch
def test_missing_device(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"torch .* finds cpu; got 'cuda'\."):
        GaussianMixture([[0.0]], 1.0, device="cuda")
    assert find_accelerator("auto") is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"finds cpu, cuda:0, cuda:1; got 'cuda:2'\."):
        find_accelerator("cuda:2")
    for device in ("auto", "cuda", "cuda:1"):
        assert find_accelerator(device) is not None


@pytest.mark.parametrize("device", ["gpu", "mps", "", "cuda:", "cuda:x", "cpu:0", "cuda:-1"])
def test_unknown_device(device: str) -> None:
    with pytest.raises(ValueError, match='`device` must be "cpu", "auto", "cuda", or'):
        GaussianMixture([[0.0]], 1.0, device=device)
    with pytest.raises(TypeError, match="`device` must be a string"):
        find_accelerator(0)  # type: ignore[arg-type]


@pytest.mark.torch
@pytest.mark.gpu
def test_an_accelerator_agrees_with_the_compiled_walk() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch finds no accelerator")
    rng = np.random.default_rng(9)
    centres = rng.uniform(-1, 1, (50_000, 5))
    compiled, accelerated = (GaussianMixture(centres, 0.1, device=d) for d in ("cpu", "auto"))
    assert isinstance(accelerated.kernels, TorchSums)
    components, points = draw(compiled, 2000, rng)
    for left_out in (None, compiled.left_out(components)):
        for tolerance in (1e-4, 1e-12):
            arguments = (points, tolerance, "auto", left_out)
            found = accelerated.kernels.sums(*arguments)
            assert_agree(compiled.kernels.sums(*arguments), found, tolerance)


def hide_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return original(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
