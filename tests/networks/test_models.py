from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate2d

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from entbench.networks import (  # noqa: E402
    NoisyNetwork,
    mnist_cnn,
    signal_samples,
    single_neuron,
    spiral,
    szt,
    two_neuron,
)

pytestmark = pytest.mark.torch


def weights(network: NoisyNetwork) -> list[Any]:
    return [p.detach().numpy() for p in network.parameters()]


def same(one: NoisyNetwork, other: NoisyNetwork) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


@pytest.mark.parametrize("activation", ["tanh", "relu", "linear"])
def test_szt_is_the_formula(activation: Any) -> None:
    network = szt(activation, sigma=0.1, seed=4).double()
    x = np.random.default_rng(0).integers(0, 2, (20, 12)).astype(float)
    apply = {"tanh": np.tanh, "relu": lambda s: np.maximum(s, 0.0), "linear": np.asarray}
    source = torch.Generator().manual_seed(4)
    parameters, t = weights(network), x
    signals, output = network.signals(torch.tensor(x)), network.seed(4)(torch.tensor(x))
    assert len(signals) == network.n_layers == 5
    for layer, width in enumerate((10, 7, 5, 4, 3)):
        w, b = parameters[2 * layer : 2 * layer + 2]
        s = apply[activation](t @ w.T + b)
        assert s.shape == (20, width)
        np.testing.assert_allclose(signals[layer].detach(), s, rtol=1e-11, atol=1e-13)
        noise = torch.randn(20, width, generator=source, dtype=torch.float64)
        t = s + 0.1 * noise.numpy()
    w, b = parameters[10:]
    np.testing.assert_allclose(output.detach(), t @ w.T + b, rtol=1e-11, atol=1e-13)


def test_spiral_has_three_units_in_every_hidden_layer() -> None:
    shapes = [w.shape for w in weights(spiral()) if w.ndim == 2]
    assert shapes == [(3, 2), *[(3, 3)] * 4, (2, 3)]
    assert all(isinstance(stage[1], nn.Tanh) for stage in spiral().body[:-1])


@pytest.mark.parametrize(
    ("build", "other"),
    [
        (szt, {"sigma": 0.0, "activation": "relu"}),
        (spiral, {"sigma": 1.0}),
        (mnist_cnn, {"sigma": 0.0, "dropout": 0.2}),
    ],
)
def test_weights_depend_on_the_seed_alone(build: Any, other: dict[str, Any]) -> None:
    before = torch.get_rng_state()
    assert same(build(seed=3), build(seed=3, **other))
    assert not same(build(seed=3), build(seed=4))
    assert torch.equal(torch.get_rng_state(), before)


def test_szt_starts_truncated_normal_with_biases_of_zero() -> None:
    pooled = []
    for seed in range(40):
        parameters = weights(szt(seed=seed))
        assert not any(b.any() for b in parameters[1::2])
        pooled.extend((w * math.sqrt(w.shape[1])).ravel() for w in parameters[::2])
    z = np.concatenate(pooled).astype(float)
    # variance and fourth moment of a normal cut at 2 standard deviations
    variance, fourth = 0.7737413, 1.4161891
    assert np.abs(z).max() <= 2.0 + 1e-6
    assert abs(z.mean()) < 4.0 * math.sqrt(variance / len(z))
    assert abs(np.square(z).mean() - variance) < 4.0 * math.sqrt((fourth - variance**2) / len(z))


def test_cnn_starts_uniform_on_the_reciprocal_root_of_the_fan_in() -> None:
    network = mnist_cnn(seed=1)
    z = []
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            scale = math.sqrt(module.weight[0].numel())
            z += [p.detach().double().numpy().ravel() * scale for p in module.parameters()]
    sizes = [400, 16, 12800, 32, 200704, 128, 1280, 10]
    assert [len(part) for part in z] == sizes
    together = np.concatenate(z)
    assert np.abs(together).max() <= 1.0 + 1e-6
    assert all(np.abs(part).max() > 0.8 for part in z if len(part) > 100)
    # uniform on [-1, 1]: variances 1/3 and, of the square, 4/45
    assert abs(together.mean()) < 4.0 * math.sqrt(1.0 / 3.0 / len(together))
    assert abs(np.square(together).mean() - 1 / 3) < 4.0 * math.sqrt(4.0 / 45.0 / len(together))


