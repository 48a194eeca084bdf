"""The steps of training: batches, losses, gradients, all of it in memory.

Every random number of an epoch comes from a stream seeded by (seed, purpose, epoch). An epoch
therefore depends on the weights, the optimiser's state and the epoch's number alone: a run that was
cut off goes on exactly as it would have, and runs that differ in the noise see the same batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from entbench.networks._network import NoisyNetwork
from entbench.networks._plan import TrainingError, TrainingPlan

# Purposes of the streams; a number never changes its meaning.
_WEIGHTS, _ORDER, _NOISE, _DROPOUT, _AUGMENT = range(5)
# Rows at once where losses are measured: activations of a convolutional layer stay near 50 MB.
_CHUNK = 1024

Augment = Callable[[NDArray[Any], np.random.Generator], ArrayLike]


class _Rows(NamedTuple):
    x: Tensor
    y: Tensor


class Run:
    """A network in training: everything but the disk."""

    def __init__(
        self,
        network: nn.Module,
        X: ArrayLike,
        y: ArrayLike,
        plan: TrainingPlan,
        test: tuple[ArrayLike, ArrayLike] | None,
        augment: Augment | None,
    ) -> None:
        self.network, self.plan, self.augment = network, plan, augment
        parameters = [p for p in network.parameters() if p.requires_grad]
        if not parameters:
            raise ValueError("`network` must have parameters to train; got none.")
        if plan.initial_weights == "drawn":
            _draw_weights(network, plan.seed)
        self.like = parameters[0]
        self.data = self._rows(X, y, "X", "y")
        self.test = None if test is None else self._rows(*test, "test[0]", "test[1]")
        self.optimizer = _optimizer(parameters, plan)
        linear = [m.weight for m in network.modules() if isinstance(m, nn.Linear)]
        linear = [weight for weight in linear if weight.requires_grad]
        # A weight that two layers share is one matrix.
        self.matrices = list({id(weight): weight.detach() for weight in linear}.values())
        self.rows: list[list[float]] = []

    def seed(self, epoch: int) -> None:
        """Begin the streams that torch draws from in an epoch."""
        for number, part in enumerate(noisy_parts(self.network)):
            part.seed(_torch_seed(self.plan.seed, _NOISE, epoch, number))
        seed = _torch_seed(self.plan.seed, _DROPOUT, epoch)
        torch.default_generator.manual_seed(seed)
        if self.like.is_cuda:
            with torch.cuda.device(self.like.device):
                torch.cuda.manual_seed(seed)

    def train_epoch(self, epoch: int) -> float:
        """Do the steps of an epoch, and return their mean loss."""
        self.seed(epoch)
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(epoch)
        total = torch.zeros((), dtype=torch.float64, device=self.like.device)
        for x, y in self._batches(epoch):
            self.optimizer.zero_grad()
            loss = self._loss(self.network(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            if self.plan.orthonormal:
                self._orthonormalise()
            total += loss.detach() * len(y)
        loss_value = total.item() / len(self.data.y)
        self._check_finite(loss_value, epoch)
        return loss_value

    def measure(self, epoch: int) -> None:
        """Add a row to the history."""
        train_loss, train_accuracy = self._evaluate(self.data)
        self._check_finite(train_loss, epoch)
        test_loss, test_accuracy = self._evaluate(self.test) if self.test else (math.nan,) * 2
        self.rows.append([epoch, train_loss, test_loss, train_accuracy, test_accuracy])

    def optimiser_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the optimiser's tensors by "parameter's number/name"."""
        state: dict[int, dict[str, Tensor]] = self.optimizer.state_dict()["state"]
        return {
            f"{number}/{name}": value.detach().cpu().numpy().copy()
            for number, entries in state.items()
            for name, value in entries.items()
        }

    def load_optimiser(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Put back what `optimiser_arrays` gave."""
        state: dict[int, dict[str, Tensor]] = {}
        for key, array in arrays.items():
            number, name = key.split("/", 1)
            state.setdefault(int(number), {})[name] = torch.tensor(array)
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})

    def _rows(self, X: ArrayLike, y: ArrayLike, x_name: str, y_name: str) -> _Rows:
        """Return the data on the network's device, once they fit it and each other."""
        inputs, labels = np.asarray(X), np.asarray(y)
        if inputs.dtype.kind not in "fiub" or not np.isfinite(inputs).all():
            raise ValueError(f"`{x_name}` must hold finite real numbers.")
        if not len(inputs) or len(labels) != len(inputs):
            raise ValueError(
                f"`{x_name}` and `{y_name}` must have as many rows as each other, and some; "
                f"got {len(inputs)} and {len(labels)}."
            )
        x = torch.tensor(inputs, dtype=self.like.dtype, device=self.like.device)
        with self._evaluation():
            outputs = _try(self.network, x[:1], x_name).shape
        if self.plan.loss == "mse":
            return _Rows(x, self._targets(labels, outputs, y_name))
        _check_labels(labels, outputs, y_name)
        return _Rows(x, torch.tensor(labels, dtype=torch.int64, device=self.like.device))

    def _targets(self, labels: NDArray[Any], outputs: torch.Size, name: str) -> Tensor:
        wanted = (len(labels), *outputs[1:])
        if labels.ndim == 1 and wanted == (len(labels), 1):
            labels = labels[:, None]
        if labels.shape != wanted:
            raise ValueError(f"`{name}` must have shape {wanted}; got shape {labels.shape}.")
        if labels.dtype.kind not in "fiub" or not np.isfinite(labels).all():
            raise ValueError(f"`{name}` must hold finite real numbers.")
        return torch.tensor(labels, dtype=self.like.dtype, device=self.like.device)

    def _batches(self, epoch: int) -> Iterator[_Rows]:
        x, y = self.data
        seed, size = self.plan.seed, self.plan.batch_size
        rng = np.random.default_rng([seed, _AUGMENT, epoch])
        if size is None:
            yield _Rows(self._augmented(x, rng), y)
            return
        order = np.random.default_rng([seed, _ORDER, epoch]).permutation(len(y))
        for rows in torch.split(torch.from_numpy(order).to(x.device), size):
            yield _Rows(self._augmented(x[rows], rng), y[rows])

    def _augmented(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        if self.augment is None:
            return x
        changed = np.asarray(self.augment(x.cpu().numpy().copy(), rng))
        if changed.shape != x.shape:
            raise ValueError(
                f"`augment` must keep the shape {tuple(x.shape)}; it returned {changed.shape}."
            )
        return torch.tensor(changed, dtype=x.dtype, device=x.device)

    def _loss(self, output: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        of = functional.cross_entropy if self.plan.loss == "cross-entropy" else functional.mse_loss
        return of(output, y, reduction=reduction)

    @torch.no_grad()
    def _orthonormalise(self) -> None:
        for weight in self.matrices:
            wide = weight.shape[0] <= weight.shape[1]
            gram = weight @ weight.T if wide else weight.T @ weight
            # 1 is taken off first: 1 + alpha would lose digits of a small alpha.
            gram.diagonal().sub_(1.0)
            weight.sub_(gram @ weight if wide else weight @ gram, alpha=self.plan.orthonormal)

    def _evaluate(self, data: _Rows) -> tuple[float, float]:
        """Return the mean loss, summed in double precision, and the accuracy."""
        loss, right = 0.0, 0
        with self._evaluation():
            for x, y in zip(*(torch.split(table, _CHUNK) for table in data), strict=True):
                output = self.network(x).double()
                target = y if self.plan.loss == "cross-entropy" else y.double()
                loss += self._loss(output, target, "sum").item()
                right += int((output.argmax(1) == y).sum()) if y.ndim == 1 else 0
        if self.plan.loss == "mse":
            return loss / data.y.numel(), math.nan
        return loss / len(data.y), right / len(data.y)

    @contextmanager
    def _evaluation(self) -> Iterator[None]:
        """Without noise, dropout and gradients."""
        self.network.eval()
        with ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            for part in noisy_parts(self.network):
                stack.enter_context(part.quiet())
            yield

    def _check_finite(self, loss: float, epoch: int) -> None:
        if math.isfinite(loss):
            return
        value = "NaN" if math.isnan(loss) else "infinite"
        if epoch == 0:
            raise TrainingError(
                f"the loss is {value} at epoch 0, before any step: look at weights and data."
            )
        raise TrainingError(
            f"the loss is {value} at epoch {epoch}: training diverged at learning rate "
            f"{self.plan.rate(epoch):g}; lower `learning_rate`."
        )


def _optimizer(parameters: list[nn.Parameter], plan: TrainingPlan) -> torch.optim.Optimizer:
    # With Adam an epoch of a small network takes 0.7 of the time where steps are fused.
    fused = parameters[0].device.type in ("cpu", "cuda")
    if plan.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=plan.learning_rate, fused=fused)
    return torch.optim.SGD(parameters, lr=plan.learning_rate, momentum=plan.momentum, fused=fused)


def _draw_weights(network: nn.Module, seed: int) -> None:
    """Draw all weights anew, on the CPU, so that they are the same on every device."""
    device = next(network.parameters()).device
    for name, module in network.named_modules():
        if list(module.parameters(recurse=False)) and not hasattr(module, "reset_parameters"):
            raise ValueError(
                f'`initial_weights` must be "given" for a network with a module that has no '
                f"`reset_parameters`; got {name or type(module).__name__!r}."
            )
    network.cpu()
    torch.default_generator.manual_seed(_torch_seed(seed, _WEIGHTS))
    for module in network.modules():
        reset: Callable[[], None] | None = getattr(module, "reset_parameters", None)
        if reset is not None:
            reset()
    network.to(device)


def _torch_seed(*words: int) -> int:
    # torch takes signed integers of 64 bits.
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def noisy_parts(network: nn.Module) -> list[NoisyNetwork]:
    """Return what has noise in a network: itself, or parts of it."""
    return [module for module in network.modules() if isinstance(module, NoisyNetwork)]


def _try(network: nn.Module, x: Tensor, name: str) -> Tensor:
    try:
        output: Tensor = network(x)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"`{name}` must fit the network; a row of shape {tuple(x.shape[1:])} does not: {reason}"
        ) from error
    return output


def _check_labels(labels: NDArray[Any], outputs: torch.Size, name: str) -> None:
    if len(outputs) != 2 or outputs[1] < 2:
        raise ValueError(
            "cross-entropy needs a network with one output for each of two labels or more; "
            f"a row's output has shape {tuple(outputs[1:])}."
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iub":
        raise ValueError(
            f"`{name}` must be a row of integer labels; got {labels.dtype} of shape {labels.shape}."
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= outputs[1]:
        raise ValueError(f"`{name}` must be in [0, {outputs[1] - 1}]; got {low} to {high}.")
