from __future__ import annotations

import json
import math
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from entbench.networks import _checkpoints as checkpoints  # noqa: E402
from entbench.networks import _training as training  # noqa: E402
from entbench.networks._checkpoints import (  # noqa: E402
    UnreadableCheckpointError,
    checkpoint_epochs,
    read_checkpoint,
    weights_at,
)
from entbench.networks._network import NoisyNetwork  # noqa: E402
from entbench.networks._training import History, TrainingError, TrainingPlan, train  # noqa: E402

pytestmark = pytest.mark.torch


class CutError(Exception):
    pass


def data(n: int = 70, dim: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, dim))
    return x, (x.sum(axis=1) > 0.3).astype(np.int64)


def stages(seed: int = 0, *, norm: bool = False) -> list[nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        first = [nn.Linear(3, 5), *([nn.BatchNorm1d(5)] if norm else []), nn.Tanh()]
        return [nn.Sequential(*first), nn.Sequential(nn.Linear(5, 4), nn.Tanh()), nn.Linear(4, 2)]


def noisy(sigma: float = 0.1, seed: int = 0, *, norm: bool = False) -> NoisyNetwork:
    return NoisyNetwork(stages(seed, norm=norm), sigma)


def plain(seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    return nn.Sequential(*stages(seed)).to(dtype)


def plan(epochs: int = 10, **changes: object) -> TrainingPlan:
    fields = {"learning_rate": 0.1, "batch_size": 32, "record": (2, 4, 5, 6)} | changes
    return TrainingPlan(epochs=epochs, **fields)


def weights(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}


def assert_same_bits(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    assert all(a[name].dtype == b[name].dtype for name in a)
    assert all(a[name].tobytes() == b[name].tobytes() for name in a)


def assert_same_history(a: History, b: History) -> None:
    assert_same_bits(vars(a), vars(b))


def bytes_of(history: History) -> str:
    return "".join(column.tobytes().hex() for column in vars(history).values())


def cut_at(epoch: int, exception: BaseException | None = None):
    def on_epoch(done: int, loss: float) -> None:
        if done == epoch:
            raise exception or CutError

    return on_epoch


# The arithmetic, against NumPy and against torch's own optimisers.


def softmax_gradient(output: np.ndarray, y: np.ndarray) -> np.ndarray:
    p = np.exp(output - output.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return (p - np.eye(output.shape[1])[y]) / len(y)


def squares_gradient(output: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 2.0 * (output - y) / y.size


def numpy_training(x, y, arrays, plan, gradient_of):
    """Full-batch gradient descent of a tanh network, by hand."""
    names = sorted(name[: -len(".weight")] for name in arrays if name.endswith(".weight"))
    w, b = ([arrays[f"{n}.{kind}"].copy() for n in names] for kind in ("weight", "bias"))
    speed = [np.zeros_like(p) for p in w + b]
    for epoch in range(1, plan.epochs + 1):
        rate = plan.learning_rate
        if plan.final_learning_rate:
            rate *= (plan.final_learning_rate / rate) ** ((epoch - 1) / (plan.epochs - 1))
        t = [x]
        for i in range(len(w)):
            s = t[-1] @ w[i].T + b[i]
            t.append(np.tanh(s) if i + 1 < len(w) else s)
        back, dw, db = gradient_of(t[-1], y), [], []
        for i in reversed(range(len(w))):
            dw.insert(0, back.T @ t[i])
            db.insert(0, back.sum(axis=0))
            back = (back @ w[i]) * (1.0 - t[i] ** 2)
        for v, p, g in zip(speed, w + b, dw + db, strict=True):
            v *= plan.momentum
            v += g
            p -= rate * v
        for p in w:
            p -= plan.orthonormal * (p @ p.T - np.eye(len(p))) @ p  # as the paper prints it
    return dict(zip(names, zip(w, b, strict=True), strict=True))


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 1, "learning_rate": 0.3},
        {"epochs": 1, "learning_rate": 0.3, "orthonormal": 0.02},
        {"epochs": 7, "learning_rate": 0.3, "momentum": 0.9, "final_learning_rate": 0.01},
        {"epochs": 7, "learning_rate": 0.3, "momentum": 0.5, "orthonormal": 0.05},
        {"epochs": 3, "learning_rate": 0.3, "orthonormal": 0.02, "loss": "mse"},
    ],
)
def test_full_batch_descent_is_that_by_hand(changes: dict[str, object]) -> None:
    network, (x, y) = plain(), data()
    it = plan(batch_size=None, record=(), **changes)
    target = np.random.default_rng(3).normal(size=(len(x), 2)) if it.loss == "mse" else y
    gradient = squares_gradient if it.loss == "mse" else softmax_gradient
    expected = numpy_training(x, target, weights(network), it, gradient)
    train(network, x, target, it)
    found = weights(network)
    for name, (w, b) in expected.items():
        np.testing.assert_allclose(found[f"{name}.weight"], w, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(found[f"{name}.bias"], b, rtol=1e-12, atol=1e-13)


def test_orthonormal_step_takes_singular_values_to_one() -> None:
    network, (x, y) = plain(), data()  # 5 x 3, 4 x 5 and 2 x 4: rows more and less than columns
    start = weights(network)

    def tiny(epochs: int) -> TrainingPlan:
        changes = {"learning_rate": 1e-300, "batch_size": None, "record": ()}
        return plan(epochs, orthonormal=0.1, **changes)

    train(network, x, y, tiny(1))
    for name, w in weights(network).items():
        before = np.linalg.svd(start[name], compute_uv=False) if w.ndim == 2 else None
        if before is not None:
            s = np.sort(before - 0.1 * (before**3 - before))
            np.testing.assert_allclose(np.sort(np.linalg.svd(w, compute_uv=False)), s, rtol=1e-12)
        else:
            np.testing.assert_array_equal(w, start[name])
    train(network, x, y, tiny(200))
    ends = [np.linalg.svd(w, compute_uv=False) for w in weights(network).values() if w.ndim == 2]
    np.testing.assert_allclose(np.concatenate(ends), 1.0, atol=1e-10)


def test_orthonormal_step_keeps_a_small_strength_in_single_precision() -> None:
    network, (x, y) = plain(dtype=torch.float32), data()
    start = weights(network)
    changes = {"learning_rate": 1e-30, "batch_size": None, "orthonormal": 5e-5, "record": ()}
    train(network, x, y, plan(1000, **changes))
    for name, w in weights(network).items():
        if w.ndim == 2:
            expected = start[name].astype(np.float64)
            for _ in range(1000):
                expected -= 5e-5 * (expected @ expected.T - np.eye(len(expected))) @ expected
            # 1000 roundings of 3e-8 relative; they came to 3e-6 at most
            np.testing.assert_allclose(w, expected, atol=2e-5)


@pytest.mark.parametrize(
    ("changes", "make"),
    [
        ({"optimizer": "adam", "learning_rate": 0.01}, lambda p: torch.optim.Adam(p, lr=0.01)),
        ({"learning_rate": 0.1}, lambda p: torch.optim.SGD(p, lr=0.1)),
        (
            {"learning_rate": 0.1, "momentum": 0.9},
            lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        ),
    ],
)
def test_minibatches_and_optimisers_are_torchs(changes: dict[str, object], make) -> None:
    x, y = data()
    network, own = plain(), plain()
    train(network, x, y, plan(6, seed=5, **changes))
    optimizer = make(own.parameters())
    for epoch in range(1, 7):
        order = np.random.default_rng([5, 1, epoch]).permutation(len(x))
        for rows in (order[:32], order[32:64], order[64:]):
            optimizer.zero_grad()
            output = own(torch.tensor(x[rows]))
            nn.CrossEntropyLoss()(output, torch.tensor(y[rows])).backward()
            optimizer.step()
    for name, found in weights(network).items():
        np.testing.assert_allclose(found, weights(own)[name], rtol=1e-11, atol=1e-13)


def test_rates_are_geometric_and_end_exactly() -> None:
    it = plan(128, learning_rate=5e-3, final_learning_rate=5e-4)
    rates = np.array([it.rate(epoch) for epoch in range(1, 129)])
    assert rates[0] == 5e-3
    assert rates[-1] == 5e-4
    np.testing.assert_allclose(rates[1:] / rates[:-1], 0.1 ** (1 / 127), rtol=1e-13)
    assert plan().rate(2) == plan().rate(10) == 0.1
    assert plan(1, learning_rate=1.0, final_learning_rate=0.5, record=()).rate(1) == 0.5


def test_rates_are_those_of_the_steps() -> None:
    seen: list[float] = []
    network, (x, y) = plain(), data()
    bias = network[2].bias
    hook = bias.register_hook(lambda gradient: seen.append((bias.detach().clone(), gradient)))
    it = plan(4, batch_size=None, learning_rate=0.4, final_learning_rate=0.05, record=())
    train(network, x, y, it)
    hook.remove()
    after = [value for value, _ in seen[1:]] + [bias.detach()]
    steps = [(b - a) / -g for (a, g), b in zip(seen, after, strict=True)]
    for epoch, step in enumerate(steps, start=1):
        np.testing.assert_allclose(step, it.rate(epoch), rtol=1e-12)


# What the runs of other noise share, and what a run leaves alone.


def order_of(network: nn.Module, **changes: object) -> list[np.ndarray]:
    seen: list[np.ndarray] = []
    x, y = data()

    def watch(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        seen.append(rows.copy())
        return rows

    train(network, x.astype(np.float32), y, plan(3, record=(), **changes), augment=watch)
    return seen


def test_batches_are_the_same_whatever_the_noise() -> None:
    first = order_of(noisy(0.0), seed=4)
    dropped = NoisyNetwork(stages(), 0.0, dropout=0.2)
    for other in (noisy(0.5), dropped, nn.Sequential(*stages())):
        for a, b in zip(first, order_of(other, seed=4), strict=True):
            np.testing.assert_array_equal(a, b)
    assert [len(rows) for rows in first] == [32, 32, 6] * 3
    x = np.sort(data()[0].astype(np.float32), axis=0)
    epochs = [np.concatenate(first[i : i + 3]) for i in (0, 3, 6)]
    for rows in epochs:
        np.testing.assert_array_equal(np.sort(rows, axis=0), x)
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], np.concatenate(order_of(noisy(0.0), seed=5)[:3]))


def test_drawn_weights_are_the_same_whatever_the_noise_and_the_start(tmp_path: Path) -> None:
    x, y = data()
    found = []
    for i, network in enumerate((noisy(0.0, 1), noisy(0.5, 2), noisy(0.5, 3))):
        seed = 7 if i < 2 else 8
        it = plan(1, record=(), initial_weights="drawn", seed=seed)
        train(network, x, y, it, folder=tmp_path / str(i))
        found.append((weights_at(tmp_path / str(i), 0), weights_at(tmp_path / str(i), 1)))
    assert_same_bits(found[0][0], found[1][0])
    assert not np.array_equal(found[0][1]["2.weight"], found[1][1]["2.weight"])
    assert not np.array_equal(found[0][0]["2.weight"], found[2][0]["2.weight"])
    assert np.abs(found[0][0]["2.weight"]).max() <= 0.5  # torch's law: within 1/sqrt(fan-in)


def test_a_run_repeats_and_leaves_global_state_alone() -> None:
    x, y = data()
    ends = []
    for disturb in (1, 2):
        torch.manual_seed(disturb)
        np.random.seed(disturb)
        torch.set_num_threads(disturb)
        network = nn.Sequential(noisy(0.3), nn.Dropout(0.3), nn.Linear(2, 2))
        nn.init.ones_(network[2].weight)
        nn.init.zeros_(network[2].bias)
        network[0].eval()
        state, legacy = torch.get_rng_state(), np.random.get_state()[1]
        with torch.no_grad():  # the caller's, which must not stop the training
            train(network, x, y, plan())
        assert torch.equal(torch.get_rng_state(), state)
        np.testing.assert_array_equal(np.random.get_state()[1], legacy)
        assert torch.get_num_threads() == disturb
        assert network.training
        assert not network[0].training
        ends.append((weights(network), network[0](torch.ones(2, 3)).detach().numpy()))
    assert_same_bits(ends[0][0], ends[1][0])
    np.testing.assert_array_equal(ends[0][1], ends[1][1])  # the noise that comes next, too


def test_noise_is_fresh_in_every_epoch_and_seeded() -> None:
    x, y = data()
    seen: dict[int, list[torch.Tensor]] = {}
    for seed in (0, 1):
        network, rows = noisy(1.0), seen.setdefault(seed, [])
        last = next(m for m in reversed(list(network.modules())) if isinstance(m, nn.Linear))
        hook = last.register_forward_pre_hook(lambda m, args, rows=rows: rows.append(args[0]))
        it = plan(2, learning_rate=1e-30, batch_size=None, seed=seed, record=())
        train(network, x, y, it)
        hook.remove()
        rows[:] = [r.detach() for r in rows if len(r) == len(x)]
    evaluated, first, second, _ = seen[0]
    for noise in (first - evaluated, second - evaluated, seen[1][1] - evaluated):
        # noise of layer 2, and what is left of layer 1's: at least 0.8 of sigma in 280 numbers
        assert noise.std() > 0.8
    correlations = np.corrcoef([(r - evaluated).ravel() for r in (first, second, seen[1][1])])
    # 280 numbers: standard error 0.06; 4 of them
    assert np.abs(correlations[np.triu_indices(3, 1)]).max() < 0.24


def test_history_is_what_the_quiet_network_gives() -> None:
    x, y = data()
    test_x, test_y = data(1500)  # more rows than are evaluated at once
    network = noisy(0.2)
    history = train(network, x, y, plan(), test=(test_x, test_y))
    np.testing.assert_array_equal(history.epochs, [0, 2, 4, 5, 6, 10])
    arrays = {name: array.astype(np.float64) for name, array in network.state_arrays().items()}
    for rows, labels, loss, accuracy in (
        (x, y, history.train_loss, history.train_accuracy),
        (test_x, test_y, history.test_loss, history.test_accuracy),
    ):
        t = np.tanh(rows @ arrays["0.0.weight"].T + arrays["0.0.bias"])
        t = np.tanh(t @ arrays["1.0.weight"].T + arrays["1.0.bias"])
        output = t @ arrays["2.weight"].T + arrays["2.bias"]
        terms = np.log(np.exp(output).sum(axis=1)) - output[np.arange(len(labels)), labels]
        assert loss[-1] == pytest.approx(terms.mean(), rel=1e-6)  # single precision
        assert accuracy[-1] == np.mean(output.argmax(axis=1) == labels)
    assert history.train_loss[-1] < history.train_loss[0]


def test_history_without_test_data_and_of_squares() -> None:
    x, _ = data()
    y = np.where(x[:, 0] > 0, 1.0, -1.0)
    network = nn.Sequential(nn.Linear(3, 1)).double()
    history = train(network, x, y, plan(3, loss="mse", record=()))
    residual = x @ network[0].weight.detach().numpy()[0] + network[0].bias.item() - y
    assert history.train_loss[-1] == pytest.approx(np.mean(residual**2), rel=1e-13)
    assert np.isnan(history.test_loss).all()
    assert np.isnan(history.train_accuracy).all()


def test_frozen_weights_stay() -> None:
    network, (x, y) = plain(), data()
    network[1].requires_grad_(False)
    start = weights(network)
    train(network, x, y, plan(2, orthonormal=0.1, record=()))
    np.testing.assert_array_equal(start["1.0.weight"], weights(network)["1.0.weight"])
    assert not np.array_equal(start["0.0.weight"], weights(network)["0.0.weight"])


def test_on_epoch_hears_each_epochs_loss() -> None:
    heard: list[tuple[int, float]] = []
    network, (x, y) = plain(), data()
    it = plan(4, batch_size=None, record=range(5))
    history = train(network, x, y, it, on_epoch=lambda *now: heard.append(now))
    assert [epoch for epoch, _ in heard] == [1, 2, 3, 4]
    # without noise the loss of a full-batch step is that before it
    np.testing.assert_allclose([loss for _, loss in heard], history.train_loss[:-1], rtol=1e-13)


def test_augment_has_a_stream_of_its_own() -> None:
    x, y = data()

    def shift(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        drawn.append(rng.normal(size=(len(rows), 1)))
        return rows + 0.1 * drawn[-1]

    found = []
    for _ in range(2):
        drawn: list[np.ndarray] = []
        network = plain()
        train(network, x, y, plan(3, record=()), augment=shift)
        found.append((weights(network), drawn))
    assert_same_bits(found[0][0], found[1][0])
    steps = found[0][1]
    assert len({step.tobytes() for step in steps}) == len(steps) == 9
    untouched = plain()
    train(untouched, x, y, plan(3, record=()))
    assert not np.array_equal(weights(untouched)["2.weight"], found[0][0]["2.weight"])


# Checkpoints.

KINDS = {
    "sgd": {},
    "momentum": {"momentum": 0.9, "final_learning_rate": 0.01},
    "adam": {"optimizer": "adam", "learning_rate": 0.01, "orthonormal": 1e-3},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epoch", [1, 5, 7, 10])
def test_a_cut_run_ends_in_the_same_bits(kind: str, epoch: int, tmp_path: Path) -> None:
    x, y = data()
    it = plan(**KINDS[kind])

    def make() -> nn.Module:
        return NoisyNetwork([*stages(norm=True)[:2], nn.Sequential(nn.Dropout(0.2), last())], 0.2)

    def last() -> nn.Module:
        return stages()[2]

    whole = make()
    history = train(whole, x, y, it, test=data(50))
    noise_next = whole.eval()(torch.ones(2, 3)).detach().numpy()
    with pytest.raises(CutError):
        train(make(), x, y, it, test=data(50), folder=tmp_path, on_epoch=cut_at(epoch))
    torch.manual_seed(epoch)
    seen: list[int] = []
    network = make()
    again = train(
        network, x, y, it, test=data(50), folder=tmp_path, on_epoch=lambda e, _: seen.append(e)
    )
    kept = max(e for e in (0, 2, 4, 5, 6, 10) if e <= epoch)
    assert seen == list(range(kept + 1, 11))
    assert_same_bits(weights(network), weights(whole))
    assert_same_history(again, history)
    assert checkpoint_epochs(tmp_path) == [0, 2, 4, 5, 6, 10]
    fresh = make()
    fresh.load_arrays(weights_at(tmp_path, 10))
    assert_same_bits(weights(fresh), weights(whole))
    # a run that has ended is only read, by the network that it trained too
    for done in (make(), network):
        assert_same_history(train(done, x, y, it, test=data(50), folder=tmp_path), history)
        assert_same_bits(weights(done), weights(whole))
        np.testing.assert_array_equal(done.eval()(torch.ones(2, 3)).detach(), noise_next)


def test_a_checkpoint_does_not_change_the_run(tmp_path: Path) -> None:
    x, y = data()
    ends = []
    for record in ((), range(11)):
        network = noisy()
        train(network, x, y, plan(record=record), folder=tmp_path / str(len(record)))
        ends.append(weights(network))
    assert_same_bits(*ends)
    at_4 = noisy()
    with pytest.raises(CutError):
        train(at_4, x, y, plan(), on_epoch=cut_at(4))
    assert_same_bits(at_4.state_arrays(), weights_at(tmp_path / "11", 4))


def test_long_gaps_between_records_are_saved_meanwhile(tmp_path: Path, monkeypatch) -> None:
    x, y = data()
    it = plan(record=(2,))
    whole = noisy()
    train(whole, x, y, it)
    monkeypatch.setattr(training, "_SAVE_EVERY", 0.0)
    with pytest.raises(CutError):
        train(noisy(), x, y, it, folder=tmp_path, on_epoch=cut_at(7))
    assert checkpoint_epochs(tmp_path) == [0, 2]
    seen: list[int] = []
    network = noisy()
    train(network, x, y, it, folder=tmp_path, on_epoch=lambda e, _: seen.append(e))
    assert seen == [8, 9, 10]
    assert_same_bits(weights(network), weights(whole))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "epoch_000000.npz",
        "epoch_000002.npz",
        "epoch_000010.npz",
    ]


# Trains in children that are killed at chosen moments, and at one from outside; then to the end.
KILLED = """
import os, signal, sys, time, warnings
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[2])
torch.set_num_threads(1)
import test_training as here

warnings.simplefilter("error", UserWarning)  # no file is ever there in part
folder = Path(sys.argv[1])
x, y = here.data()

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

# what torch imports at its first step, before there are children
here.train(here.noisy(), x, y, here.plan(1, optimizer="adam", record=()))

def go(on_epoch=None):
    network = here.noisy()
    it = here.plan(60, optimizer="adam", learning_rate=0.01, record=range(0, 60, 3))
    return network, here.train(network, x, y, it, folder=folder, on_epoch=on_epoch)

def half_written(file, **entries):
    file.write(b"PK half a file")
    file.flush()
    die()

def in_a_step():
    step, steps = torch.optim.Adam.step, []
    def counted(self, *args):
        steps.append(1)
        return die() if len(steps) == 20 else step(self, *args)
    torch.optim.Adam.step = counted
    go()

def while_writing():
    here.cut, savez = 0, here.np.savez
    def later(file, **entries):
        here.cut += 1
        return half_written(file, **entries) if here.cut == 3 else savez(file, **entries)
    here.np.savez = later
    go()

def before_renaming():
    replace, calls = Path.replace, []
    def later(self, target):
        calls.append(1)
        return die() if len(calls) == 4 else replace(self, target)
    Path.replace = later
    go()

def after_an_epoch():
    seen = []
    go(lambda epoch, loss: seen.append(1) or (len(seen) == 8 and die()))

def from_outside():
    go(lambda epoch, loss: time.sleep(0.02))

def child(act):
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(1)
    if act is from_outside:
        time.sleep(0.15)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (act, status)
    print(act.__name__, here.checkpoint_epochs(folder), file=sys.stderr)

for act in (while_writing, in_a_step, before_renaming, from_outside, after_an_epoch, in_a_step):
    child(act)
network, history = go()
here.np.savez(sys.argv[3], **here.weights(network), history=here.bytes_of(history))
"""


def test_a_killed_run_ends_in_the_same_bits(tmp_path: Path) -> None:
    x, y = data()
    whole = noisy()
    it = plan(60, optimizer="adam", learning_rate=0.01, record=range(0, 60, 3))
    history = train(whole, x, y, it, folder=tmp_path / "whole")
    here = str(Path(__file__).parent)
    killed, end = tmp_path / "killed", tmp_path / "end.npz"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(killed), here, str(end)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = dict(np.load(end))
    assert found.pop("history") == bytes_of(history)
    assert_same_bits(found, weights(whole))
    assert checkpoint_epochs(killed) == checkpoint_epochs(tmp_path / "whole")
    for epoch in checkpoint_epochs(killed):
        assert_same_bits(weights_at(killed, epoch), weights_at(tmp_path / "whole", epoch))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip, lambda path: path.write_bytes(b"")])
def test_a_damaged_checkpoint_is_said_and_passed_over(damage, tmp_path: Path) -> None:
    x, y = data()
    whole = noisy()
    history = train(whole, x, y, plan(), folder=tmp_path)
    damage(tmp_path / "epoch_000010.npz")
    damage(tmp_path / "epoch_000006.npz")
    with pytest.raises(UnreadableCheckpointError, match="epoch_000006.npz is not a whole checkp"):
        weights_at(tmp_path, 6)
    network = noisy()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        again = train(network, x, y, plan(), folder=tmp_path)
    texts = [str(w.message) for w in said]
    assert [w.filename for w in said] == [__file__] * 2
    assert all("Going on from epoch 5." in text and "\n" not in text for text in texts)
    assert ["000010" in texts[0], "000006" in texts[1]] == [True, True]
    assert_same_bits(weights(network), weights(whole))
    assert_same_history(again, history)
    assert_same_bits(weights_at(tmp_path, 6), weights_at(tmp_path, 6))


def test_no_damage_is_read_as_something_else(tmp_path: Path) -> None:
    x, y = data()
    train(noisy(), x, y, plan(1, record=(), optimizer="adam"), folder=tmp_path)
    path = tmp_path / "epoch_000001.npz"
    whole, content = read_checkpoint(path), path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(len(content), size=120):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        for damaged in (bytes(changed), content[:place]):
            path.write_bytes(damaged)
            try:
                found = read_checkpoint(path)
            except UnreadableCheckpointError:
                refused += 1
            else:  # a byte that no reader looks at, such as a date
                assert_same_bits(found.weights, whole.weights)
                assert_same_bits(found.optimiser, whole.optimiser)
                assert found.identity == whole.identity
                np.testing.assert_array_equal(found.history, whole.history)
    assert refused >= 200


def test_a_folder_without_any_whole_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "epoch_000003.npz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no checkpoint can be read: .*epoch_000003.npz"):
        train(noisy(), *data(), plan(), folder=tmp_path)


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    trap = np.empty(1, dtype=object)
    trap[0] = Trap()
    np.savez(tmp_path / "epoch_000001.npz", format=np.array(1), history=trap)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        weights_at(tmp_path, 1)
    assert not (tmp_path / "sprung").exists()


