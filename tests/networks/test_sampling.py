from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from entbench.networks import (  # noqa: E402
    NoisyNetwork,
    _sampling,
    conditional_samples,
    noisy_samples,
    signal_samples,
)

pytestmark = pytest.mark.torch

SIGMA = 0.3
X = np.random.default_rng(5).normal(size=(11, 5))


def network(sigma: float = SIGMA, single: bool = False) -> NoisyNetwork:
    """5-4-3-2: a layer of tanh, a linear layer, an output."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        stages = [nn.Sequential(nn.Linear(5, 4), nn.Tanh()), nn.Linear(4, 3), nn.Linear(3, 2)]
    made = NoisyNetwork(stages, sigma)
    return made if single else made.double()


def copying(sigma: float = SIGMA) -> NoisyNetwork:
    """One whose layers add noise and do nothing else: S_2 = X + Z_1, S_3 = S_2 + Z_2."""
    made = NoisyNetwork([nn.Identity(), nn.Identity(), nn.Identity(), nn.Linear(1, 1)], sigma)
    return made.double()


def weights(made: NoisyNetwork) -> list[Any]:
    return [p.detach().numpy() for p in made.parameters()]


def test_first_layer_is_the_function_of_the_input() -> None:
    made = network()
    w, b, *_ = weights(made)
    index, signal = signal_samples(made, X, 1, 1000)
    np.testing.assert_allclose(signal, np.tanh(X[index] @ w.T + b), rtol=1e-12, atol=1e-14)
    # to the last bit for all passes of a row
    assert np.array_equal(signal, signal[:11][index])


@pytest.mark.parametrize("n", [5, 11, 30, 33])
def test_rows_are_used_alike(n: int) -> None:
    index, signal = signal_samples(network(), X, 2, n, seed=3)
    whole = n // 11 * 11
    assert signal.shape == (n, 3)
    assert np.array_equal(index[:whole], np.tile(np.arange(11), n // 11))
    assert len(set(index[whole:])) == n - whole
    assert index.min() >= 0
    assert index.max() < 11


def test_remainders_are_rows_at_random() -> None:
    drawn = [signal_samples(network(), X, 1, 4, seed=seed)[0] for seed in range(400)]
    counts = np.bincount(np.concatenate(drawn), minlength=11)
    # 400 draws of 4 of 11: each count is binomial(400, 4/11), sd 9.6; 4 of them
    assert np.abs(counts - 400 * 4 / 11).max() < 4.0 * math.sqrt(400 * (4 / 11) * (7 / 11))


def test_second_layer_given_an_input_has_its_gaussian_law() -> None:
    made, n = network(), 40_000
    w1, b1, w2, b2, *_ = weights(made)
    mean = np.tanh(X[3] @ w1.T + b1) @ w2.T + b2
    covariance = SIGMA**2 * w2 @ w2.T
    deviations = conditional_samples(made, X[3], 2, n, seed=8) - mean
    scale = np.sqrt(np.diag(covariance))
    assert np.abs(deviations.mean(0) / scale).max() < 4.0 / math.sqrt(n)
    found = deviations.T @ deviations / n
    error = np.sqrt((covariance**2 + np.outer(scale**2, scale**2)) / n)
    assert np.abs((found - covariance) / error).max() < 4.0


def test_rows_of_the_joint_samples_have_the_law_given_their_input() -> None:
    made, n = network(), 11 * 3000
    w1, b1, w2, b2, *_ = weights(made)
    index, signal = signal_samples(made, X, 2, n, seed=1)
    means = np.tanh(X @ w1.T + b1) @ w2.T + b2
    scale = SIGMA * np.sqrt(np.square(w2).sum(1))
    z = ((signal - means[index]) / scale).reshape(3000, 11, 3)
    # 33 means and 33 mean squares: 4 standard errors are passed by chance 1 time in 240
    assert np.abs(z.mean(0)).max() < 4.0 / math.sqrt(3000)
    assert np.abs(np.square(z).mean(0) - 1.0).max() < 4.0 * math.sqrt(2.0 / 3000)


def test_noise_is_fresh_in_every_pass_layer_and_block() -> None:
    n = 3 * _sampling._BLOCK_ROWS + 17
    made, zero = copying(), np.zeros((1, 1))
    z1 = conditional_samples(made, zero[0], 2, n, seed=4)[:, 0] / SIGMA
    z12 = conditional_samples(made, zero[0], 3, n, seed=4)[:, 0] / SIGMA
    assert len(np.unique(z1)) == n
    assert abs(z1.var() - 1.0) < 4.0 * math.sqrt(2.0 / n)
    assert abs(z12.var() - 2.0) < 4.0 * 2.0 * math.sqrt(2.0 / n)
    for lag in (1, _sampling._BLOCK_ROWS):
        assert abs((z1[lag:] * z1[:-lag]).mean()) < 4.0 / math.sqrt(n - lag)


def test_noisy_samples_add_independent_noise_to_the_signal() -> None:
    made, n = copying(), 2 * _sampling._BLOCK_ROWS + 5
    zeros = np.zeros((2, 1))
    index, signal = signal_samples(made, zeros, 2, n, seed=6)
    same, noisy = noisy_samples(made, zeros, 2, n, seed=6)
    assert np.array_equal(index, same)
    z1, z2 = signal[:, 0] / SIGMA, (noisy - signal)[:, 0] / SIGMA
    assert abs(z2.mean()) < 4.0 / math.sqrt(n)
    assert abs(z2.var() - 1.0) < 4.0 * math.sqrt(2.0 / n)
    assert abs((z1 * z2).mean()) < 4.0 / math.sqrt(n)
    lag = _sampling._BLOCK_ROWS
    assert abs((z2[lag:] * z2[:-lag]).mean()) < 4.0 / math.sqrt(n - lag)


def test_same_seed_same_samples() -> None:
    for sampler in (signal_samples, noisy_samples):
        first, again, other = (sampler(network(), X, 2, 50, seed=s) for s in (7, 7, 8))
        assert np.array_equal(first[0], again[0])
        assert np.array_equal(first[1], again[1])
        assert not np.isin(other[1], first[1]).any()
    given, again, other = (conditional_samples(network(), X[0], 2, 50, seed=s) for s in (7, 7, 8))
    assert np.array_equal(given, again)
    assert not np.isin(other, given).any()
    # the streams of the samplers are apart
    joint = signal_samples(network(), X[:1], 2, 50, seed=7)[1]
    assert not np.isin(given, joint).any()


def test_blocks_do_not_depend_on_how_many_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sampling, "_BLOCK_ROWS", 64)
    made = network(single=True)
    index, signal = signal_samples(made, X, 2, 11 * 64, seed=1)
    more, longer = signal_samples(made, X, 2, 11 * 640, seed=1)
    assert np.array_equal(signal, longer[: len(signal)])
    assert np.array_equal(index, more[: len(index)])


def test_wide_layers_are_taken_in_smaller_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    made, sizes = network(), []
    made.body[0].register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    monkeypatch.setattr(_sampling, "_BLOCK_ENTRIES", 50)
    signal_samples(made, X, 2, 33)
    # one row to learn the widths; the input's 5 is the widest
    assert sizes == [1, 10, 10, 10, 3]


@pytest.mark.parametrize("single", [True, False])
def test_threads_change_no_bit(single: bool) -> None:
    threads = torch.get_num_threads()
    made, found, inside = network(single=single), [], set()
    made.body[0].register_forward_pre_hook(lambda *_: inside.add(torch.get_num_threads()))
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(signal_samples(made, X, 2, 40_000)[1])
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(*found)
    assert inside == {1}


def test_sampling_leaves_everything_as_it_was() -> None:
    norm = nn.BatchNorm1d(4)
    stages = [nn.Sequential(nn.Linear(5, 4), norm, nn.Tanh(), nn.Dropout(0.5)), nn.Identity()]
    with torch.random.fork_rng(devices=[]):
        made = NoisyNetwork([*stages, nn.Identity()], SIGMA)
    norm.eval()
    data = X.copy()
    state = (made.generator.get_state(), torch.get_rng_state(), np.random.get_state()[1])
    arrays = made.state_arrays()
    index, signal = signal_samples(made, data, 1, 22)
    signal_samples(made, data, 2, 22)
    after = (made.generator.get_state(), torch.get_rng_state(), np.random.get_state()[1])
    for one, other in zip(state, after, strict=True):
        assert np.array_equal(one, other)
    for name, array in made.state_arrays().items():
        assert np.array_equal(array, arrays[name])
    assert np.array_equal(data, X)
    assert made.training
    assert stages[0][3].training
    assert not norm.training
    assert torch.is_grad_enabled()
    # eval mode: dropout was off
    made.eval()
    expected = made.twin()(torch.tensor(X, dtype=torch.float32)).detach().numpy()
    np.testing.assert_allclose(signal, expected[index], rtol=1e-6)


def test_batch_norm_uses_its_running_statistics() -> None:
    norm = nn.BatchNorm1d(1)
    norm.running_mean.fill_(2.0)
    norm.running_var.fill_(4.0)
    made = NoisyNetwork([norm, nn.Identity()], SIGMA).double()
    _, signal = signal_samples(made, np.array([[2.0], [6.0]]), 1, 2)
    np.testing.assert_allclose(signal, [[0.0], [4.0 / math.sqrt(4.0 + 1e-5)]], rtol=1e-12)


def test_single_precision_gives_double_arrays_near_the_double_ones() -> None:
    one, other = (signal_samples(network(single=s), X, 1, 22)[1] for s in (True, False))
    assert one.dtype == np.float64
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_images_go_in_as_they_are() -> None:
    images = np.arange(3 * 16, dtype=np.uint8).reshape(3, 4, 4)
    made = NoisyNetwork([nn.Flatten(), nn.Identity(), nn.Identity()], SIGMA)
    assert np.array_equal(signal_samples(made, images, 1, 3)[1], images.reshape(3, 16))
    assert conditional_samples(made, images[1], 2, 5).shape == (5, 16)


def test_modules_with_hooks_give_the_same_samples() -> None:
    module = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    stages = NoisyNetwork.from_sequential(module, SIGMA)
    hooks = NoisyNetwork.from_module(module, SIGMA, ["1", "3"])
    for layer in (1, 2):
        one, other = (signal_samples(made, X, layer, 40) for made in (stages, hooks))
        assert np.array_equal(one[1], other[1])


def test_what_has_no_noise_is_refused() -> None:
    message = "I\\(X;T\\) of a deterministic network is infinite or constant: give `sigma` > 0"
    for sampler in (signal_samples, noisy_samples):
        with pytest.raises(ValueError, match=message):
            sampler(network(0.0), X, 1, 20)
    with pytest.raises(ValueError, match=message):
        conditional_samples(network().twin(), X[0], 2, 20)
    dropped = NoisyNetwork([nn.Identity(), nn.Identity()], 0.0, dropout=0.5)
    with pytest.raises(ValueError, match=r"dropout takes the place of the noise"):
        signal_samples(dropped, X, 1, 20)
    made = network()
    with pytest.raises(ValueError, match="the network's noise is off"), made.quiet():
        signal_samples(made, X, 2, 20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, 0, 5), r"`layer` must be an integer in \[1, 2\]; got 0"),
        ((X, 3, 5), r"`layer` must be an integer in \[1, 2\]; got 3"),
        ((X, 1, 0), "`n` must be an integer >= 1; got 0"),
        ((X, 1, 5, -1), "`seed` must be an integer >= 0; got -1"),
        ((X[0], 1, 5), r"`X` must have shape \(n_samples, dim\); got shape \(5,\)"),
        ((X[:0], 1, 5), "`X` must have at least 1 rows; got 0"),
        ((X[:, :4], 1, 5), r"layer 1 cannot take an input of shape \(1, 4\)"),
        (
            (np.where(X[2, 1] == X, np.inf, X), 1, 5),
            "`X` must be finite; got inf in row 2, column 1",
        ),
    ],
)
def test_bad_input(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        signal_samples(network(), *arguments)


def test_bad_passes_and_weights() -> None:
    made = network()
    with pytest.raises(ValueError, match="`passes` must be an integer >= 1; got 0"):
        conditional_samples(made, X[0], 2, 0)
    with pytest.raises(ValueError, match="`x` must be finite; got nan in row 0, column 1"):
        conditional_samples(made, [0.0, math.nan, 0.0, 0.0, 0.0], 2, 5)
    with torch.no_grad():
        made.body[1].bias[0] = math.nan
    with pytest.raises(ValueError, match="signals must be finite; a layer gives NaN or inf"):
        signal_samples(made, X, 2, 5)


def test_noise_lost_in_rounding_is_refused() -> None:
    # single precision at 1e6 is in steps of 1/16, double in steps of 1e-10
    made, far = copying(0.005).float(), np.full((1, 1), 1e6)
    for layer in (1, 2):
        with pytest.raises(
            ValueError, match=r"got 0\.005 with signals up to 1e\+06 in float32: use"
        ):
            signal_samples(made, far, layer, 4)
    n = 20_000
    noise = (conditional_samples(made.double(), far[0], 2, n)[:, 0] - 1e6) / 0.005
    assert abs(noise.var() - 1.0) < 4.0 * math.sqrt(2.0 / n)
    with pytest.raises(ValueError, match=r"got 1e-150 with signals up to 1 in float64\.$"):
        signal_samples(copying(1e-150), np.ones((1, 1)), 2, 4)
    tiny = conditional_samples(copying(1e-150), np.zeros(1), 2, n)[:, 0] / 1e-150
    assert abs(tiny.var() - 1.0) < 4.0 * math.sqrt(2.0 / n)


def test_networks_without_parameters_run_in_double_precision() -> None:
    made = NoisyNetwork([nn.Identity(), nn.Identity()], SIGMA)
    assert np.array_equal(signal_samples(made, X, 1, 11)[1], X)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator")
def test_on_an_accelerator() -> None:
    made = network()
    expected = signal_samples(made, X, 1, 22)[1]
    made.cuda()
    np.testing.assert_allclose(signal_samples(made, X, 1, 22)[1], expected, rtol=1e-10)
    one, other = (signal_samples(made, X, 2, 22, seed=3)[1] for _ in range(2))
    assert np.array_equal(one, other)
