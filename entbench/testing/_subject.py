"""The estimator under test: made, fitted and asked in one place."""

from __future__ import annotations

import inspect
import math
import re
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from entbench._base import Estimator, MutualInformationEstimator, Result, parameters_of
from entbench.testing._laws import Sample, gaussian
from entbench.testing._results import CheckFailedError, LawResult, NotApplicableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from entbench.testing._laws import Law

    Array = NDArray[np.float64]

# two-sided, of one comparison with its allowance used up; a check makes at most a dozen
FALSE_ALARM = 1e-5
REPEATS = 20
N = 400
MANY = 1600
LARGE = 5000
SIGMA = 0.5
# for estimators that integrate until a tolerance is met: the checks need no more
INTEGRATION = {"tolerance": 0.02, "max_draws": 100_000}
_SEEDS = 12
# repeats after which a mean is looked at, and how sure one must be to stop early at a small one
LOOKS = (4, 8, REPEATS)
_SURE = 0.01
_DIMENSION = re.compile(r"\bdim|column|\b\d-?d\b|dimension|variate", re.IGNORECASE)
_ROWS = re.compile(r"\brows?\b|\bsamples?\b|n_samples|\bpairs\b", re.IGNORECASE)
_DIMS = (1, 2, 3)
_FEWEST = (60, 120, 240, N)


@dataclass(frozen=True)
class Mean:
    """A mean over repeats, with the half-width that chance exceeds with `FALSE_ALARM`."""

    value: float
    half_width: float

    @classmethod
    def of(cls, values: Array) -> Mean:
        """Return the mean of independent values, by Student's t."""
        count = len(values)
        quantile = -float(stdtrit(count - 1, FALSE_ALARM / 2))
        spread = float(values.std(ddof=1)) / math.sqrt(count)
        return cls(float(values.mean()), quantile * spread)

    def sure(self, count: int) -> float:
        """Return the half-width for a probability of 1 % in place of `FALSE_ALARM`."""
        return self.half_width * float(
            stdtrit(count - 1, _SURE / 2) / stdtrit(count - 1, FALSE_ALARM / 2)
        )