def shift(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rows + rng.normal(size=(len(rows), 1))


def relu() -> NoisyNetwork:
    first, second, third = stages()
    return NoisyNetwork([first, nn.Sequential(second[0], nn.ReLU()), third], 0.1)


@pytest.mark.parametrize(
    ("changes", "network", "more", "match"),
    [
        ({"learning_rate": 0.2}, noisy, {}, r"with learning_rate 0\.1, not 0\.2\.$"),
        ({"seed": 1}, noisy, {}, "with seed 0, not 1"),
        ({"epochs": 11}, noisy, {}, "with epochs 10, not 11"),
        ({"record": (2,)}, noisy, {}, r"with record \[0, 2, 4, 5, 6, 10\], not \[0, 2, 10\]"),
        ({}, relu, {}, "with network '"),
        ({}, lambda: noisy(0.2), {}, "with network '"),
        ({}, lambda: noisy(norm=True), {}, "with network '"),
        ({}, lambda: noisy(seed=1), {}, "`network` must have the weights that the run in"),
        ({}, noisy, {"test": data(9)}, "with data '"),
        ({}, noisy, {"augment": shift}, "with augment None, not 'shift'"),
    ],
)
def test_a_folder_of_another_run_is_refused(
    changes: dict[str, object], network, more: dict[str, object], match: str, tmp_path: Path
) -> None:
    with pytest.raises(CutError):
        train(noisy(), *data(), plan(), folder=tmp_path, on_epoch=cut_at(3))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=match):
        train(network(), *data(), plan(**changes), folder=tmp_path, **more)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_of_other_data_is_refused(tmp_path: Path) -> None:
    x, y = data()
    train(noisy(), x, y, plan(), folder=tmp_path)
    with pytest.raises(ValueError, match="with data '"):
        train(noisy(), x, 1 - y, plan(), folder=tmp_path)


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    x, y = data()
    whole = noisy()
    train(whole, x, y, plan())
    with pytest.raises(CutError):
        train(noisy(), x, y, plan(), folder=tmp_path, on_epoch=cut_at(4))
    size = (tmp_path / "epoch_000004.npz").stat().st_size
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    full = "checkpoint not written, earlier ones stay.*epoch_000005.npz"
    with pytest.raises(OSError, match=full), files_up_to(size // 2):
        train(noisy(), x, y, plan(), folder=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    network = noisy()
    train(network, x, y, plan(), folder=tmp_path)
    assert_same_bits(weights(network), weights(whole))


def test_weights_at_names_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`epoch` must have a checkpoint in .*: none; got 3\."):
        weights_at(tmp_path, 3)
    train(noisy(), *data(), plan(2, record=()), folder=tmp_path)
    with pytest.raises(ValueError, match=r": 0, 2; got 1\."):
        weights_at(tmp_path, 1)


def test_another_format_is_not_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(checkpoints, "_FORMAT", 2)
    train(noisy(), *data(), plan(1, record=()), folder=tmp_path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="format 2, where 1 is known"):
        weights_at(tmp_path, 1)


def test_identity_is_plain_json(tmp_path: Path) -> None:
    train(noisy(), *data(), plan(1, record=()), folder=tmp_path)
    identity = read_checkpoint(tmp_path / "epoch_000001.npz").identity
    assert json.loads(json.dumps(identity)) == identity
    assert identity["learning_rate"] == 0.1


# What cannot go on.


@pytest.mark.parametrize(
    ("rate", "match"),
    [
        (
            1e200,
            r"^the loss is (NaN|infinite) at epoch \d+: .* 1e\+200; lower `learning_rate`",
        ),
        (1e30, r"^the loss is (NaN|infinite) at epoch \d+: .*; lower `learning_rate`\.$"),
    ],
)
def test_divergence_is_said_and_keeps_checkpoints(rate: float, match: str, tmp_path: Path) -> None:
    x, _ = data()
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)).double()
    it = plan(50, loss="mse", learning_rate=rate, record=range(50))
    with pytest.raises(TrainingError, match=match):
        train(network, x, x[:, 0], it, folder=tmp_path)
    kept = checkpoint_epochs(tmp_path)
    assert kept[0] == 0
    losses = read_checkpoint(tmp_path / f"epoch_{kept[-1]:06d}.npz").history[:, 1]
    assert len(losses) == len(kept)
    assert np.isfinite(losses).all()


