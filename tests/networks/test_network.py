from __future__ import annotations

import copy
import io
import math
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from entbench.networks import GaussianNoise, NoisyNetwork  # noqa: E402
from entbench.networks._noise import Dropout  # noqa: E402

pytestmark = pytest.mark.torch

SIGMA = 0.3


def plain(seed: int = 0) -> nn.Sequential:
    """5-4-3-2 in double precision: a layer of tanh, a layer of ReLU, an output."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)]
        return nn.Sequential(*layers).double()


def batch(rows: int = 7, columns: int = 5) -> Any:
    return torch.tensor(np.random.default_rng(1).normal(size=(rows, columns)))


class Residual(nn.Module):
    """Convolution, batch norm, a branch around it in place, pooling: as torchvision's networks."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            self.first = nn.Conv2d(1, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)
            self.act = nn.ReLU(inplace=True)
            self.branch = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))
            self.drop = nn.Dropout(0.5)
            self.head = nn.Linear(4, 3)
        self.never = nn.Linear(2, 2)

    def forward(self, x: Any) -> Any:
        x = self.act(self.norm(self.first(x)))
        x = self.act(x + self.branch(x))
        return self.head(self.drop(x.mean((2, 3))))


def trained() -> Residual:
    """One whose batch norms have seen data."""
    module = Residual()
    images = torch.tensor(np.random.default_rng(2).normal(size=(50, 1, 6, 6)), dtype=torch.float32)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for _ in range(5):
            module(images)
    return module.eval()


IMAGES = torch.linspace(-1.0, 1.0, 3 * 36).reshape(3, 1, 6, 6)


def test_signals_and_output_are_the_formula_with_the_same_noise() -> None:
    module, x = plain(), batch()
    network = NoisyNetwork.from_sequential(module, SIGMA).seed(11)
    signals, output = network.signals(x), network.seed(11)(x)
    source = torch.Generator().manual_seed(11)
    noise = [torch.randn(7, d, generator=source, dtype=torch.float64).numpy() for d in (4, 3)]
    w1, b1, w2, b2, w3, b3 = (p.detach().numpy() for p in module.parameters())
    s1 = np.tanh(x.numpy() @ w1.T + b1)
    s2 = np.maximum((s1 + SIGMA * noise[0]) @ w2.T + b2, 0.0)
    last = (s2 + SIGMA * noise[1]) @ w3.T + b3
    for found, expected in zip([*signals, output], [s1, s2, last], strict=True):
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-12, atol=1e-14)


def test_a_pass_can_stop_at_a_layer() -> None:
    network, x = NoisyNetwork.from_sequential(plain(), SIGMA), batch()
    signals = network.signals(x)
    for layer in (1, 2):
        assert torch.equal(network.seed(0).signal(x, layer), signals[layer - 1])
    with pytest.raises(ValueError, match=r"`layer` must be an integer in \[1, 2\]; got 3"):
        network.signal(x, 3)


def test_noise_has_the_moments_of_a_gaussian() -> None:
    n = 200_000
    noise = GaussianNoise(0.5)
    noise.generator = torch.Generator().manual_seed(0)
    z = np.stack([noise(torch.zeros(n, 2)).double().numpy() for _ in range(2)]) / 0.5
    # each statistic is off by at most 4 of its standard errors under N(0, 1)
    assert np.abs(z.mean(1)).max() < 4.0 / math.sqrt(n)
    assert np.abs(np.square(z).mean(1) - 1.0).max() < 4.0 * math.sqrt(2.0 / n)
    assert np.abs((z**4).mean(1) - 3.0).max() < 4.0 * math.sqrt(96.0 / n)
    columns = z.transpose(0, 2, 1).reshape(4, n)
    products = columns @ columns.T / n - np.eye(4)
    assert np.abs(products[np.triu_indices(4, 1)]).max() < 4.0 / math.sqrt(n)
    assert abs((columns[:, 1:] * columns[:, :-1]).mean()) < 4.0 / math.sqrt(4 * n)


def test_layers_have_noise_of_their_own() -> None:
    network = NoisyNetwork([nn.Identity(), nn.Identity(), nn.Identity()], SIGMA)
    n = 100_000
    output = network(torch.zeros(n, 1, dtype=torch.float64)).numpy()
    assert abs(output.var() / SIGMA**2 - 2.0) < 4.0 * 2.0 * math.sqrt(2.0 / n)


def test_noise_is_there_in_both_modes_until_it_is_switched_off() -> None:
    module, x = plain(), batch()
    network = NoisyNetwork.from_sequential(module, SIGMA)
    expected = module(x)
    for mode in (network.train, network.eval):
        mode()
        assert not torch.equal(network(x), expected)
        assert not torch.equal(network(x), network(x))
        network.noisy = False
        assert torch.equal(network(x), expected)
        network.noisy = True