def test_cnn_has_the_layers_of_the_paper() -> None:
    network = mnist_cnn().eval()
    signals = network.signals(torch.zeros(2, 784))
    assert [s.shape[1] for s in signals] == [16 * 28 * 28, 32 * 14 * 14, 128]
    assert sum(p.numel() for p in network.parameters()) == 215370 + 2 * (16 + 32 + 128)
    assert network(torch.zeros(2, 784)).shape == (2, 10)


def convolve(x: Any, weight: Any, bias: Any) -> Any:
    """Cross-correlate (channels, side, side) with a border of zeros."""
    maps = [sum(correlate2d(c, k, "same") for c, k in zip(x, w, strict=True)) for w in weight]
    return np.stack(maps) + bias[:, None, None]


def pool(x: Any) -> Any:
    c, side, _ = x.shape
    return x.reshape(c, side // 2, 2, side // 2, 2).max((2, 4))


def normalise(x: Any, norm: Any) -> Any:
    shape = (-1,) + (1,) * (x.ndim - 1)
    mean, var, w, b = (
        t.detach().numpy().reshape(shape)
        for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (x - mean) / np.sqrt(var + norm.eps) * w + b


def test_cnn_is_the_list_of_steps() -> None:
    network = mnist_cnn(sigma=0.2, side=8, seed=5).double()
    images = np.random.default_rng(3).random((6, 8, 8))
    # so that the running statistics are not those of the start
    network.train()(torch.tensor(images))
    network.eval().seed(9)
    signals, output = (
        network.signals(torch.tensor(images[:1])),
        network.seed(9)(torch.tensor(images[:1])),
    )
    source = torch.Generator().manual_seed(9)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    c1, d1, _, _, c2, d2, _, _, w3, b3, _, _, w4, b4 = weights(network)
    t = images[:1]
    for layer, (w, b, norm) in enumerate(zip((c1, c2), (d1, d2), norms[:2], strict=True)):
        s = np.tanh(normalise(convolve(t, w, b), norm))
        np.testing.assert_allclose(signals[layer][0].detach(), s.ravel(), rtol=1e-10, atol=1e-12)
        z = torch.randn(1, *s.shape, generator=source, dtype=torch.float64)[0].numpy()
        t = pool(s + 0.2 * z)
    s = np.tanh(normalise(t.ravel() @ w3.T + b3, norms[2]))
    np.testing.assert_allclose(signals[2][0].detach(), s, rtol=1e-10, atol=1e-12)
    z = torch.randn(1, 128, generator=source, dtype=torch.float64)[0].numpy()
    np.testing.assert_allclose(output[0].detach(), (s + 0.2 * z) @ w4.T + b4, rtol=1e-10)


def test_cnn_takes_images_in_any_shape() -> None:
    network = mnist_cnn(side=8).eval()
    images = torch.linspace(0.0, 1.0, 3 * 64).reshape(3, 8, 8)
    flat, square, channel = (
        network.twin()(images.reshape(shape)) for shape in ((3, 64), (3, 8, 8), (3, 1, 8, 8))
    )
    assert torch.equal(flat, square)
    assert torch.equal(flat, channel)
    with pytest.raises(ValueError, match=r"layer 1 cannot take .* \(2, 784\): .* 8 x 8"):
        network(torch.zeros(2, 784))
    with pytest.raises(ValueError, match="`side` must be a multiple of 4; got 30"):
        mnist_cnn(side=30)


def test_cnn_with_dropout_drops_in_train_mode_alone() -> None:
    network = mnist_cnn(0.0, dropout=0.2, side=8)
    images = torch.linspace(0.0, 1.0, 3 * 64).reshape(3, 64)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


def test_single_neuron_starts_at_nought_with_a_noisy_output() -> None:
    network, n = single_neuron(0.1).double(), 50_000
    assert [w.tolist() for w in weights(network)] == [[[0.0]], [0.0]]
    output = network(torch.full((n, 1), 3.0, dtype=torch.float64)).detach().numpy()
    assert abs(output.var() / 0.01 - 1.0) < 4.0 * math.sqrt(2.0 / n)
    with torch.no_grad():
        network.body[0][0].weight.fill_(0.7)
        network.body[0][0].bias.fill_(-1.4)
    points = np.array([[-3.0], [-1.0], [1.0], [3.0]])
    _, signal = signal_samples(network, points, 1, 4)
    np.testing.assert_allclose(signal, np.tanh(0.7 * points - 1.4), rtol=1e-13)


def test_two_neurons_are_leaky_and_both_noisy() -> None:
    network = two_neuron(0.1, start=(-0.5, 2.0, -0.375, 0.25)).double()
    x = np.arange(1.0, 9.0)[:, None]
    s1 = np.maximum(2.0 - 0.5 * x, (2.0 - 0.5 * x) / 10.0)
    source = torch.Generator().manual_seed(0)
    z1, z2 = (torch.randn(8, 1, generator=source, dtype=torch.float64).numpy() for _ in range(2))
    inner = -0.375 * (s1 + 0.1 * z1) + 0.25
    s2 = np.maximum(inner, inner / 10.0)
    output = network(torch.tensor(x)).detach()
    np.testing.assert_allclose(output, s2 + 0.1 * z2, rtol=1e-12)
    for found, expected in zip(network.seed(0).signals(torch.tensor(x)), (s1, s2), strict=True):
        np.testing.assert_allclose(found.detach(), expected, rtol=1e-12, atol=1e-15)
    with pytest.raises(ValueError, match="`start` must hold 4 numbers; got 2"):
        two_neuron(start=(1.0, 2.0))


def test_two_neurons_train_to_where_the_paper_says() -> None:
    """Gradient descent by hand from the default start, without noise."""
    w1, b1, w2, b2 = (w.item() for w in weights(two_neuron().double()))
    x = np.arange(1.0, 9.0)
    y = np.where(x > 4.5, 0.25, 0.0)
    for _ in range(40_000):
        a = w1 * x + b1
        h = np.maximum(a, a / 10.0)
        c = w2 * h + b2
        o = np.maximum(c, c / 10.0)
        d = 0.25 * (o - y) * np.where(c > 0.0, 1.0, 0.1)
        e = d * w2 * np.where(a > 0.0, 1.0, 0.1)
        w1, b1 = w1 - 1e-3 * (e @ x), b1 - 1e-3 * e.sum()
        w2, b2 = w2 - 1e-3 * (d @ h), b2 - 1e-3 * d.sum()
    assert w1 < 0.0
    assert w2 < 0.0
    # 6 to 8 on the flat side of the first neuron, 1 to 4 on the other; then the reverse
    assert np.array_equal(np.sign(a[[0, 1, 2, 3, 5, 6, 7]]), [1, 1, 1, 1, -1, -1, -1])
    assert np.array_equal(np.sign(c[[0, 1, 4, 5, 6, 7]]), [-1, -1, 1, 1, 1, 1])
    assert np.square(o - y).mean() < 0.15 * np.square(y - y.mean()).mean()


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="`activation` must be one of 'tanh', 'relu', 'linear'"):
        szt("sigmoid")
    with pytest.raises(ValueError, match="`seed` must be an integer >= 0; got -1"):
        spiral(seed=-1)
    with pytest.raises(ValueError, match="`sigma` must be a finite number >= 0; got -1"):
        mnist_cnn(-1)
