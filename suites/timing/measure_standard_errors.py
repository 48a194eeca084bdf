"""Measure whether stated standard errors are the scatter over samples, and print a table.

    python -m entbench.suites.timing.measure_standard_errors [--draws 200] [--jobs 1] [--only TEXT]

Estimators that state a standard error without propagating samples are fitted to draws from six laws
with finite fourth moments, in one to five dimensions, and to pairs from six joint laws. A row
compares the mean of the errors stated to the standard deviation of the values, which 200 draws
tell to 5 %. Asked is a ratio between 0.8 and 1.25 in every row. 20 minutes on
one core, most of it for `kde`.
"""

from __future__ import annotations

import argparse
import itertools
import math
import multiprocessing
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from entbench import _registry
from entbench._base import parameters_of
from entbench.suites.timing.measure_numerical_error import processor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DRAWS = 200
LEAST, MOST = 0.8, 1.25
SIZES = (300, 2000)
# Of the noise, where an estimator takes samples of S: the laws have deviations of about 1.
SIGMA = 0.5

Law = Callable[[int, int, np.random.Generator], Any]


def _clusters(n: int, dim: int, rng: np.random.Generator) -> Floats:
    return 0.3 * rng.standard_normal((n, dim)) + np.where(rng.random((n, 1)) < 0.5, -1.0, 1.0)


LAWS: dict[str, Law] = {
    "normal": lambda n, dim, rng: rng.standard_normal((n, dim)),
    "uniform": lambda n, dim, rng: rng.uniform(-1.7, 1.7, (n, dim)),
    "laplace": lambda n, dim, rng: rng.laplace(0.0, 0.7, (n, dim)),
    "exponential": lambda n, dim, rng: rng.exponential(1.0, (n, dim)),
    "clusters": _clusters,
    "student-6": lambda n, dim, rng: rng.standard_t(6.0, (n, dim)),
}