def test_quiet_stops_noise_and_dropout_and_puts_them_back() -> None:
    module = nn.Sequential(nn.Linear(5, 50), nn.Tanh(), nn.Dropout(0.5), nn.Linear(50, 2)).double()
    network, x = NoisyNetwork.from_sequential(module, SIGMA), batch()
    with torch.random.fork_rng(devices=[]):
        with network.quiet() as quiet:
            assert quiet is network
            assert torch.equal(network(x), network(x))
            assert torch.equal(network(x), module[3](module[1](module[0](x))))
        with pytest.raises(ValueError, match="cannot take"), network.quiet():
            network(batch(7, 4))
        assert network.noisy
        assert module[2].training
        assert not torch.equal(network(x), network(x))


def test_runs_repeat_and_leave_torchs_generator_alone() -> None:
    before = torch.get_rng_state()
    x = batch()
    one, other = (NoisyNetwork.from_sequential(plain(), SIGMA) for _ in range(2))
    first, second = one(x), one(x)
    assert torch.equal(other(x), first)
    assert torch.equal(other(x), second)
    assert torch.equal(other.seed(0)(x), first)
    assert not torch.equal(other.seed(1)(x), first)
    state = one.generator.get_state()
    ahead = one(x)
    one.generator.set_state(state)
    assert torch.equal(one(x), ahead)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ValueError, match=r"`seed` must be an integer .*; got -1"):
        one.seed(-1)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on_with_the_same_noise(copied: Any) -> None:
    network, x = NoisyNetwork.from_sequential(plain(), SIGMA), batch()
    network(x)
    other = copied(network)
    assert torch.equal(other(x), network(x))
    assert torch.equal(other(x), network(x))


def test_twin_shares_its_parameters_and_has_no_noise() -> None:
    module, x = plain(), batch()
    network = NoisyNetwork.from_sequential(module, SIGMA)
    twin = network.twin()
    assert [p.data_ptr() for p in twin.parameters()] == [p.data_ptr() for p in module.parameters()]
    assert (twin.sigma, network.sigma) == (0.0, SIGMA)
    with torch.no_grad():
        next(network.parameters()).add_(1.0)
    assert torch.equal(twin(x), module(x))
    assert torch.equal(twin.signals(x)[1], module[:4](x))
    assert network.with_sigma(2.0).sigma == 2.0
    assert not torch.equal(network(x), twin(x))


def test_gradients_pass_through_the_noise() -> None:
    module = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Tanh(), nn.Linear(1, 1, bias=False))
    network, x = NoisyNetwork.from_sequential(module.double(), SIGMA), batch(6, 1)
    network.seed(4)(x).sum().backward()
    noise = torch.randn(6, 1, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    w, v = (p.item() for p in module.parameters())
    s, z, x = np.tanh(w * x.numpy()), SIGMA * noise.numpy(), x.numpy()
    assert module[2].weight.grad.item() == pytest.approx((s + z).sum(), rel=1e-12)
    assert module[0].weight.grad.item() == pytest.approx((v * (1 - s**2) * x).sum(), rel=1e-12)


def test_dropout_takes_the_place_of_noise_in_train_mode() -> None:
    n, p = 100_000, 0.2
    network = NoisyNetwork([nn.Identity(), nn.Identity()], 0.0, dropout=p)
    ones = torch.ones(n, 1, dtype=torch.float64)
    found = network(ones).numpy()
    assert np.allclose(np.unique(found), [0.0, 1.25], rtol=1e-15)
    assert abs((found == 0.0).mean() - p) < 4.0 * math.sqrt(p * (1.0 - p) / n)
    assert np.array_equal(network.seed(0)(ones).numpy(), found)
    assert torch.equal(network.eval()(ones), ones)
    assert network.dropout == p
    assert network.twin().dropout == 0.0
    with pytest.raises(ValueError, match=r"`sigma` must be 0 where `dropout` > 0.*got sigma=0.3"):
        NoisyNetwork([nn.Identity(), nn.Identity()], SIGMA, dropout=p)


def test_stages_of_a_sequential() -> None:
    module = plain()
    assert NoisyNetwork.from_sequential(module, SIGMA).layer_names == ("1", "3")
    named = nn.Sequential()
    for name, part in zip(("in", "squash", "mid", "rectify", "softmax"), module, strict=True):
        named.add_module(name, part if name != "softmax" else nn.Softmax(1))
    assert NoisyNetwork.from_sequential(named, SIGMA).layer_names == ("squash", "rectify")
    ends = nn.Sequential(*module[:4])
    assert NoisyNetwork.from_sequential(ends, SIGMA).layer_names == ("1",)
    noisy = NoisyNetwork.from_sequential(ends, SIGMA, after=[0, 3])
    assert (noisy.layer_names, noisy.n_layers) == (("0", "3"), 2)
    x = batch()
    assert not torch.equal(noisy(x), noisy.seed(0).signals(x)[1])
    assert torch.equal(noisy.twin()(x), ends(x))


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ([], r"`after` must be one or more increasing integers; got \[\]"),
        ([3, 1], r"`after` must be one or more increasing integers; got \[3, 1\]"),
        ([5], r"`after` must be an integer in \[0, 4\]; got 5"),
    ],
)
def test_places_of_noise_are_checked(after: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NoisyNetwork.from_sequential(plain(), SIGMA, after=after)


def test_what_cannot_be_a_noisy_network() -> None:
    with pytest.raises(ValueError, match=r"`module` must have an activation .*got Linear, Tanh\."):
        NoisyNetwork.from_sequential(plain()[:2], SIGMA)
    with pytest.raises(TypeError, match="`module` must be a torch.nn.Sequential; got Linear"):
        NoisyNetwork.from_sequential(nn.Linear(1, 1), SIGMA)
    with pytest.raises(TypeError, match="`module` must be a torch.nn.Module; got str"):
        NoisyNetwork.from_module("net", SIGMA, ["a"])
    with pytest.raises(ValueError, match="`stages` must hold at least 2 modules.*got 1"):
        NoisyNetwork([nn.Tanh()], SIGMA)
    with pytest.raises(TypeError, match="`stages` must hold torch modules; got float"):
        NoisyNetwork([nn.Tanh(), 1.0], SIGMA)
    for sigma in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"`sigma` must be a finite number.*got {sigma}"):
            NoisyNetwork(list(plain()), sigma)
    with pytest.raises(TypeError, match="`sigma` must be a finite number >= 0; got '0.1'"):
        GaussianNoise("0.1")
    with pytest.raises(ValueError, match=r"`dropout` must be a finite number in \[0, 1\); got 1.0"):
        Dropout(1.0)


