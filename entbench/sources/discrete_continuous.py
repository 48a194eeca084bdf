"""Pairs of a discrete and a continuous number, and mixtures of both kinds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import digamma, gammaln

from entbench._base import Pairs, PairSource, Reference, ReferenceCheck
from entbench._validation import check_integer, check_real
from entbench.sources._panels import panel_nodes, steps

_QUANTITY = "I(X;Y)"
# panels on [0, 1] that shrink towards 0
_GRADED = np.concatenate([[0.0], 2.0 ** np.arange(-50.0, 1.0)])


@dataclass(frozen=True)
class DiscreteContinuous(PairSource):
    """A discrete and a continuous number: X uniform on {0, ..., m-1}, Y uniform on [X, X + 2].

    ``I = log m - (m - 1) log(2) / m``.

    Parameters
    ----------
    m : int, default=5
        Number of values of X.

    References
    ----------
    Gao, Kannan, Oh & Viswanath, "Estimating mutual information for discrete-continuous mixtures",
    NIPS 2017, experiment II (recalled, not checked; the closed form is derived here).
    """

    version: ClassVar[str] = "1"

    m: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "m", check_integer("m", self.m, minimum=2))

    @property
    def dims(self) -> tuple[int, int]:
        """Dimensions of X and of Y."""
        return 1, 1

    def sample(self, n: int, rng: np.random.Generator) -> Pairs:
        """Draw `n` pairs."""
        x = rng.integers(0, self.m, (n, 1)).astype(np.float64)
        return Pairs(x, x + 2.0 * rng.random((n, 1)))

    def reference(self) -> Reference:
        """Return the closed form, confirmed by h(Y) - log 2 from Y's density, step by step."""
        m = self.m
        value = math.log(m) - (m - 1) * math.log(2.0) / m
        # steps of length 1: one interval covers the first and the last, two the others
        covers = np.array([1, *[2] * (m - 1), 1]) / (2.0 * m)
        second = -float(covers @ np.log(covers)) - math.log(2.0)
        check = ReferenceCheck("h(Y) - h(Y|X) from the steps", second, abs(value - second))
        return Reference(value, 2.0**-48 * (1.0 + value), "closed form", (check,), _QUANTITY)


@dataclass(frozen=True)
class ZeroInflatedPoisson(PairSource):
    """A zero-inflated count: X exponential; Y = 0 with probability p, else Poisson with mean X.

    X has mean 1. A zero of the inflation cannot be told from one of the Poisson law, so the
    information is less than (1 - p) times that without inflation.

    Parameters
    ----------
    p : float, default=0.15
        Probability of inflation, 0 <= p < 1.

    Notes
    -----
    Given X = x, Y is 0 with probability ``p + (1-p) e^-x`` and k >= 1 with probability
    ``(1-p) e^-x x^k / k!``; without X, k has probability ``(1-p) 2^-(k+1)`` and 0 has p more.

    References
    ----------
    Gao, Kannan, Oh & Viswanath, "Estimating mutual information for discrete-continuous mixtures",
    NIPS 2017, experiment IV (recalled, not checked). Its value (1 - p) 0.3012 is that of zeros that
    can be told apart; the value here is integrated for the law as drawn.
    """

    version: ClassVar[str] = "1"

    p: float = 0.15

    def __post_init__(self) -> None:
        p = check_real("p", self.p)
        if not 0.0 <= p < 1.0:
            raise ValueError(f"`p` must be a number in [0, 1); got {self.p!r}.")
        object.__setattr__(self, "p", p)

    @property
    def dims(self) -> tuple[int, int]:
        """Dimensions of X and of Y."""
        return 1, 1

    def sample(self, n: int, rng: np.random.Generator) -> Pairs:
        """Draw `n` pairs."""
        x = rng.exponential(1.0, (n, 1))
        counts = rng.poisson(x).astype(np.float64)
        return Pairs(x, np.where(rng.random((n, 1)) < self.p, 0.0, counts))

    def reference(self) -> Reference:
        """Return H(Y) - H(Y|X): panels over x, confirmed by summing over k in closed form."""
        value, second = self._by_panels(), self._by_series()
        check = ReferenceCheck("series over k, panels for k = 0", second, abs(value - second))
        return Reference(value, 1e-11, "panels over x of H(Y) - H(Y|X=x)", (check,), _QUANTITY)

    def _by_panels(self) -> float:
        x, weights = panel_nodes(np.concatenate([_GRADED, steps(1.0, 60.0, 0.5)[1:]]))
        k = np.arange(400)[:, None]
        log_share = math.log1p(-self.p) - x + k * np.log(x) - gammaln(k + 1.0)
        share = np.exp(log_share)
        share[0] += self.p
        log_share[0] = np.log(share[0])
        total = np.exp(math.log1p(-self.p) - (k[:, 0] + 1.0) * math.log(2.0))
        total[0] += self.p
        gain = (share * (log_share - np.log(total)[:, None])).sum(axis=0)
        return float((weights * np.exp(-x)) @ gain)

    def _by_series(self) -> float:
        """Return the same with the integrals over x in closed form for k >= 1.

        ``int e^-2x x^k / k! (k log x - x - log k!) dx = 2^-(k+1) (k (psi(k+1) - log 2) - (k+1)/2 -
        log k!)``, and k has probability ``(1-p) 2^-(k+1)``. At k = 0, over ``u = e^-x``.
        """
        k = np.arange(1, 200, dtype=np.float64)
        mean_log = k * (digamma(k + 1.0) - math.log(2.0)) - 0.5 * (k + 1.0) - gammaln(k + 1.0)
        terms = 2.0 ** -(k + 1.0) * (mean_log + (k + 1.0) * math.log(2.0))
        u, weights = panel_nodes(_GRADED)
        share = self.p + (1.0 - self.p) * u
        at_zero = weights @ (share * np.log(share / (self.p + 0.5 * (1.0 - self.p))))
        return (1.0 - self.p) * float(terms.sum()) + float(at_zero)
