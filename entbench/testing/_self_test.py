"""A self-test of a few seconds: whether numbers are right on this machine, and how fast it is.

``python -m entbench.testing._self_test PART`` prints what it finds as JSON. It runs in processes of
its own, so that code that breaks here is a finding and not the end of who asked.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from entbench._environment import Finding
from entbench.estimators.binned_entropy import BinnedEntropy
from entbench.estimators.gaussian_entropy import MomentMatchedGaussian
from entbench.estimators.kernel_density import KernelDensityEntropy
from entbench.estimators.kolchinsky_tracey import KolchinskyTraceyUpper
from entbench.estimators.kozachenko_leonenko import KozachenkoLeonenko
from entbench.estimators.kraskov import KSG1
from entbench.estimators.sample_propagation import SamplePropagation
from entbench.mixture import GaussianMixture
from entbench.sources.gaussian import IsotropicGaussian
from entbench.sources.gaussian_pairs import BivariateNormal
from entbench.sources.truncated_mixture import TruncatedMixture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.mixture._sums import Method

    Array = NDArray[np.float64]

KNOWN_SEEDS = range(1000, 1200)
_DRAWS = 20
# standard deviations allowed; a normal error is beyond with probability 6e-7
_DEVIATIONS = 5.0
_SEED = 0
_ROUNDS = 5
_SHARE = 3.0
_SAME = 1e-10


@dataclass(frozen=True)
class Case:
    """An estimator on a source whose truth is known.

    Attributes
    ----------
    name : str
        Registry name of the estimator.
    where : str
        The source, in words.
    error : callable
        Maps a seed to estimate less truth in nats.
    mean, deviation : float
        Of that error, over `KNOWN_SEEDS`.
    """

    name: str
    where: str
    error: Callable[[int], float]
    mean: float
    deviation: float

    def find(self) -> Finding:
        """Compare the mean error of some draws with that of others, known beforehand."""
        error = float(np.mean([self.error(seed) for seed in range(_DRAWS)]))
        spread = self.deviation * math.sqrt(1.0 / _DRAWS + 1.0 / len(KNOWN_SEEDS))
        allowed = _DEVIATIONS * spread
        found = (
            f"mean error {error:+.4f} nats over {_DRAWS} draws; {self.mean:+.4f} ± {allowed:.4f} "
            f"is usual"
        )
        return _verdict(f"{self.name}, {self.where}", found, abs(error - self.mean) <= allowed)


def _verdict(what: str, found: str, right: bool) -> Finding:
    advice = "" if right else "do not trust numbers from here; install again, and report this"
    return Finding("self-test", what, found, "ok" if right else "wrong", advice)


def _sp(seed: int) -> float:
    source = TruncatedMixture(d=5, sigma=0.1)
    signal = source.sample(1000, np.random.default_rng(seed))
    fitted = SamplePropagation(0.1, tolerance=5e-3, random_state=seed).fit(signal)
    return fitted.entropy_ - source.reference().value


def _noisy_normal(seed: int, d: int, n: int) -> tuple[Array, float]:
    source = IsotropicGaussian(d=d, sigma=0.5)
    rng = np.random.default_rng(seed)
    noisy = source.sample(n, rng) + source.sigma * rng.standard_normal((n, d))
    return noisy, source.reference().value


def _kl(seed: int) -> float:
    noisy, truth = _noisy_normal(seed, 3, 2000)
    return KozachenkoLeonenko().fit(noisy).entropy_ - truth


def _binning(seed: int) -> float:
    noisy, truth = _noisy_normal(seed, 1, 2000)
    return BinnedEntropy().fit(noisy).entropy_ - truth


def _ksg1(seed: int) -> float:
    source = BivariateNormal()
    pairs = source.sample(2000, np.random.default_rng(seed))
    fitted = KSG1().fit(pairs.x, pairs.y)
    return fitted.mutual_information_ - source.reference().value


SP = Case("sp", "truncated mixture, d = 5, n = 1000", _sp, -0.0158, 0.0060)
KL = Case("kl", "Gaussian, d = 3, n = 2000", _kl, -0.0303, 0.0314)
BINNING = Case("binning", "Gaussian, d = 1, n = 2000", _binning, -0.0046, 0.0168)
KSG = Case("ksg1", "Gaussian pairs, rho = 0.9, n = 2000", _ksg1, 0.0069, 0.0253)
CASES = (SP, KL, BINNING, KSG)


def fixed_points(n: int = 500) -> Array:
    """Return points in the unit square that no generator draws: fractions of multiples."""
    steps = np.arange(1, n + 1)[:, None]
    return np.asarray(np.modf(steps * np.array([math.sqrt(2.0), math.sqrt(3.0)]))[0])


def _value(estimator: Any, *samples: Array) -> float:
    fitted = estimator.fit(*samples)
    return float(getattr(fitted, fitted.value_name))


def kernel_values() -> dict[str, float]:
    """Return what estimators by kernel sums make of the fixed points, in nats."""
    points = fixed_points()
    return {
        "kt-upper": _value(KolchinskyTraceyUpper(sigma=0.1), points),
        "kde": _value(KernelDensityEntropy(bandwidth=0.1), points),
        "gaussian": _value(MomentMatchedGaussian(correction="none"), points),
    }


def neighbour_values() -> dict[str, float]:
    """Return what estimators by neighbours and counts make of the fixed points, in nats."""
    points = fixed_points()
    return {
        "kl": _value(KozachenkoLeonenko(), points),
        "ksg1": _value(KSG1(), points[:, :1], points[:, 1:] + points[:, :1]),
        "binning": _value(BinnedEntropy(bin_width=0.125), points),
    }


# of entbench 0.1.0; a change means that a value moved, and goes with a raised `version`
KNOWN = {
    "kt-upper": 1.1861562717198115,
    "kde": 0.2245129769028789,
    "gaussian": 0.3538623775261662,
    "kl": -0.28629110087184984,
    "ksg1": 0.4189905633703437,
    "binning": -0.06685432849890649,
}


def _find_known(values: dict[str, float]) -> Finding:
    worst = max(abs(value / KNOWN[name] - 1.0) for name, value in values.items())
    what = f"{', '.join(values)} on fixed points"
    found = f"as known to {worst:.0e}, relative; {_SAME:g} allowed"
    return _verdict(what, found, worst <= _SAME)


def _find_kernels() -> Iterator[Finding]:
    yield from _find_kernel_sums()
    yield _find_known(kernel_values())
    yield SP.find()
    yield _find_threads_of_kernels()


def _find_kernel_sums() -> Iterator[Finding]:
    rng = np.random.default_rng(_SEED)
    centres, sigma = rng.uniform(-1, 1, (2000, 3)), 0.2
    points = centres[:200] + sigma * rng.standard_normal((200, 3))
    mixture = GaussianMixture(centres, sigma)
    exact = _by_numpy(points, centres, sigma)
    ways: tuple[tuple[str, float, Method], ...] = (
        ("dense, double", 1e-12, "dense"),
        ("dense, single", 1e-4, "dense"),
        ("pruned, double", 1e-9, "pruned"),
        ("pruned, single", 1e-4, "pruned"),
    )
    for what, tolerance, method in ways:
        found = mixture.evaluate(points, tolerance, method)
        off = float(np.abs(found.values - exact).max())
        text = f"off by {off:.0e} nats from numpy; {tolerance:.0e} allowed"
        yield _verdict(f"kernel sums, {what}", text, off <= tolerance)


def _by_numpy(points: Array, centres: Array, sigma: float) -> Array:
    """Return log-densities of the mixture, all pairs in double precision."""
    powers = -((points[:, None] - centres) ** 2).sum(-1) / (2.0 * sigma**2)
    top = powers.max(1)
    sums = np.log(np.exp(powers - top[:, None]).sum(1)) + top
    scale = len(centres) * (math.sqrt(2.0 * math.pi) * sigma) ** centres.shape[1]
    return np.asarray(sums - math.log(scale))


def _find_threads_of_kernels() -> Finding:
    rng = np.random.default_rng(_SEED)
    centres = rng.uniform(-1, 1, (5000, 3))
    points = centres[:3000] + 0.1 * rng.standard_normal((3000, 3))
    one, two = (GaussianMixture(centres, 0.1, n_jobs=jobs) for jobs in (1, 2))
    draws = [m.entropy(5e-3, 10**6, np.random.default_rng(_SEED)).value for m in (one, two)]
    same = np.array_equal(one.log_density(points), two.log_density(points))
    return _find_same("kernel sums and entropies", same and draws[0] == draws[1])


def _find_threads_of_neighbours() -> Finding:
    points, _ = _noisy_normal(_SEED, 3, 5000)
    values = [_value(KozachenkoLeonenko(n_jobs=jobs), points) for jobs in (1, 2)]
    return _find_same("neighbours", values[0] == values[1])


def _find_same(what: str, same: bool) -> Finding:
    found = "the same to the bit" if same else "not the same to the bit"
    return _verdict(f"{what} with 1 and 2 threads", found, same)


def _find_neighbours() -> Iterator[Finding]:
    yield _find_known(neighbour_values())
    for case in (KL, BINNING, KSG):
        yield case.find()
    yield _find_threads_of_neighbours()


@dataclass(frozen=True)
class Rate:
    """A rate beside what a usual machine does.

    Attributes
    ----------
    what, unit : str
        What is counted.
    usual : float
        On one core of a virtual machine with vectors of 512 bits.
    """

    what: str
    unit: str
    usual: float

    def find(self, rate: float) -> Finding:
        """Compare a rate with the usual one."""
        slow = rate * _SHARE < self.usual
        text = f"{rate:.2g} {self.unit} a second; {self.usual:.2g} is usual"
        advice = "slow: is the machine busy, throttled or emulated, or has it narrow vectors?"
        return Finding(
            "speed",
            self.what,
            text + (", slow" if slow else ""),
            "warning" if slow else "ok",
            advice if slow else "",
        )


PAIRS = Rate("kernel sums, d = 5, one thread", "pairs", 2.5e9)
FITS = Rate("kl, d = 5, n = 10,000, one thread", "fits", 45.0)
COMMITS = Rate("store, a cell a transaction", "commits", 15_000.0)


def best_seconds(call: Callable[[], object]) -> float:
    """Return the least seconds of some calls: what others on the machine do only adds."""
    seconds = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _find_speed() -> Iterator[Finding]:
    rng = np.random.default_rng(_SEED)
    centres = rng.uniform(-1, 1, (10_000, 5))
    points = centres[:4096] + rng.standard_normal((4096, 5))
    mixture = GaussianMixture(centres, 1.0, n_jobs=1)
    mixture.log_density(points[:64], 1e-5, "dense")
    seconds = best_seconds(lambda: mixture.log_density(points, 1e-5, "dense"))
    yield PAIRS.find(len(centres) * len(points) / seconds)
    estimator = KozachenkoLeonenko(n_jobs=1)
    samples = rng.standard_normal((10_000, 5))
    estimator.fit(samples[:100])
    yield FITS.find(1.0 / best_seconds(lambda: estimator.fit(samples)))


PARTS = {"kernels": _find_kernels, "neighbours": _find_neighbours, "speed": _find_speed}


def main() -> None:
    """Run the part that the command line names, and print what it finds."""
    print(json.dumps([asdict(finding) for finding in PARTS[sys.argv[1]]()]))


if __name__ == "__main__":
    main()
