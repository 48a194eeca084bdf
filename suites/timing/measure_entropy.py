"""Measure entropies of large mixtures, each in a process of its own, and print: asked, measured.

    python -m entbench.suites.timing.measure_entropy
    python -m entbench.suites.timing.measure_entropy --row "truncated d=5 sigma=0.1 n=4e6"

A process draws its samples, compiles on a small mixture of the same law, and then measures one
`fit` of `SamplePropagation`: all that the samples need is in its seconds, the ordering of centres
too. Peak memory is that of the process, its samples and packages included. With `--row`, one row
alone, as JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import resource
import subprocess
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from entbench import Reference, Source
from entbench._base import SourceFacts
from entbench.bounds import plug_in_bias_bounds
from entbench.estimators import SamplePropagation
from entbench.sources.truncated_mixture import TruncatedMixture

from . import peers

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED = 0
MAX_DRAWS = 20_000_000
LARGE, SMALL, TEXTBOOK_N = 4_000_000, 400_000, 20_000
GROWTH, SPEEDUP = 14.0, 100.0
# tau of a truncated mixture that fills the cube evenly
EVENLY = 1e6
_PIECE = 100_000
_WARM_N, _WARM_DRAWS, _WARM_TOLERANCE = 20_000, 10_000, 1e-4


@dataclass(frozen=True)
class SaturatedCorners(Source):
    """Equal-weight mixture of 64 narrow Gaussians far apart: the 32 corners, and 32 points within.

    The places are corners of ``[-1, 1]^5`` and of ``[-1/3, 1/3]^5``.
    """

    version: ClassVar[str] = "1"
    count: ClassVar[int] = 64

    sigma: float = 0.005
    spread: float = 1e-4

    @property
    def dim(self) -> int:
        return 5

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        corners = np.array(list(itertools.product([-1.0, 1.0], repeat=self.dim)))
        places = np.concatenate([corners, corners / 3.0])[rng.integers(0, self.count, n)]
        return places + self.spread * rng.standard_normal((n, self.dim))

    def reference(self) -> Reference:
        """Return ``log 64 + h(N(0, (sigma^2 + spread^2) I))``, the places' overlap left out.

        They are at least 2/3 apart, 133 sigma.
        """
        width = math.hypot(self.sigma, self.spread)
        gaussian = self.dim * (0.5 * math.log(2.0 * math.pi * math.e) + math.log(width))
        return Reference(math.log(self.count) + gaussian, 1e-12, "Gaussians that do not overlap")

    def facts(self) -> SourceFacts:
        ratio = 1.0 + (self.spread / self.sigma) ** 2
        return SourceFacts(
            dim=self.dim,
            sigma=self.sigma,
            mutual_information=math.log(self.count) + 0.5 * self.dim * math.log(ratio),
            chi_square_information=self.count * ratio**self.dim - 1.0,
        )


@dataclass(frozen=True)
class Row:
    """One measurement, and what is asked of it.

    Attributes
    ----------
    source : Source
        Law of the samples.
    n : int
        Samples.
    tolerance : float
        Standard error asked for, in nats.
    seconds, gib : float
        Asked: at most so many seconds, and so much peak memory.
    repeats : int
        Fits; their median time counts.
    how : {"ours", "textbook"}
        By `SamplePropagation`, or by the textbook.
    """

    source: Source
    n: int
    tolerance: float = 1e-3
    seconds: float = math.inf
    gib: float = math.inf
    repeats: int = 1
    how: Literal["ours", "textbook"] = "ours"


def _rows() -> dict[str, Row]:
    """Return all rows by name, in the order of the table: what is compared is measured in turn."""
    rows = {}
    for sigma, seconds, gib in ((0.1, 60.0, 3.0), (0.5, 60.0, 3.0), (0.005, 180.0, math.inf)):
        for d in (3, 5, 10):
            source = TruncatedMixture(d, sigma)
            name = f"truncated d={d} sigma={sigma}"
            # both sides of a ratio alike
            repeats = 3 if d == 5 and sigma > 0.01 else 1
            rows[f"{name} n=4e6"] = Row(source, LARGE, seconds=seconds, gib=gib, repeats=repeats)
            if d == 5:
                rows[f"{name} n=4e5"] = Row(source, SMALL, repeats=repeats)
    rows["corners d=5 sigma=0.005 n=4e6"] = Row(SaturatedCorners(), LARGE, seconds=60.0, gib=3.0)
    for d in (5, 10):
        source = TruncatedMixture(d, 0.1, tau=EVENLY)
        rows[f"uniform d={d} sigma=0.1 n=4e6"] = Row(source, LARGE, tolerance=1e-2, seconds=120.0)
    source = TruncatedMixture(5, 0.1)
    rows["truncated d=5 sigma=0.1 n=2e4"] = Row(source, TEXTBOOK_N, repeats=5)
    rows["textbook d=5 sigma=0.1 n=2e4"] = Row(
        source, TEXTBOOK_N, tolerance=math.inf, how="textbook"
    )
    return rows


ROWS = _rows()


@dataclass(frozen=True)
class Found:
    """An entropy, its numerical error, the draws it took, and its seconds."""

    value: float
    numerical_error: float
    draws: int
    seconds: float


def measure_row(name: str) -> dict[str, Any]:
    """Measure a row of the table in this process.

    Returns
    -------
    dict
        `seconds`, `numerical_error`, `draws` and `value`; `gib`, the peak of this process so far,
        in GiB; `difference`, value less reference; `lowest` and `highest`, between which its
        expectation lies.
    """
    row = ROWS[name]
    peers.limit_threads()
    rng = np.random.default_rng(SEED)
    measure = fitted if row.how == "ours" else by_textbook
    if row.how == "ours":
        small = row.source.sample(_WARM_N, rng)
        fitted(small, row.source.sigma, _WARM_TOLERANCE, _WARM_DRAWS)
    signal = samples(row.source, row.n, rng)
    runs = [measure(signal, row.source.sigma, row.tolerance) for _ in range(row.repeats)]
    found = sorted(runs, key=lambda run: run.seconds)[row.repeats // 2]
    lowest, highest = expected_difference(row)
    return {
        **asdict(found),
        # KiB, on Linux
        "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "difference": found.value - row.source.reference().value,
        "lowest": lowest,
        "highest": highest,
    }


def samples(source: Source, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return n samples, drawn in pieces: what a source needs to draw them stays small."""
    signal = np.empty((n, source.dim))
    for start in range(0, n, _PIECE):
        piece = signal[start : start + _PIECE]
        piece[:] = source.sample(len(piece), rng)
    return signal


