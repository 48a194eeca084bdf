"""The contracts that every room shares. This module imports nothing of ours."""

from __future__ import annotations

import inspect
import math
import numbers
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from sklearn.base import BaseEstimator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

_NORMAL_975 = 1.959963984540054


class EntropyEstimator(BaseEstimator, ABC):
    """Estimator of the differential entropy h(S+Z), Z ~ N(0, sigma^2 I), in nats.

    A scikit-learn estimator: hyperparameters are arguments of ``__init__`` and nothing else is,
    so ``get_params``, ``set_params`` and ``sklearn.base.clone`` work. A subclass gives `reads`,
    `version`, ``__init__`` and ``fit``; that is all.

    Attributes
    ----------
    reads : {"signal", "noisy"}
        What ``fit`` is given: samples of S (then ``__init__`` must take ``sigma``), or samples of
        the noisy T = S + Z.
    version : str
        Raised when the values change on purpose; part of the key under which results are stored.
    entropy_ : float
        Set by ``fit``: the estimate in nats. May be negative; never clipped.
    standard_error_ : float
        Set by ``fit`` where the method has one: numerical standard error of `entropy_` given the
        samples (Monte-Carlo error, say), in nats. NaN where there is none.
    n_features_in_ : int
        Set by ``fit``: the dimension of the samples.
    diagnostics_ : dict
        Set by ``fit`` where there is something to tell: plain numbers and strings by name.
    """

    reads: ClassVar[Literal["signal", "noisy"]]
    version: ClassVar[str]

    entropy_: float
    standard_error_: float = math.nan
    n_features_in_: int
    diagnostics_: dict[str, Any]

    @abstractmethod
    def fit(self, X: ArrayLike, y: None = None) -> Self:
        """Estimate the entropy from samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, dim)
            Samples of S where `reads` is "signal", of T = S + Z where it is "noisy".
        y : None
            Ignored; here because scikit-learn's pipelines pass it.

        Returns
        -------
        self
        """

    def check_parameters(self) -> None:
        """Raise ValueError or TypeError where a hyperparameter is out of its range.

        The runner calls it before a run starts, so that a wrong parameter is one line at once and
        not a table of failed cells. Built-in estimators call it in ``fit`` too.
        """


@dataclass(frozen=True)
class EntropyResult:
    """One estimate of a differential entropy.

    Attributes
    ----------
    value : float
        The estimate in nats.
    standard_error : float
        Numerical standard error of `value` given the samples, in nats; NaN if the method has none.
        It does not contain the scatter from one sample to the next.
    confidence_interval : tuple of float
        ``value -+ 1.96 standard_error``: 95 % for the numerical error alone; NaN if there is none.
    n, d : int
        Number and dimension of the samples.
    diagnostics : dict
        What the estimator has to say about its run.
    estimator : str
        The estimator's name.
    """

    value: float
    standard_error: float
    confidence_interval: tuple[float, float]
    n: int
    d: int
    diagnostics: dict[str, Any] = field(default_factory=dict)
    estimator: str = ""

    @classmethod
    def of(cls, fitted: EntropyEstimator, n: int, d: int, name: str = "") -> EntropyResult:
        """Read the result off an estimator that was fitted to `n` samples in dimension `d`.

        Raises
        ------
        ValueError
            If ``fit`` left no finite `entropy_`, or a `standard_error_` that is none.
        """
        value: Any = getattr(fitted, "entropy_", None)
        error: Any = getattr(fitted, "standard_error_", math.nan)
        if not _is_real(value) or not math.isfinite(value):
            raise ValueError(
                f"`fit` must set `entropy_` to a finite number of nats; got {value!r}."
            )
        if not _is_real(error) or error < 0.0 or math.isinf(error):
            raise ValueError(
                f"`fit` must set `standard_error_` to a number >= 0 or NaN; got {error!r}."
            )
        value, error = float(value), float(error)
        half_width = _NORMAL_975 * error
        return cls(
            value=value,
            standard_error=error,
            confidence_interval=(value - half_width, value + half_width),
            n=n,
            d=d,
            diagnostics=dict(getattr(fitted, "diagnostics_", {})),
            estimator=name or type(fitted).__name__,
        )


@dataclass(frozen=True)
class ReferenceCheck:
    """A second, independent evaluation of a reference: its method, value and distance (nats)."""

    method: str
    value: float
    difference: float


@dataclass(frozen=True)
class Reference:
    """A true differential entropy h(S+Z) in nats, with a bound on its error.

    Attributes
    ----------
    value : float
        h(S+Z) in nats.
    error : float
        Bound on |value - h(S+Z)| in nats.
    method : str
        How it was computed.
    checks : tuple of ReferenceCheck
        Independent evaluations beside it.
    """

    value: float
    error: float
    method: str
    checks: tuple[ReferenceCheck, ...] = ()


@dataclass(frozen=True)
class SourceFacts:
    """What is known of a source's law, for the bounds; None where it is not known.

    Attributes
    ----------
    dim : int
        Dimension of S.
    sigma : float
        Standard deviation of the noise.
    in_unit_cube : bool
        Whether S lies in [-1, 1]^dim with probability one.
    subgaussian_constant : float or None
        K with E exp(a.(S - ES)) <= exp(K^2 |a|^2 / 2) for every a.
    mutual_information : float or None
        I(S; S+Z) in nats.
    chi_square_information : float or None
        I_chi2(S; S+Z), the chi-square divergence of the joint law from the product of marginals.
    """

    dim: int
    sigma: float
    in_unit_cube: bool = False
    subgaussian_constant: float | None = None
    mutual_information: float | None = None
    chi_square_information: float | None = None


class Source(ABC):
    """A law of S with noise level sigma, whose h(S+Z) is known.

    A subclass takes its parameters, ``sigma`` among them, as arguments of ``__init__`` and keeps
    each under its own name (a frozen dataclass does just that), checked and converted.

    Attributes
    ----------
    version : str
        Raised when samples or reference change on purpose; part of the key of stored results.
    sigma : float
        Standard deviation of the Gaussian noise Z.
    """

    version: ClassVar[str]
    sigma: float

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimension of S."""

    @abstractmethod
    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` independent samples of S, shape (n, dim)."""

    @abstractmethod
    def reference(self) -> Reference:
        """Return h(S+Z) in nats, with a bound on its error."""

    def facts(self) -> SourceFacts:
        """Return what the bounds may use; by default nothing but dimension and noise."""
        return SourceFacts(self.dim, self.sigma)

    def get_params(self) -> dict[str, Any]:
        """Return the parameters, as checked and converted, by name."""
        return {name: getattr(self, name) for name in parameters_of(type(self))}


def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """Return the parameters that `cls` takes, by name, in order."""
    return dict(inspect.signature(cls).parameters)


def _is_real(value: Any) -> bool:
    """Tell whether `value` is one real number; NumPy's scalars and 0-d arrays are."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
