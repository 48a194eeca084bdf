"""The rates that theory promises for an estimator's error, to stand beside the fitted slope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from entbench._theorem import EstimatorFacts

# of the densities: S+Z is smoother, but positive kernels and nearest neighbours gain no more
_SMOOTHNESS = 2.0
_PARAMETRIC = -0.5

RECALLED = "*"  # stands after a rate whose source was not at hand


@dataclass(frozen=True)
class Rate:
    """Exponents of n between which theory puts the error of an estimator.

    Never a check: a rate holds as n grows, for a class of densities and without its constant, and
    the n of a run need not be where it shows.

    Attributes
    ----------
    steepest, flattest : float
        Slopes of log error over log n; equal where theory gives one.
    certainty : {"proved", "recalled"}
        "recalled" where the cited work was not at hand.
    source : str
        Where it stands.
    """

    steepest: float
    flattest: float
    certainty: Literal["proved", "recalled"]
    source: str

    def __str__(self) -> str:
        """Return the slopes to two digits, with a star where they are but recalled."""
        text = " to ".join(dict.fromkeys((f"{self.flattest:.2g}", f"{self.steepest:.2g}")))
        return text if self.certainty == "proved" else f"{text}{RECALLED}"


def _plug_in(dim: int) -> Rate:
    return Rate(
        -1.0,
        _PARAMETRIC,
        "proved",
        "fluctuation n^-1/2 and bias I_chi2/(2n), for n well above I_chi2 (own proof; the n^-1/2 "
        "of Goldfeld et al. 2019)",
    )


def _nearest_neighbours(dim: int) -> Rate:
    slope = max(_PARAMETRIC, -_SMOOTHNESS / (_SMOOTHNESS + dim))
    source = "n^(-s/(s+d)) + n^-1/2 with s = 2, on the torus (Jiao, Gao and Han 2018)"
    return Rate(slope, slope, "recalled", source)


def _kernels(dim: int) -> Rate:
    slope = max(_PARAMETRIC, -2.0 * _SMOOTHNESS / (2.0 * _SMOOTHNESS + dim))
    source = (
        "n^(-2s/(2s+d)) + n^-1/2 with s = 2, for densities bounded below (Kandasamy et al. 2015)"
    )
    return Rate(slope, slope, "recalled", source)


_RATES: dict[str, Callable[[int], Rate]] = {
    "nearest neighbours": _nearest_neighbours,
    "kernels": _kernels,
}


def rate_of(estimator: EstimatorFacts, dim: int) -> Rate | None:
    """Return the rate of an estimator's error in dimension `dim`; None where none is known here.

    Parameters
    ----------
    estimator : EstimatorFacts
        What the estimator says of itself.
    dim : int
        Dimension of S.

    Notes
    -----
    ``sp``: between n^-1/2 and n^-1, whatever the dimension: the bias is E D(qhat || q), between
    ``max(0, I - log n)`` and ``log(1 + I_chi2/n)``, and the fluctuation at most sqrt(V/n). Proved
    for S in a cube, but with n above exp(I): below, the error is about ``I - log n``, flatter than
    any power.

    ``kl``: n^(-s/(s+d)) or n^-1/2, whichever is slower, up to logarithms; recalled, not checked.
    ``kde``: n^(-2s/(2s+d)) or n^-1/2; recalled, not checked. These are the rates, exponents of
    order 1/d, that the paper contrasts with the n^-1/2 of the plug-in. That of ``kl`` holds for
    densities on the torus, that of ``kde`` for densities bounded below: S+Z is neither.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, Theorem 1.
    Jiao, Gao and Han, "The nearest neighbor information estimator is adaptively near minimax
    rate-optimal", NeurIPS 2018 (recalled, not checked). Kandasamy et al., "Nonparametric von Mises
    estimators for entropies, divergences and mutual informations", NeurIPS 2015 (recalled, not
    checked).
    """
    known = _plug_in if estimator.plug_in else _RATES.get(estimator.rate)
    return None if known is None else known(dim)