def test_a_module_without_noise_gives_what_it_gave() -> None:
    module = trained()
    expected = module(IMAGES)
    network = NoisyNetwork.from_module(module, SIGMA, ["first", "norm", "branch.1"])
    assert torch.equal(network.twin()(IMAGES), expected)
    assert not torch.equal(network(IMAGES), expected)
    assert torch.equal(module(IMAGES), expected)


def test_signals_of_a_module_are_the_outputs_of_its_parts() -> None:
    module = trained()
    network = NoisyNetwork.from_module(module, SIGMA, ["norm", "branch"])
    quiet = network.twin().signals(IMAGES)
    with torch.no_grad():
        s1 = module.norm(module.first(IMAGES))
        expected = [s1, module.branch(s1.relu())]
        # the ReLU works in place, and must not reach what was recorded
        for found, part in zip(quiet, expected, strict=True):
            assert torch.equal(found, part.reshape(3, -1))
        signals = network.signals(IMAGES)
        z = torch.randn(s1.shape, generator=torch.Generator().manual_seed(0))
        expected = [s1, module.branch((s1 + SIGMA * z).relu())]
        for found, part in zip(signals, expected, strict=True):
            np.testing.assert_allclose(found, part.reshape(3, -1), rtol=1e-5, atol=1e-6)


def test_hooks_and_stages_agree() -> None:
    module, x = plain(), batch()
    stages = NoisyNetwork.from_sequential(module, SIGMA)
    hooks = NoisyNetwork.from_module(module, SIGMA, ["1", "3"])
    assert torch.equal(hooks(x), stages(x))
    for one, other in zip(hooks.signals(x), stages.signals(x), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(hooks.signal(x, 2), stages.signal(x, 2))


def hooks_of(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) for part in module.modules())


def test_no_hook_stays_on_the_module() -> None:
    module = trained()
    network = NoisyNetwork.from_module(module, SIGMA, ["first", "branch"])
    inside = []
    module.head.register_forward_pre_hook(lambda *_: inside.append(hooks_of(module)))
    network(IMAGES)
    assert inside == [2]
    network.signal(IMAGES, 1)
    with pytest.raises(ValueError, match="the module cannot take an input of shape"):
        network(torch.zeros(3, 2, 6, 6))
    assert hooks_of(module) == 0


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.LSTM(2, 2), nn.Linear(2, 1)

    def forward(self, x: Any) -> Any:
        return self.head(self.cell(x)[0])


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["brunch"], "unknown layer 'brunch'. Did you mean 'branch'. Known: act, "),
        (["branch", "first"], "in the order in which they run: 'first' runs before 'branch'"),
        (["first", "act"], "layer 'act' runs more than once in a pass"),
        (["first", "never"], "layer 'never' did not run in a pass"),
        (["first", "first"], "`layers` must name each layer once"),
        ([], "`layers` must be a list of at least one layer's name; got "),
        ("first", "`layers` must be a list of at least one layer's name; got 'first'"),
    ],
)
def test_layers_of_a_module_are_checked(layers: Any, message: str) -> None:
    module = trained()
    with pytest.raises(ValueError, match=message):
        NoisyNetwork.from_module(module, SIGMA, layers)(IMAGES)
    assert hooks_of(module) == 0


