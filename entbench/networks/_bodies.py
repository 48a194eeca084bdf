"""What a noisy network runs: a chain of stages, or any module with hooks during a pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from entbench._validation import unknown_name

if TYPE_CHECKING:
    from torch import Tensor

    # from the number of a layer and S_l to T_l
    Tap = Callable[[int, Tensor], Tensor]

# What torch says of a wrong shape, and what it says of something else.
_OF_SHAPES = re.compile(r"shape|size|dimension|channel|expected \dD", re.IGNORECASE)
_OF_OTHERS = re.compile(r"device|dtype|scalar type|memory|CUDA", re.IGNORECASE)


class Chain(nn.ModuleList):
    """Stages one after the other, with a tap after each but the last.

    Parameters
    ----------
    stages : sequence of Module
        f_1, ..., f_L.
    names : sequence of str, optional
        What the tapped layers are called.
    """

    def __init__(self, stages: Sequence[nn.Module], names: Sequence[str] | None = None) -> None:
        stages = list(stages)
        for stage in stages:
            if not isinstance(stage, nn.Module):
                raise TypeError(f"`stages` must hold torch modules; got {type(stage).__name__}.")
        if len(stages) < 2:
            raise ValueError(
                "`stages` must hold at least 2 modules, since the last has no noise after it; "
                f"got {len(stages)}. An nn.Identity() as the last makes the output noisy."
            )
        super().__init__(stages)
        self.names = tuple(names or (f"layer {i}" for i in range(1, len(stages))))

    @property
    def core(self) -> nn.Module:
        """The module whose weights these are."""
        return self

    def run(self, x: Tensor, tap: Tap) -> Tensor:
        """Return the output, with ``tap(l, S_l)`` in the place of S_l."""
        last = len(self)
        for layer, stage in enumerate(self, 1):
            entered = x.shape
            try:
                x = stage(x)
            except (RuntimeError, ValueError) as error:
                place = f"layer {layer}" if layer < last else "the output stage"
                raise_of_shape(error, place, entered)
            if layer < last:
                x = tap(layer, x)
        return x


class Tapped(nn.Module):
    """Any module, with taps on named submodules while it runs and at no other time.

    Parameters
    ----------
    module : Module
        The module.
    names : sequence of str
        The submodules, in the order in which they run.
    """

    def __init__(self, module: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        if isinstance(names, str) or not len(names):
            raise ValueError(
                f"`layers` must be a list of at least one layer's name; got {names!r}."
            )
        known = [name for name, _ in module.named_modules(remove_duplicate=False) if name]
        for name in names:
            if name not in known:
                raise ValueError(unknown_name("layer", str(name), known))
        if len(set(names)) < len(names):
            raise ValueError(f"`layers` must name each layer once; got {list(names)}.")
        self.module = module
        self.names = tuple(names)

    @property
    def core(self) -> nn.Module:
        """The module whose weights these are."""
        return self.module

    def run(self, x: Tensor, tap: Tap) -> Tensor:
        """Return the output, with ``tap(l, S_l)`` in the place of S_l."""
        numbers = count(1)

        def hook_of(name: str) -> Callable[..., Tensor]:
            def hook(_module: nn.Module, _arguments: Any, output: Any) -> Tensor:
                self._check_turn(name, next(numbers), output)
                return tap(self.names.index(name) + 1, output)

            return hook

        hooks = [
            self.module.get_submodule(name).register_forward_hook(hook_of(name))
            for name in self.names
        ]
        try:
            output: Tensor = self.module(x)
        except RuntimeError as error:
            raise_of_shape(error, "the module", x.shape)
        finally:
            for hook in hooks:
                hook.remove()
        ran = next(numbers) - 1
        if ran < len(self.names):
            raise ValueError(f"layer {self.names[ran]!r} did not run in a pass of the module.")
        return output

    def _check_turn(self, name: str, turn: int, output: Any) -> None:
        """Raise unless it is this layer's turn, and its output a tensor."""
        if self.names.index(name) + 1 < turn:
            raise ValueError(
                f"layer {name!r} runs more than once in a pass: its outputs are not one layer."
            )
        if self.names.index(name) + 1 > turn:
            raise ValueError(
                f"`layers` must be in the order in which they run: {name!r} runs before "
                f"{self.names[turn - 1]!r}."
            )
        if not isinstance(output, torch.Tensor):
            raise TypeError(f"layer {name!r} must give a tensor; got {type(output).__name__}.")


def raise_of_shape(error: Exception, place: str, shape: Sequence[int]) -> None:
    """Raise what torch said of a wrong shape as one line; anything else as it is."""
    first = str(error).strip().partition("\n")[0]
    if _OF_OTHERS.search(first) or not _OF_SHAPES.search(first):
        raise error
    raise ValueError(f"{place} cannot take an input of shape {tuple(shape)}: {first}") from error
