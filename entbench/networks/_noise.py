"""Noise between the layers of a network, used as ``torch.nn.Dropout`` is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from entbench._validation import check_not_negative, check_real

if TYPE_CHECKING:
    from torch import Tensor


class GaussianNoise(nn.Module):
    """Add independent N(0, sigma^2) noise to every entry, in train and in eval mode alike.

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise; 0 makes it an identity.

    Attributes
    ----------
    on : bool
        Whether noise is added.
    generator : torch.Generator or None
        Where it is drawn from, on the input's device; None for torch's global generator.
    """

    generator: torch.Generator | None

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = check_not_negative("sigma", sigma)
        self.on = True
        self.generator = None

    @property
    def active(self) -> bool:
        """Whether the output differs from the input."""
        return self.on and self.sigma > 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Return x + Z with fresh Z, or `x` itself where there is no noise."""
        if not self.active:
            return x
        noise = torch.randn(x.shape, generator=self.generator, dtype=x.dtype, device=x.device)
        return torch.add(x, noise, alpha=self.sigma)

    def extra_repr(self) -> str:
        """Say the parameter in the module's repr."""
        return f"sigma={self.sigma}"


class Dropout(nn.Module):
    """Dropout whose mask is drawn from a generator of its own; in train mode only.

    Parameters
    ----------
    p : float
        Probability with which an entry is set to 0; the others are divided by ``1 - p``.

    Attributes
    ----------
    on, generator
        As in `GaussianNoise`.
    """

    sigma = 0.0
    generator: torch.Generator | None

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = _check_dropout(p)
        self.on = True
        self.generator = None

    @property
    def active(self) -> bool:
        """Whether the output differs from the input."""
        return self.on and self.training and self.p > 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with entries dropped, or `x` itself in eval mode."""
        if not self.active:
            return x
        kept = 1.0 - self.p
        mask = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        return x * mask.bernoulli_(kept, generator=self.generator).div_(kept)

    def extra_repr(self) -> str:
        """Say the parameter in the module's repr."""
        return f"p={self.p}"


def _check_dropout(p: float) -> float:
    """Return a probability of dropout as a float in [0, 1)."""
    level = check_real("dropout", p)
    if not 0.0 <= level < 1.0:
        raise ValueError(f"`dropout` must be a finite number in [0, 1); got {p!r}.")
    return level