def test_a_layer_gives_one_tensor_with_a_row_per_input() -> None:
    with torch.random.fork_rng(devices=[]):
        module = Recurrent()
    with pytest.raises(TypeError, match="layer 'cell' must give a tensor; got tuple"):
        NoisyNetwork.from_module(module, SIGMA, ["cell"])(torch.zeros(3, 2))
    flat = nn.Sequential(nn.Flatten(0), nn.Tanh(), nn.Identity())
    with pytest.raises(
        ValueError, match=r"layer '1' must give one row per input; got shape \(6,\)"
    ):
        NoisyNetwork.from_sequential(flat, SIGMA).signals(torch.zeros(3, 2))


def test_wrong_shapes_are_one_line() -> None:
    network = NoisyNetwork.from_sequential(plain(), SIGMA)
    with pytest.raises(ValueError, match=r"^layer 1 cannot take an input of shape \(7, 4\): .*$"):
        network(batch(7, 4))
    bad = NoisyNetwork([nn.Tanh(), nn.Linear(3, 2)], SIGMA)
    with pytest.raises(ValueError, match=r"^the output stage cannot take .* \(7, 5\): "):
        bad(torch.zeros(7, 5))
    with pytest.raises(RuntimeError, match="dtype"):
        network(torch.zeros(7, 5))


def test_weights_go_to_arrays_and_back() -> None:
    module = trained()
    network = NoisyNetwork.from_module(module, SIGMA, ["first"])
    arrays = network.state_arrays()
    assert arrays.keys() == module.state_dict().keys()
    assert arrays["norm.running_mean"].any()
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    fresh = NoisyNetwork.from_module(Residual().eval(), SIGMA, ["first"])
    assert not torch.equal(fresh(IMAGES), network(IMAGES))
    with np.load(file, allow_pickle=False) as stored:
        fresh.load_arrays(dict(stored))
    assert torch.equal(fresh.seed(0)(IMAGES), network.seed(0)(IMAGES))
    arrays["head.bias"] += 1.0
    assert not np.array_equal(network.state_arrays()["head.bias"], arrays["head.bias"])


def test_weights_of_another_network_are_refused_whole() -> None:
    network = NoisyNetwork.from_sequential(plain(), SIGMA)
    before, arrays = (
        network.state_arrays(),
        NoisyNetwork.from_sequential(plain(1), SIGMA).state_arrays(),
    )
    wrong = arrays | {"2.4.bias": np.zeros(3)}
    with pytest.raises(ValueError, match=r"2\.4\.bias \(2,\); got \(3,\)"):
        network.load_arrays(wrong)
    renamed = {("extra" if name == "2.4.bias" else name): a for name, a in arrays.items()}
    with pytest.raises(ValueError, match=r"missing: 2\.4\.bias; not known: extra"):
        network.load_arrays(renamed)
    for name, array in network.state_arrays().items():
        assert np.array_equal(array, before[name])


def run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_torch_is_imported_on_use() -> None:
    script = (
        "import sys, entbench.networks as e\n"
        "e.load_szt()\n"
        "print('torch' in sys.modules)\n"
        "e.NoisyNetwork\n"
        "print('torch' in sys.modules)"
    )
    assert run(script).split() == ["False", "True"]


def test_without_torch_the_message_says_what_to_install() -> None:
    script = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "import entbench.networks as e\n"
        "try:\n    e.NoisyNetwork\nexcept ImportError as error:\n    print(error)"
    )
    wanted = "entbench.networks needs PyTorch: pip install 'entbench[networks]'"
    assert run(script) == wanted


def test_names_of_the_room() -> None:
    import entbench.networks as room

    assert dir(room) == sorted(room.__all__)
    for name in room.__all__:
        assert getattr(room, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'NoisyNet'"):
        _ = room.NoisyNet


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator")
def test_on_an_accelerator() -> None:
    network = NoisyNetwork.from_sequential(plain(), SIGMA)
    expected = network.twin()(batch())
    network.cuda()
    x = batch().cuda()
    assert network.generator.device.type == "cuda"
    np.testing.assert_allclose(network.twin()(x).cpu().detach(), expected.detach(), rtol=1e-10)
    assert torch.equal(network(x), network.seed(0)(x))