class Subject:
    """An estimator class with parameters.

    Parameters
    ----------
    estimator : Estimator or subclass of it
        Class or instance. The kit sets `sigma` and `random_state` itself.
    params : mapping
        Hyperparameters; where an instance is given, in place of its own.

    Raises
    ------
    TypeError
        If it is neither an estimator nor a class of them.
    """

    def __init__(self, estimator: Any, params: Mapping[str, Any] | None = None) -> None:
        cls = estimator if inspect.isclass(estimator) else type(estimator)
        if not issubclass(cls, Estimator):
            raise TypeError(
                "`estimator` must be an EntropyEstimator or a MutualInformationEstimator, or a "
                f"class of them; got {estimator!r}."
            )
        self.cls: Any = cls
        self.params = {} if inspect.isclass(estimator) else _own_parameters(estimator)
        self.params |= params or {}
        for name in ("sigma", "random_state"):
            self.params.pop(name, None)
        self.pairs = issubclass(cls, MutualInformationEstimator)
        self._errors: dict[Any, list[float]] = {}
        self.tried: list[LawResult] = []
        self.shared: dict[Any, Any] = {}
        self._slack: dict[int, tuple[Sample, float]] = {}

    @property
    def name(self) -> str:
        """The class's name, with the parameters that were given."""
        given = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"{self.cls.__name__}({given})"

    @property
    def reads_signal(self) -> bool:
        """Whether ``fit`` is given S."""
        return bool(self.cls.reads == "signal")

    @property
    def is_bound(self) -> bool:
        """Whether the value is a bound and need not be near the truth."""
        return bool(self.cls.role != "estimate")

    @cached_property
    def known(self) -> dict[str, inspect.Parameter]:
        """The parameters of ``__init__`` by name."""
        return parameters_of(self.cls)

    @property
    def is_random(self) -> bool:
        """Whether it takes a `random_state`."""
        return "random_state" in self.known

    @property
    def loosened(self) -> dict[str, Any]:
        """What the kit sets for speed: `INTEGRATION`, where the class has both parameters."""
        if not set(INTEGRATION) <= set(self.known):
            return {}
        return {name: value for name, value in INTEGRATION.items() if name not in self.params}

    @cached_property
    def dims(self) -> tuple[int, ...]:
        """The dimensions among 1, 2 and 3 that the estimator does not refuse."""
        refused = [self.refusal(gaussian(SIGMA).sample(0, N, dim), _DIMENSION) for dim in _DIMS]
        return tuple(d for d, said in zip(_DIMS, refused, strict=True) if not said) or (1,)

    @property
    def least_dim(self) -> int:
        """The least of `dims`."""
        return self.dims[0]

    @property
    def largest_dim(self) -> int:
        """The largest of `dims`."""
        return self.dims[-1]

    @cached_property
    def small(self) -> int:
        """A small number of rows that the estimator does not refuse, 60 where it takes them."""
        for n in _FEWEST[:-1]:
            if not self.refusal(gaussian(SIGMA).sample(0, n, self.least_dim), _ROWS):
                return n
        return _FEWEST[-1]

    def refusal(self, sample: Sample, of: re.Pattern[str]) -> str:
        """Return the words with which ``fit`` refuses a sample for this reason; "" if it does not.

        What else goes wrong is for the checks to say.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.make(sample.sigma).fit(*self.arrays(sample))
        except ValueError as error:
            message = one_line(error)
            return message if is_one_line(error) and of.search(message) else ""
        except Exception:
            return ""
        return ""

    def make(self, sigma: float = SIGMA, random_state: int = 0, **params: Any) -> Any:
        """Return an unfitted instance."""
        given = {**self.loosened, **self.params, **params}
        if "sigma" in self.known:
            given["sigma"] = sigma
        if self.is_random:
            given["random_state"] = random_state
        return self.cls(**given)

    def arrays(self, sample: Sample) -> tuple[Array, ...]:
        """Return new arrays for ``fit``."""
        data = sample.signal.copy() if self.reads_signal else sample.noisy
        return (sample.inputs.copy(), data) if self.pairs else (data,)

    def fit(self, sample: Sample, random_state: int = 0, **params: Any) -> Any:
        """Return a new instance fitted to the sample, with a finite value.

        Raises
        ------
        CheckFailedError
            If it raises, or leaves no finite value.
        NotApplicableError
            If it says that it is not for samples of this dimension, above one.
        """
        try:
            model = self.make(sample.sigma, random_state, **params)
            model.fit(*self.arrays(sample))
            Result.of(model, len(sample.signal))
        except Exception as error:
            message = one_line(error)
            of_x, dim = sample.inputs.shape[1], sample.signal.shape[1]
            other = dim not in self.dims or (self.pairs and of_x != dim)
            refused = isinstance(error, ValueError) and _DIMENSION.search(message)
            if other and refused and is_one_line(error):
                shape = f"{of_x} x {dim}" if self.pairs else f"dim {dim}"
                raise NotApplicableError(f"not for {shape}: {message}") from error
            raise CheckFailedError(
                f"`fit` fails on plain data, n = {len(sample.signal)}, d = {dim}: "
                f"{type(error).__name__}: {message}"
            ) from error
        return model

    def value(self, sample: Sample, random_state: int = 0, **params: Any) -> float:
        """Return the estimate in nats."""
        model = self.fit(sample, random_state, **params)
        return float(getattr(model, self.cls.value_name))

    def truth(self, law: Law, dim: int) -> float:
        """Return what the value should be near to."""
        return law.truth(dim, pairs=self.pairs)

    def errors(self, law: Law, dim: int, n: int = N, count: int = REPEATS, **params: Any) -> Array:
        """Return the errors over the first `count` of independent samples."""
        errors = self._errors.setdefault((law, dim, n, tuple(params.items())), [])
        truth = self.truth(law, dim)
        for i in range(len(errors), count):
            errors.append(self.value(law.sample(i, n, dim), i, **params) - truth)
        return np.array(errors[:count])

    def error(self, law: Law, dim: int, n: int = N, count: int = REPEATS, **params: Any) -> Mean:
        """Return the mean error over `count` independent samples.

        The luck of the draws is taken off where that lessens the scatter.
        """
        errors = self.errors(law, dim, n, count, **params)
        samples = (law.sample(i, n, dim) for i in range(count))
        luck = [law.luck(s, reads_signal=self.reads_signal, pairs=self.pairs) for s in samples]
        return min(Mean.of(errors), Mean.of(errors - luck), key=lambda mean: mean.half_width)

    def settled(self, law: Law, dim: int, margin: float, n: int = N, **params: Any) -> Mean:
        """Return the mean error over as few samples as tell whether it is within the margin."""
        for count in LOOKS:
            mean = self.error(law, dim, n, count, **params)
            beyond = abs(mean.value) - mean.half_width > margin
            if beyond or abs(mean.value) + mean.sure(count) <= margin:
                break
        return mean

    def slack(self, sample: Sample) -> float:
        """Return by how much two values may differ by random draws of their own alone.

        From the scatter over values of `random_state`, not from `numerical_error_`, which may be
        wrong itself.
        """
        if not self.is_random:
            return 0.0
        if id(sample) not in self._slack:
            values = np.array([self.value(sample, seed) for seed in range(_SEEDS)])
            quantile = -float(stdtrit(_SEEDS - 1, FALSE_ALARM / 2))
            self._slack[id(sample)] = sample, quantile * math.sqrt(2) * float(values.std(ddof=1))
        return self._slack[id(sample)][1]

    @cached_property
    def sample(self) -> Sample:
        """A small sample, for what must hold exactly."""
        return gaussian(SIGMA).sample(1, self.small, self.largest_dim)


def one_line(error: BaseException) -> str:
    """Return an exception's message in one line of at most 160 characters."""
    text = " ".join(str(error).split()) or "(no message)"
    return text if len(text) <= 160 else f"{text[:157]}..."


def is_one_line(error: BaseException) -> bool:
    """Tell whether an exception has a message, and that in one line."""
    return bool(str(error).strip()) and "\n" not in str(error).strip()


def _own_parameters(estimator: Any) -> dict[str, Any]:
    """Return the parameters of an instance that are not the class's defaults."""
    try:
        values = estimator.get_params(deep=False)
    except AttributeError as error:
        raise TypeError(
            f"`estimator` must keep the arguments of `__init__` under their names: {error}."
        ) from error
    known = parameters_of(type(estimator))
    return {name: value for name, value in values.items() if value is not known[name].default}
