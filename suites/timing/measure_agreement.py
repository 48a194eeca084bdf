"""Measure how far estimators are from independent code on the same data, and print a table.

    python suites/timing/measure_agreement.py

scikit-learn, scipy, or the formula written out in numpy over all pairs; asked is 1e-10, relative.
The data are Gaussian with seed 0, n = 1500, and the largest difference over d = 1, 3, 10 is shown.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import digamma, gammaln, logsumexp
from scipy.stats import differential_entropy
from sklearn.feature_selection._mutual_info import _compute_mi_cc
from sklearn.metrics import mutual_info_score
from sklearn.neighbors import KernelDensity, NearestNeighbors

from entbench import _registry

Floats = NDArray[np.float64]

N = 1500
DIMENSIONS = [1, 3, 10]
SIGMA = 0.5
K = 4
BANDWIDTH = 0.4
WIDTH = 0.7
ASKED = 1e-10


def ours(name: str, *samples: Floats, **params: Any) -> float:
    """Return the value of a registered estimator."""
    estimator = _registry.make_estimator(name, params, sigma=SIGMA, random_state=0)
    fitted = estimator.fit(*samples)
    return float(getattr(fitted, fitted.value_name))


def entropy_comparisons(x: Floats) -> Iterator[tuple[str, str, float, float]]:
    """Yield estimator, what it is compared with, our value and the other."""
    for norm, p in (("l2", 2), ("linf", np.inf)):
        value = ours("kl", x, k=K, norm=norm)
        yield (
            f"kl[norm={norm}]",
            "scikit-learn NearestNeighbors, brute force",
            value,
            kl(x, norm, p),
        )
    yield "kde", "scipy logsumexp over all pairs", ours("kde", x, bandwidth=BANDWIDTH), kde_loo(x)
    value = ours("kde", x, bandwidth=BANDWIDTH, variant="resubstitution")
    exact = KernelDensity(bandwidth=BANDWIDTH, rtol=0.0, atol=0.0).fit(x)
    yield "kde[variant=resubstitution]", "scikit-learn KernelDensity", value, -exact.score(x) / N
    for name, stretch in (("kt-upper", 1.0), ("kt-lower", 2.0)):
        yield name, "scipy logsumexp over all pairs", ours(name, x), pairwise_bound(x, stretch)
    value = ours("binning", x, bin_width=WIDTH)
    yield "binning", "numpy.unique(axis=0)", value, binned(x)
    value = ours("gaussian", x, correction="none")
    yield "gaussian", "numpy slogdet", value, gaussian(x)
    if x.shape[1] == 1:
        for method in ("vasicek", "ebrahimi", "correa"):
            other = float(differential_entropy(x[:, 0], method=method))
            yield f"spacing[method={method}]", "scipy", ours("spacing", x, method=method), other


def information_comparisons(x: Floats, y: Floats) -> Iterator[tuple[str, str, float, float]]:
    """Yield the same for mutual information."""
    if x.shape[1] == 1:
        other = _compute_mi_cc(x[:, 0], y[:, 0], K)
        yield (
            "ksg1",
            "scikit-learn mutual_info_regression, no noise",
            ours("ksg1", x, y, k=K),
            other,
        )
        discrete = [np.floor((a - a.min()) / WIDTH)[:, 0] for a in (x, y)]
        value = ours("binned-mi", x, y, bin_width=WIDTH)
        yield "binned-mi", "scikit-learn mutual_info_score", value, mutual_info_score(*discrete)
    for name, formula in (("ksg1", ksg1), ("ksg2", ksg2), ("bi-ksg", bi_ksg)):
        yield name, "numpy over all pairs", ours(name, x, y, k=K), formula(x, y)
    for name, stretches in (("kt-mi-upper", 1.0), ("kt-mi-lower", 2.0)):
        noise = 0.5 * y.shape[1] * math.log(2.0 * math.pi * math.e * SIGMA**2)
        yield (
            name,
            "scipy logsumexp over all pairs",
            ours(name, x, y),
            pairwise_bound(y, stretches) - noise,
        )


def kl(x: Floats, norm: str, p: float) -> float:
    """Return the Kozachenko-Leonenko estimate."""
    dim = x.shape[1]
    search = NearestNeighbors(n_neighbors=K, algorithm="brute", metric="minkowski", p=p).fit(x)
    radii = search.kneighbors()[0][:, -1]
    ball = dim * math.log(2.0) if norm == "linf" else log_ball(dim)
    return float(digamma(N) - digamma(K) + ball + dim * np.log(radii).mean())


def log_ball(dim: int) -> float:
    """Return the log of the volume of the Euclidean unit ball."""
    return 0.5 * dim * math.log(math.pi) - float(gammaln(0.5 * dim + 1.0))


def kde_loo(x: Floats) -> float:
    """Return the leave-one-out estimate."""
    powers = -cdist(x, x, "sqeuclidean") / (2.0 * BANDWIDTH**2)
    np.fill_diagonal(powers, -np.inf)
    norm = math.log(N - 1) + 0.5 * x.shape[1] * math.log(2.0 * math.pi * BANDWIDTH**2)
    return float(norm - logsumexp(powers, axis=1).mean())


def pairwise_bound(x: Floats, stretch: float) -> float:
    """Return the pairwise-distance bound of kernels `stretch` times as wide as the noise."""
    noise = 0.5 * x.shape[1] * math.log(2.0 * math.pi * math.e * SIGMA**2)
    powers = -cdist(x, x, "sqeuclidean") / (2.0 * (stretch * SIGMA) ** 2)
    return float(noise + math.log(N) - logsumexp(powers, axis=1).mean())


def binned(x: Floats) -> float:
    """Return the plug-in over bins of one width."""
    cells = np.floor((x - x.min(axis=0)) / WIDTH)
    shares = np.unique(cells, axis=0, return_counts=True)[1] / N
    return float(-(shares * np.log(shares)).sum() + x.shape[1] * math.log(WIDTH))


def gaussian(x: Floats) -> float:
    """Return the entropy of the Gaussian with the samples' covariance."""
    covariance = np.atleast_2d(np.cov(x, rowvar=False))
    return 0.5 * float(np.linalg.slogdet(2.0 * math.pi * math.e * covariance)[1])


