"""The contracts that every room shares. This module imports nothing of ours."""

from __future__ import annotations

import inspect
import math
import numbers
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self, get_args

from sklearn.base import BaseEstimator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

Kind = Literal["asymptotic", "measured", "stated"]


@dataclass(frozen=True)
class Interval:
    """An interval for the truth, in nats.

    Attributes
    ----------
    low, high : float or None
        Its ends; None where there is no end on that side.
    confidence : float
        How often it is meant to hold the truth, in (0, 1).
    kind : {"asymptotic", "measured", "stated"}
        Whether that is proved as the number of samples grows, bias included; was measured, and is
        not proved; or is stated by the estimator and nothing else is known.
    note : str
        What it assumes, or why it lacks an end.

    Raises
    ------
    ValueError, TypeError
        If an end is no finite number, the ends are in the wrong order or both missing, or
        `confidence` is out of range.
    """

    low: float | None
    high: float | None
    confidence: float = 0.95
    kind: Kind = "stated"
    note: str = ""

    def __post_init__(self) -> None:
        for end in (self.low, self.high):
            if end is not None and not (_is_real(end) and math.isfinite(end)):
                raise ValueError(
                    f"an interval's ends must be finite numbers or None; got {self._ends}."
                )
        if self.low is None and self.high is None:
            raise ValueError("an interval must have an end; got None for both.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"an interval's ends must be in ascending order; got {self._ends}.")
        if not _is_real(self.confidence) or not 0.0 < self.confidence < 1.0:
            raise ValueError(f"`confidence` must lie in (0, 1); got {self.confidence!r}.")
        if self.kind not in get_args(Kind):
            raise ValueError(f"`kind` must be one of {get_args(Kind)}; got {self.kind!r}.")
        for name in ("low", "high", "confidence"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else float(value))

    @classmethod
    def of(cls, value: Any) -> Interval | None:
        """Return what an estimator sets as ``interval_``: an interval, its two ends, or None."""
        if value is None or isinstance(value, Interval):
            return value
        try:
            low, high = value
        except (TypeError, ValueError):
            raise ValueError(
                f"`interval_` must be an Interval, a pair (low, high) or None; got {value!r}."
            ) from None
        return cls(low, high)

    @property
    def width(self) -> float:
        """``high - low``; infinite without an end."""
        if self.low is None or self.high is None:
            return math.inf
        return self.high - self.low

    def holds(self, truth: float, error: float = 0.0) -> bool:
        """Tell whether the interval, widened by `error`, has the truth in it."""
        above = self.low is None or self.low - error <= truth
        return above and (self.high is None or truth <= self.high + error)

    @property
    def _ends(self) -> str:
        return f"({self.low!r}, {self.high!r})"


class Influences(NamedTuple):
    """What single samples add to n times an estimate, up to a constant: for errors in common.

    Attributes
    ----------
    rows : ndarray of shape (m,)
        Which samples.
    values : ndarray of shape (m,)
        What each adds, in nats.
    noise : float
        Variance that drawing adds to the values.
    """

    rows: NDArray[np.intp]
    values: NDArray[np.float64]
    noise: float = 0.0


class Estimator(BaseEstimator, ABC):
    """What all estimators have in common; see `EntropyEstimator`, `MutualInformationEstimator`.

    Attributes
    ----------
    reads : {"signal", "noisy"}
        Whether ``fit`` is given samples of the signal S (then ``__init__`` must take ``sigma``),
        or of the noisy T = S + Z.
    version : str
        Raised when the values change on purpose; part of the key under which results are stored.
    role : {"estimate", "upper bound", "lower bound"}
        What the value is meant to be. Bounds need not come nearer to the truth as n grows.
    bias_direction : {"low", "high", "either"}
        Which side of the truth the value is on, on average over samples.
    plug_in : bool
        Whether the value is the plug-in's, the entropy of the mixture on the samples of S, or the
        information made of it: its theorems then stand beside the data, and are checked. Subclasses
        inherit it; one whose values are others sets it to False.
    beside_plug_in : {"", "below", "above"}
        On which side of the plug-in of the same samples every value is; "" where neither is proved.
    rate : {"", "nearest neighbours", "kernels"}
        Whose rate of convergence the report prints beside the fitted slope; that of the plug-in
        where `plug_in` is true.
    most_columns : int or None
        The most columns of the samples, for pairs on each side; None for any number. With a source
        of more columns it is left out, which is no failure.
    quantity : {"h(S+Z)", "I(X;Y)"}
        What is estimated; given by the two kinds.
    no_interval : str
        Why ``fit`` gives no interval, where it gives none.
    known_failures : dict
        Checks of ``entbench check`` that the method itself, rightly written, does not pass, each
        with the reason.
    value_name : str
        The attribute that ``fit`` sets to the value; given by the two kinds.
    numerical_error_ : float or None
        Set by ``fit`` where the method integrates or draws: e in nats such that for these very
        samples the value is off by more than 1.96 e in at most 5 % of cases, and by more than 4.5 e
        in at most 7e-6. None where it is not stated.
    standard_error_ : float or None
        Set by ``fit`` where it can: standard deviation of the value from one sample to the next, in
        nats, numerical error included and bias not. None where it is not stated.
    interval_ : Interval, (low, high) or None
        Set by ``fit`` where it can: an interval for the truth, bias included. Two plain ends are
        taken for an interval at 95 %.
    n_features_in_ : int
        Set by ``fit``: the columns of ``X``.
    diagnostics_ : dict
        Set by ``fit`` where there is something to tell: plain numbers and strings by name.
    """

    reads: ClassVar[Literal["signal", "noisy"]]
    version: ClassVar[str]
    role: ClassVar[Literal["estimate", "upper bound", "lower bound"]] = "estimate"
    bias_direction: ClassVar[Literal["low", "high", "either"]] = "either"
    plug_in: ClassVar[bool] = False
    beside_plug_in: ClassVar[Literal["", "below", "above"]] = ""
    rate: ClassVar[Literal["", "nearest neighbours", "kernels"]] = ""
    most_columns: ClassVar[int | None] = None
    no_interval: ClassVar[str] = "bias unknown"
    known_failures: ClassVar[Mapping[str, str]] = {}
    quantity: ClassVar[str]
    value_name: ClassVar[str]

    numerical_error_: float | None = None
    standard_error_: float | None = None
    interval_: Interval | tuple[float, float] | None = None
    # of built-in estimators that have them at hand, or draw them where they are wanted
    _influences: Influences | None = None
    _wants_influences: bool = False
    n_features_in_: int
    diagnostics_: dict[str, Any]

    @property
    def draws_per_component(self) -> int | None:
        """Points from each component where the plug-in is integrated by plain Monte Carlo."""
        return None

    def check_parameters(self) -> None:
        """Raise ValueError or TypeError where a hyperparameter is out of its range.

        The runner calls it before a run starts, so that a wrong parameter is one line at once and
        not a table of failed cells. Built-in estimators call it in ``fit`` too.
        """


class EntropyEstimator(Estimator):
    """Estimator of the differential entropy h(S+Z), Z ~ N(0, sigma^2 I), in nats.

    A scikit-learn estimator: hyperparameters are arguments of ``__init__`` and nothing else is,
    so ``get_params``, ``set_params`` and ``sklearn.base.clone`` work. A subclass gives `reads`,
    `version`, ``__init__`` and ``fit``; that is all.

    Attributes
    ----------
    entropy_ : float
        Set by ``fit``: the estimate in nats. May be negative; never clipped.
    reads, version, role, numerical_error_, standard_error_, interval_, diagnostics_
        And others: see `Estimator`.
    """

    quantity: ClassVar[str] = "h(S+Z)"
    value_name: ClassVar[str] = "entropy_"

    entropy_: float

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


class MutualInformationEstimator(Estimator):
    """Estimator of the mutual information I(X;Y), in nats.

    A scikit-learn estimator, as `EntropyEstimator` is. One with ``reads = "noisy"`` takes pairs of
    any law. One with ``reads = "signal"`` is for Y = S + Z, Z ~ N(0, sigma^2 I) independent of X
    and S: it takes ``sigma``, and is given S in place of Y.

    Attributes
    ----------
    mutual_information_ : float
        Set by ``fit``: the estimate in nats. May come out negative; never clipped.
    reads, version, role, numerical_error_, standard_error_, interval_, diagnostics_
        And others: see `Estimator`.
    """

    quantity: ClassVar[str] = "I(X;Y)"
    value_name: ClassVar[str] = "mutual_information_"

    mutual_information_: float

    @abstractmethod
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Estimate the mutual information from pairs.

        Parameters
        ----------
        X : array-like of shape (n_samples, dim_x)
            Samples of X.
        y : array-like of shape (n_samples, dim_y)
            Row by row with `X`: samples of Y where `reads` is "noisy", of S where it is "signal".

        Returns
        -------
        self
        """


@dataclass(frozen=True, kw_only=True)
class Result:
    """One estimate; see `EntropyResult` and `MutualInformationResult`.

    Attributes
    ----------
    value : float
        The estimate in nats.
    numerical_error : float or None
        e such that the value for these very samples is off by more than 1.96 e in at most 5 % of
        cases; None where the method states none.
    standard_error : float or None
        Standard deviation from one sample to the next, numerical error included, bias not; None
        where the method states none.
    interval : Interval or None
        An interval for the truth, bias included; None where the method has none.
    no_interval : str
        Why there is none; "" where there is one.
    n : int
        Number of samples.
    diagnostics : dict
        What the estimator has to say about its run.
    estimator : str
        The estimator's name.
    """

    value: float
    numerical_error: float | None = None
    standard_error: float | None = None
    interval: Interval | None = None
    no_interval: str = ""
    n: int
    diagnostics: dict[str, Any] = field(default_factory=dict)
    estimator: str = ""

    @classmethod
    def of(cls, fitted: Estimator, n: int, name: str = "", **shape: int) -> Self:
        """Read the result off an estimator that was fitted to `n` samples.

        Raises
        ------
        ValueError
            If ``fit`` left no finite value, or an error or interval that is none.
        """
        value: Any = getattr(fitted, fitted.value_name, None)
        if not _is_real(value) or not math.isfinite(value):
            raise ValueError(
                f"`fit` must set `{fitted.value_name}` to a finite number of nats; got {value!r}."
            )
        interval = Interval.of(getattr(fitted, "interval_", None))
        return cls(
            value=float(value),
            numerical_error=_error_set(fitted, "numerical_error_"),
            standard_error=_error_set(fitted, "standard_error_"),
            interval=interval,
            no_interval="" if interval else fitted.no_interval,
            n=n,
            diagnostics=dict(getattr(fitted, "diagnostics_", {})),
            estimator=name or type(fitted).__name__,
            **shape,
        )


@dataclass(frozen=True, kw_only=True)
class EntropyResult(Result):
    """One estimate of a differential entropy.

    Attributes
    ----------
    value, numerical_error, standard_error, interval, no_interval, n, diagnostics, estimator
        See `Result`.
    d : int
        Dimension of the samples.
    """

    d: int


@dataclass(frozen=True, kw_only=True)
class MutualInformationResult(Result):
    """One estimate of a mutual information.

    Attributes
    ----------
    value, numerical_error, standard_error, interval, no_interval, n, diagnostics, estimator
        See `Result`.
    d_x, d_y : int
        Dimensions of the samples of X and of Y.
    """

    d_x: int
    d_y: int


@dataclass(frozen=True)
class ReferenceCheck:
    """A second, independent evaluation of a reference.

    Attributes
    ----------
    method : str
        How it was computed.
    value : float
        In nats.
    difference : float
        Distance from the reference's value, in nats.
    error : float or None
        Bound on the check's own error, in nats; None where it states none.
    """

    method: str
    value: float
    difference: float
    error: float | None = None


@dataclass(frozen=True)
class Reference:
    """A true value in nats, with a bound on its error.

    Attributes
    ----------
    value : float
        The differential entropy or mutual information in nats.
    error : float
        Bound on the value's error in nats.
    method : str
        How it was computed.
    confidence : float
        With what probability the bound holds: 1 for what is exact but for rounding, or has a bound
        with proof; the level of the interval ``value -+ error`` where sampling went into it.
    checks : tuple of ReferenceCheck
        Independent evaluations beside it. Tables mark a truth without any; see `note`.
    quantity : str
        What the value is of, as tables print it; a run takes it from the source's kind.
    """

    value: float
    error: float
    method: str
    checks: tuple[ReferenceCheck, ...] = ()
    quantity: str = "h(S+Z)"
    confidence: float = 1.0

    @property
    def note(self) -> str:
        """Mark of a truth without `checks`, "no second evaluation"; "" for any other."""
        return "" if self.checks else "no second evaluation"


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
        K with ``E exp(a.(S - ES)) <= exp(K^2 |a|^2 / 2)`` for every a.
    mutual_information : float or None
        I(S; S+Z) in nats.
    chi_square_information : float or None
        I_chi2(S; S+Z), the chi-square divergence of the joint law from the product of marginals.
    log_values : float or None
        Log of how many values S has, where all are equally likely.
    decoding_error : float or None
        Where S has such values: a bound on the probability that the value nearest to S+Z is not S.
    second_moment : float or None
        ``E |S|^2``, not centred.
    """

    dim: int
    sigma: float
    in_unit_cube: bool = False
    subgaussian_constant: float | None = None
    mutual_information: float | None = None
    chi_square_information: float | None = None
    log_values: float | None = None
    decoding_error: float | None = None
    second_moment: float | None = None


class Law(ABC):
    """A law with a known truth; see `Source` and `PairSource`.

    A subclass takes its parameters as arguments of ``__init__`` and keeps each under its own name
    (a frozen dataclass does just that), checked and converted.

    Attributes
    ----------
    version : str
        Raised when samples or reference change on purpose; part of the key of stored results.
    quantity : {"h(S+Z)", "I(X;Y)"}
        What the truth is of; given by the two kinds.
    """

    version: ClassVar[str]
    quantity: ClassVar[str]

    @abstractmethod
    def reference(self) -> Reference:
        """Return the truth in nats, with a bound on its error."""

    def get_params(self) -> dict[str, Any]:
        """Return the parameters, as checked and converted, by name."""
        return {name: getattr(self, name) for name in parameters_of(type(self))}


class Source(Law):
    """A law of S with noise level sigma, whose h(S+Z) is known.

    Attributes
    ----------
    version : str
        See `Law`.
    sigma : float
        Standard deviation of the Gaussian noise Z; a parameter of ``__init__``.
    """

    quantity: ClassVar[str] = "h(S+Z)"
    sigma: float

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimension of S."""

    @abstractmethod
    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` independent samples of S, shape (n, dim)."""

    def facts(self) -> SourceFacts:
        """Return what the bounds may use; by default nothing but dimension and noise."""
        return SourceFacts(self.dim, self.sigma)

    def certify(self, error: float, confidence: float = 0.95, seed: int = 0) -> Reference:
        """Return the truth to within `error` nats, at that confidence at least.

        A source whose `reference` is exact returns that. One whose truth comes from sampling
        spends what it takes, and raises ValueError where its budget will not do.
        """
        return self.reference()


class Pairs(NamedTuple):
    """Samples of pairs, row by row.

    Attributes
    ----------
    x : ndarray of shape (n, d_x)
        Samples of X.
    y : ndarray of shape (n, d_y)
        Samples of Y.
    signal : ndarray of shape (n, d_y) or None
        Samples of S where Y = S + Z with Z ~ N(0, sigma^2 I) independent of X and S.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    signal: NDArray[np.float64] | None = None


class PairSource(Law):
    """A joint law of X and Y, whose I(X;Y) is known.

    Attributes
    ----------
    version : str
        See `Law`.
    sigma : float or None
        Where Y = S + Z with Gaussian noise: the standard deviation of Z, and ``sample`` must give
        S too. None for any other law.
    """

    quantity: ClassVar[str] = "I(X;Y)"
    sigma: float | None = None

    @property
    @abstractmethod
    def dims(self) -> tuple[int, int]:
        """Dimensions of X and of Y."""

    @abstractmethod
    def sample(self, n: int, rng: np.random.Generator) -> Pairs:
        """Draw `n` independent pairs."""

    def facts(self) -> SourceFacts | None:
        """Return what the bounds may use of S, where X = S and Y = S + Z; by default nothing."""
        return None


class Claim(NamedTuple):
    """What a paper says, beside what was measured.

    Attributes
    ----------
    claim : str
        In the paper's sense.
    where : str
        Its figure, table or section.
    measured : str
        The numbers here.
    holds : bool or None
        Whether they agree; None where they do not tell.
    """

    claim: str
    where: str
    measured: str
    holds: bool | None


class ResultTable(NamedTuple):
    """A table that a paper prints, as it came out here.

    Attributes
    ----------
    title : str
        With the paper's number of it.
    headers : tuple of str
        One a column; the first is of text, the others of numbers.
    rows : list of tuple of str
        As they are to be read.
    """

    title: str
    headers: tuple[str, ...]
    rows: list[tuple[str, ...]]


class Experiment(ABC):
    """Questions to networks in training, asked step by step.

    A subclass takes its parameters as arguments of ``__init__``, plain numbers, texts or truth
    values, and keeps each under its own name, checked and converted: a frozen dataclass does that.

    Attributes
    ----------
    version : str
        Raised when a step's result changes on purpose; part of the key of stored results.
    figures : tuple of callable or str
        What the report draws: functions from the results of a run to a matplotlib figure, called by
        their names; or names of figures that entbench has.
    """

    version: ClassVar[str]
    figures: ClassVar[tuple[str | Callable[[Sequence[ExperimentResult]], Any], ...]] = ()

    def resolved(self) -> Experiment:
        """Return the experiment with what it finds outside, as data, named by its parameters.

        Asked once before a run, so that kept results say what they are of. By default itself.
        """
        return self

    @abstractmethod
    def steps(self) -> list[dict[str, Any]]:
        """Return what there is to measure, in the order in which it comes about."""

    @abstractmethod
    def measure(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of a step: numbers, texts and lists of them, by name.

        Depends on the parameters and the step alone, so that it can be kept and used again.
        """

    @classmethod
    def claims(cls, results: Sequence[ExperimentResult]) -> list[Claim]:
        """Hold what the paper says against the results of a run; by default nothing."""
        return []

    @classmethod
    def remark(cls, results: Sequence[ExperimentResult]) -> str:
        """Return how far a run went, which may be less far than the paper's.

        By default up to which epoch, where steps have one.
        """
        epochs = [each.step["epoch"] for each in results if "epoch" in each.step]
        return f"up to epoch {max(epochs)}" if epochs else ""

    @classmethod
    def tables(cls, results: Sequence[ExperimentResult]) -> list[ResultTable]:
        """Return the paper's tables as they came out in a run; by default none."""
        return []

    def get_params(self) -> dict[str, Any]:
        """Return the parameters, as checked and converted, by name."""
        return {name: getattr(self, name) for name in parameters_of(type(self))}


class ExperimentResult(NamedTuple):
    """A step of an experiment and its result.

    Attributes
    ----------
    params : mapping
        The experiment's parameters.
    step : mapping
        As `Experiment.steps` gives it.
    result : mapping
        As `Experiment.measure` gives it.
    """

    params: Mapping[str, Any]
    step: Mapping[str, Any]
    result: Mapping[str, Any]


def mismatch(estimator: Estimator | type[Estimator], source: Law) -> str:
    """Return why an estimator cannot be run against a source; "" if it can."""
    if estimator.quantity != source.quantity:
        if estimator.quantity == MutualInformationEstimator.quantity:
            return "it estimates a mutual information, and the source draws no pairs"
        return "it estimates a differential entropy, and the source draws pairs"
    if estimator.reads == "signal" and getattr(source, "sigma", None) is None:
        return "it needs Gaussian noise, and the source has none"
    most = estimator.most_columns
    columns = max(source.dims) if isinstance(source, PairSource) else getattr(source, "dim", 1)
    if most is not None and columns > most:
        side = " a side" if isinstance(source, PairSource) else ""
        return f"it takes at most {most} column{'s' if most > 1 else ''}{side}"
    return ""


def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """Return the parameters that `cls` takes, by name, in order."""
    return dict(inspect.signature(cls).parameters)


def _error_set(fitted: Estimator, name: str) -> float | None:
    """Return an error that ``fit`` set; None where it set none, or NaN."""
    error: Any = getattr(fitted, name, None)
    if error is None or (_is_real(error) and math.isnan(error)):
        return None
    if not _is_real(error) or error < 0.0 or math.isinf(error):
        raise ValueError(f"`fit` must set `{name}` to a number >= 0 or None; got {error!r}.")
    return float(error)


def _is_real(value: Any) -> bool:
    """Tell whether `value` is one real number; NumPy's scalars and 0-d arrays are."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