def _normal_pair(correlation: float) -> Law:
    def draw(n: int, dim: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        x, z = rng.standard_normal((2, n, dim))
        return x, correlation * x + np.sqrt(1.0 - correlation**2) * z

    return draw


def _parabola(n: int, dim: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    x = rng.uniform(-1.7, 1.7, (n, dim))
    return x, x**2 - 1.0 + 0.3 * rng.standard_normal((n, dim))


def _student_pair(n: int, dim: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    x, z = rng.standard_t(6.0, (2, n, dim))
    return x, 0.6 * x + 0.8 * z


def _classes(n: int, dim: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    x = rng.integers(0, 4, (n, 1)).astype(float)
    return x, 0.7 * x + 0.6 * rng.standard_normal((n, dim))


PAIRS: dict[str, Law] = {
    "independent": _normal_pair(0.0),
    "correlated 0.6": _normal_pair(0.6),
    "correlated 0.9": _normal_pair(0.9),
    "parabola": _parabola,
    "student-6 pair": _student_pair,
    "4 classes": _classes,
}

ENTROPIES: dict[str, tuple[tuple[int, ...], str, dict[str, Any]]] = {
    "kl": ((1, 2, 3, 5), "kl", {}),
    "kl k=1": ((1, 3), "kl", {"k": 1}),
    "kl k=10 linf": ((2,), "kl", {"k": 10, "norm": "linf"}),
    "kl-weighted": ((1, 3, 5, 8), "kl-weighted", {}),
    "kde": ((1, 2, 3, 5), "kde", {}),
    "kde 0.4, resubstitution": ((1, 3), "kde", {"bandwidth": 0.4, "variant": "resubstitution"}),
    "kde columns": ((2,), "kde", {"scale": "columns"}),
    "binning": ((1, 2, 3, 5), "binning", {}),
    "binning miller-madow": ((1, 3), "binning", {"correction": "miller-madow"}),
    "binning grassberger": ((1, 3), "binning", {"correction": "grassberger"}),
    "binning number": ((1, 2), "binning", {"bins": "number", "n_bins": 20}),
    "spacing": ((1,), "spacing", {}),
    "spacing vasicek": ((1,), "spacing", {"method": "vasicek", "window_length": 3}),
    "spacing van-es": ((1,), "spacing", {"method": "van-es"}),
    "spacing correa": ((1,), "spacing", {"method": "correa"}),
    "gaussian": ((1, 2, 3, 5), "gaussian", {}),
    "kt-upper": ((1, 2, 3, 5), "kt-upper", {}),
    "kt-lower": ((1, 2, 3, 5), "kt-lower", {}),
}
INFORMATIONS: dict[str, tuple[tuple[int, ...], str, dict[str, Any]]] = {
    "ksg1": ((1, 2, 3), "ksg1", {}),
    "ksg1 k=1": ((1,), "ksg1", {"k": 1}),
    "ksg1 k=10": ((1, 2), "ksg1", {"k": 10}),
    "ksg2": ((1, 2, 3), "ksg2", {}),
    "mixed-ksg": ((1, 2, 3), "mixed-ksg", {}),
    "mixed-ksg log": ((1,), "mixed-ksg", {"variant": "log"}),
    "bi-ksg": ((1, 2, 3), "bi-ksg", {}),
    "binned-mi": ((1, 2), "binned-mi", {}),
    "binned-mi miller-madow": ((1,), "binned-mi", {"correction": "miller-madow"}),
    "binned-mi grassberger": ((1,), "binned-mi", {"correction": "grassberger"}),
    "binned-mi frequency": ((1,), "binned-mi", {"bins": "frequency", "n_bins": 8}),
    "binned-mi number": ((1,), "binned-mi", {"bins": "number", "n_bins": 15}),
    "kt-mi-upper": ((1, 2, 3), "kt-mi-upper", {}),
    "kt-mi-lower": ((1, 2, 3), "kt-mi-lower", {}),
}


@dataclass(frozen=True)
class Setting:
    """What to fit to what.

    Attributes
    ----------
    label : str
        Of the estimator and its parameters.
    law : str
        Of `LAWS` or `PAIRS`.
    dim, n : int
        Columns, of X and of Y alike but for classes, and rows.
    """

    label: str
    law: str
    dim: int
    n: int

    @property
    def name(self) -> str:
        """Estimator, law and size."""
        return f"{self.label} | {self.law} | {self.dim} | {self.n}"

    def fit(self, draw: int) -> tuple[float, float]:
        """Return the value and the standard error stated of a draw; NaN where none is."""
        _, registered, params = (ENTROPIES | INFORMATIONS)[self.label]
        # the same draws for every estimator
        rng = np.random.default_rng([zlib.crc32(self.law.encode()), self.dim, self.n, draw])
        drawn = (LAWS | PAIRS)[self.law](self.n, self.dim, rng)
        given = drawn if isinstance(drawn, tuple) else (drawn,)
        threads = {"n_jobs": 1} if "n_jobs" in _parameters(registered) else {}
        made: Any = _registry.make_estimator(
            registered, {**params, **threads}, sigma=SIGMA, random_state=draw
        )
        made.fit(*given)
        stated = made.standard_error_
        return getattr(made, made.value_name), math.nan if stated is None else stated


class Measured(NamedTuple):
    """Scatter of the values, mean of the errors stated, and what it took."""

    actual: float
    stated: float
    seconds: float

    @property
    def ratio(self) -> float:
        """Stated over actual."""
        return self.stated / self.actual if self.actual > 0.0 else math.nan

    @property
    def verdict(self) -> str:
        """One word."""
        if math.isnan(self.stated):
            return "none"
        if self.ratio < LEAST:
            return "too small"
        return "too large" if self.ratio > MOST else "holds"


def _parameters(registered: str) -> Mapping[str, Any]:
    return parameters_of(_registry.estimators.load(registered))


def settings() -> Iterator[Setting]:
    """Yield every row of the table, an estimator's together."""
    for estimators, laws in ((ENTROPIES, LAWS), (INFORMATIONS, PAIRS)):
        for label, (dims, _, _) in estimators.items():
            for dim, law, n in itertools.product(dims, laws, SIZES):
                yield Setting(label, law, dim, n)


def measure(setting: Setting, draws: int = DRAWS) -> Measured:
    """Fit to the draws of a setting."""
    warnings.filterwarnings("ignore", "`X` has")
    start = time.perf_counter()
    values, stated = np.array([setting.fit(draw) for draw in range(draws)]).T
    seconds = time.perf_counter() - start
    return Measured(float(values.std(ddof=1)), float(stated.mean()), seconds)


def measure_all(chosen: Sequence[Setting], draws: int, jobs: int) -> Iterator[Measured]:
    """Yield what was measured, in order."""
    one = partial(measure, draws=draws)
    if jobs == 1:
        yield from map(one, chosen)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(one, chosen)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=DRAWS, help="draws of a setting")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--only", default="", help="settings with this text in their names")
    asked = parser.parse_args()
    chosen = [setting for setting in settings() if asked.only in setting.name]
    if not chosen:
        parser.error(f"no setting has {asked.only!r} in its name.")
    print(f"{processor()}, {asked.jobs} processes of one thread, {asked.draws} draws\n")
    print("| estimator | law | dim | n | actual | stated | ratio | verdict |")
    print("| :-- | :-- | --: | --: | --: | --: | --: | :-- |")
    found: dict[str, list[Measured]] = {}
    for setting, row in zip(chosen, measure_all(chosen, asked.draws, asked.jobs), strict=True):
        found.setdefault(setting.label, []).append(row)
        print(
            f"| {setting.name} | {row.actual:.3g} | {row.stated:.3g} | {row.ratio:.2f}"
            f" | {row.verdict} |",
            flush=True,
        )
    print(f"\n| estimator | rows | ratios | in [{LEAST}, {MOST}] | seconds |")
    print("| :-- | --: | --: | --: | --: |")
    for label, rows in found.items():
        ratios = [row.ratio for row in rows]
        held = sum(row.verdict == "holds" for row in rows)
        print(
            f"| {label} | {len(rows)} | {min(ratios):.2f} to {max(ratios):.2f} | {held}"
            f" | {sum(row.seconds for row in rows):.0f} |"
        )


if __name__ == "__main__":
    main()