def fitted(
    signal: NDArray[np.float64], sigma: float, tolerance: float, max_draws: int = MAX_DRAWS
) -> Found:
    """Return what `SamplePropagation` finds."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        # that there are too few samples for a source is what its row shows
        warnings.filterwarnings("ignore", message="`X` has")
        found = SamplePropagation(sigma, tolerance, max_draws, random_state=SEED).fit(signal)
    seconds = time.perf_counter() - start
    return Found(
        found.entropy_, found.numerical_error_, int(found.diagnostics_["n_draws"]), seconds
    )


def by_textbook(signal: NDArray[np.float64], sigma: float, _: float) -> Found:
    """Return the mean of -log q over n draws from the mixture of n, by scipy's logsumexp."""
    start = time.perf_counter()
    n, dim = signal.shape
    rng = np.random.default_rng(SEED)
    points = signal[rng.integers(0, n, n)] + sigma * rng.standard_normal((n, dim))
    normaliser = math.log(n) + dim * (0.5 * math.log(2.0 * math.pi) + math.log(sigma))
    surprise = normaliser - peers.scipy(signal, sigma)(points)
    error = float(np.std(surprise, ddof=1)) / math.sqrt(n)
    return Found(float(surprise.mean()), error, n, time.perf_counter() - start)


def expected_difference(row: Row) -> tuple[float, float]:
    """Return bounds on the plug-in's expectation less h(S+Z)."""
    facts = row.source.facts()
    if facts.mutual_information is None or facts.chi_square_information is None:
        return -math.inf, 0.0
    least, most = plug_in_bias_bounds(row.n, facts.mutual_information, facts.chi_square_information)
    return -most, -least