def test_an_infinite_loss_is_called_so() -> None:
    network = nn.Sequential(nn.Linear(3, 1)).double()
    with pytest.raises(TrainingError, match="the loss is infinite at epoch 0, before any step"):
        train(network, np.full((4, 3), 1e200), np.zeros(4), plan(1, loss="mse", record=()))


def test_nan_weights_are_said_before_any_step(tmp_path: Path) -> None:
    network = plain()
    nn.init.constant_(network[2].bias, math.nan)
    with pytest.raises(TrainingError, match="the loss is NaN at epoch 0, before any step"):
        train(network, *data(), plan(), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"epochs": 0}, "`epochs` must be an integer >= 1; got 0"),
        ({"batch_size": 0}, "`batch_size` must be an integer >= 1"),
        ({"learning_rate": 0.0}, "`learning_rate` must be a finite number > 0"),
        ({"final_learning_rate": math.inf}, "`final_learning_rate` must be a finite number > 0"),
        ({"momentum": 1.0}, r"`momentum` must be in \[0, 1\); got 1.0"),
        ({"momentum": 0.5, "optimizer": "adam"}, '`momentum` is for optimizer "sgd"; got 0.5'),
        ({"optimizer": "rmsprop"}, "`optimizer` must be one of 'sgd', 'adam'; got 'rmsprop'"),
        ({"loss": "hinge"}, "`loss` must be one of"),
        ({"initial_weights": "zero"}, "`initial_weights` must be one of"),
        ({"orthonormal": -1e-5}, "`orthonormal` must be a finite number >= 0; got -1e-05"),
        ({"seed": -1}, "`seed` must be an integer >= 0"),
        ({"record": (11,)}, r"`record` must be an integer in \[0, 10\]; got 11"),
    ],
)
def test_bad_plans(changes: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        plan(**changes)


@pytest.mark.parametrize(
    ("x", "y", "changes", "match"),
    [
        (np.full((4, 3), np.nan), np.zeros(4, int), {}, "`X` must hold finite real numbers"),
        (np.zeros((4, 3)), np.zeros(5, int), {}, "must have as many rows as each other.*4 and 5"),
        (np.zeros((0, 3)), np.zeros(0, int), {}, "and some; got 0 and 0"),
        (np.zeros((4, 2)), np.zeros(4, int), {}, r"a row of shape \(2,\) does not"),
        (np.zeros((4, 3)), np.zeros(4), {}, "`y` must be a row of integer labels; got float64"),
        (np.zeros((4, 3)), np.full(4, 2), {}, r"`y` must be in \[0, 1\]; got 2 to 2"),
        (np.zeros((4, 3)), np.full(4, -1), {}, r"`y` must be in \[0, 1\]; got -1 to -1"),
        (np.zeros((4, 3)), np.zeros(4), {"loss": "mse"}, r"must have shape \(4, 2\); got shape"),
        (np.zeros((4, 3)), np.full((4, 2), np.inf), {"loss": "mse"}, "`y` must hold finite real"),
    ],
)
def test_bad_data(x: np.ndarray, y: np.ndarray, changes: dict[str, object], match: str) -> None:
    network = plain()
    with pytest.raises(ValueError, match=match):
        train(network, x, y, plan(**changes))
    assert network.training


def test_bad_networks_and_augmentation() -> None:
    x, y = data()
    with pytest.raises(ValueError, match="`network` must have parameters to train"):
        train(nn.Sequential(nn.Tanh()), x, y, plan())
    with pytest.raises(ValueError, match="one output for each of two labels or more"):
        train(nn.Sequential(nn.Linear(3, 1)), x, y, plan())
    with pytest.raises(ValueError, match=r"`augment` must keep the shape \(32, 3\)"):
        train(plain(), x, y, plan(), augment=lambda rows, rng: rows[:5])
    own = nn.Sequential(nn.Linear(3, 2))
    own.register_parameter("scale", nn.Parameter(torch.ones(1)))
    with pytest.raises(ValueError, match="no `reset_parameters`; got 'Sequential'"):
        train(own, x, y, plan(initial_weights="drawn"))


@pytest.mark.gpu
def test_training_on_an_accelerator(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs an accelerator")
    x, y = data()
    network, same = noisy(0.0).cuda(), noisy(0.0)
    state = torch.cuda.get_rng_state()
    with pytest.raises(CutError):
        train(network, x, y, plan(), folder=tmp_path, on_epoch=cut_at(5))
    network = noisy(0.0).cuda()
    train(network, x, y, plan(), folder=tmp_path)
    train(same, x, y, plan())
    assert torch.equal(torch.cuda.get_rng_state(), state)
    for name, found in network.state_arrays().items():
        np.testing.assert_allclose(found, same.state_arrays()[name], rtol=1e-4, atol=1e-5)
    train(noisy(0.1).cuda(), x, y, plan(initial_weights="drawn"))