def _distances(x: Floats, metric: Literal["chebyshev", "euclidean"]) -> Floats:
    found = np.asarray(cdist(x, x, metric))
    np.fill_diagonal(found, np.inf)
    return found


def ksg1(x: Floats, y: Floats) -> float:
    """Return eq. (8) of Kraskov et al."""
    far = [_distances(part, "chebyshev") for part in (x, y)]
    radii = np.sort(np.maximum(*far), axis=1)[:, K - 1, None]
    counts = [(distances < radii).sum(axis=1) for distances in far]
    return float(digamma(K) + digamma(N) - sum(digamma(count + 1) for count in counts).mean())


def ksg2(x: Floats, y: Floats) -> float:
    """Return eq. (9) of Kraskov et al."""
    far = [_distances(part, "chebyshev") for part in (x, y)]
    nearest = np.argsort(np.maximum(*far), axis=1)[:, :K]
    sides = [np.take_along_axis(part, nearest, axis=1).max(axis=1, keepdims=True) for part in far]
    counts = [(part <= side).sum(axis=1) for part, side in zip(far, sides, strict=True)]
    mean = sum(digamma(count) for count in counts).mean()
    return float(digamma(K) - 1.0 / K + digamma(N) - mean)


def bi_ksg(x: Floats, y: Floats) -> float:
    """Return the estimate of Gao, Oh & Viswanath."""
    far = [_distances(part, "euclidean") for part in (x, y, np.hstack([x, y]))]
    radii = np.sort(far[2], axis=1)[:, K - 1, None]
    counts = [(distances <= radii).sum(axis=1) for distances in far[:2]]
    dims = x.shape[1], y.shape[1]
    balls = sum(map(log_ball, dims)) - log_ball(sum(dims))
    mean = sum(np.log(count) for count in counts).mean()
    return float(digamma(K) + math.log(N) + balls - mean)


def comparisons() -> Iterator[tuple[str, str, float, float]]:
    """Yield all comparisons."""
    for dim in DIMENSIONS:
        rng = np.random.default_rng([0, dim])
        x = rng.standard_normal((N, dim))
        y = x + 0.5 * rng.standard_normal((N, dim))
        yield from itertools.chain(entropy_comparisons(x), information_comparisons(x, y))


def main() -> None:
    """Measure and print."""
    worst: dict[tuple[str, str], float] = {}
    for name, other, value, reference in comparisons():
        difference = abs(value - reference) / abs(reference)
        worst[name, other] = max(worst.get((name, other), 0.0), difference)
    print("| estimator | compared with | asked | largest relative difference |")
    print("| :-- | :-- | --: | --: |")
    for (name, other), difference in worst.items():
        print(f"| `{name}` | {other} | {ASKED:g} | {difference:.0e} |")


if __name__ == "__main__":
    main()