def in_fresh_process(name: str) -> dict[str, Any]:
    """Return what `measure_row` finds in a process of its own."""
    command = [sys.executable, "-m", "entbench.suites.timing.measure_entropy", "--row", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout))


def verdict(name: str, found: dict[str, Any]) -> str:
    """Return "pass", or what is not as asked.

    A value may lie outside the bounds of its expectation by four standard deviations: of the
    integration, and of the plug-in, about ``sqrt(dim / n)``.
    """
    row = ROWS[name]
    slack = 4.0 * math.hypot(found["numerical_error"], math.sqrt(row.source.dim / row.n))
    fine = {
        "seconds": found["seconds"] <= row.seconds,
        "numerical error": found["numerical_error"] <= row.tolerance,
        "memory": found["gib"] <= row.gib,
        "value": found["lowest"] - slack <= found["difference"] <= found["highest"] + slack,
    }
    failed = [what for what, passed in fine.items() if not passed]
    return f"FAIL: {', '.join(failed)}" if failed else "pass"


def asked(row: Row) -> str:
    """Return what is asked of a row."""
    limits = [
        (row.tolerance, f"error {row.tolerance:g}"),
        (row.seconds, f"{row.seconds:g} s"),
        (row.gib, f"{row.gib:g} GiB"),
    ]
    return ", ".join(text for limit, text in limits if math.isfinite(limit))


def line(name: str, found: dict[str, Any]) -> str:
    """Return a row of the table."""
    numbers = [
        f"{found['seconds']:.2f}",
        f"{found['numerical_error']:.1e}",
        f"{found['draws']}",
        f"{found['gib']:.2f}",
        f"{found['difference']:+.4f}",
        f"{found['lowest']:+.4f} to {found['highest']:+.4f}",
    ]
    return f"| {name} | {asked(ROWS[name])} | {' | '.join(numbers)} | {verdict(name, found)} |"


def comparisons(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return the rows of the table of ratios: growth with n, and against the textbook."""
    lines = []
    for sigma in (0.1, 0.5, 0.005):
        what = f"truncated d=5 sigma={sigma}"
        ratio = found[f"{what} n=4e6"]["seconds"] / found[f"{what} n=4e5"]["seconds"]
        passed = "pass" if ratio <= GROWTH else "FAIL"
        lines.append(
            f"| {what}: time at n = 4e6 / at 4e5 | <= {GROWTH:g} | {ratio:.1f} | {passed} |"
        )
    ours, theirs = (found[f"{who} d=5 sigma=0.1 n=2e4"] for who in ("truncated", "textbook"))
    errors = theirs["numerical_error"] / ours["numerical_error"]
    ratio = theirs["seconds"] * errors**2 / ours["seconds"]
    passed = "pass" if ratio >= SPEEDUP else "FAIL"
    what = "n=2e4: time of the textbook, scaled to our error, / ours"
    return [*lines, f"| {what} | >= {SPEEDUP:g} | {ratio:.0f} | {passed} |"]


def main() -> None:
    """Measure and print; with `--row`, one row."""
    if len(sys.argv) > 1:
        parser = argparse.ArgumentParser(description="Measure entropies of large mixtures.")
        parser.add_argument("--row", choices=ROWS, required=True)
        print(json.dumps(measure_row(parser.parse_args().row)))
        return
    print(
        f"{peers.THREADS} threads, seed {SEED}, a fresh process a row, at most {MAX_DRAWS} draws;"
    )
    print(f"compiled before on {_WARM_N} samples. Errors and differences are in nats.\n")
    columns = ["asked", "seconds", "numerical error", "draws", "peak GiB", "value - reference"]
    print("| what | " + " | ".join(columns) + " | its expectation | |")
    print("| :-- | :-- |" + " --: |" * 5 + " :-- | :-- |")
    found = {}
    for name in ROWS:
        found[name] = in_fresh_process(name)
        print(line(name, found[name]), flush=True)
    print("\n| what | asked | measured | |\n| :-- | --: | --: | :-- |")
    print("\n".join(comparisons(found)))


if __name__ == "__main__":
    main()
