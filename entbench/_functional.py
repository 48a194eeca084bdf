"""One call for one estimate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from entbench._base import (
    EntropyEstimator,
    EntropyResult,
    Estimator,
    MutualInformationEstimator,
    MutualInformationResult,
)
from entbench._registry import estimators, make_estimator
from entbench._validation import check_integer, check_pairs, check_positive, check_samples

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["estimate_entropy", "estimate_mutual_information"]


def estimate_entropy(
    X: ArrayLike,
    estimator: str = "sp",
    *,
    sigma: float | None = None,
    random_state: int | None = None,
    **params: Any,
) -> EntropyResult:
    """Estimate the differential entropy h(S+Z), Z ~ N(0, sigma^2 I), from samples.

    Parameters
    ----------
    X : array-like of shape (n_samples, dim)
        With `sigma`: samples of S; an estimator that reads T = S + Z gets noise added to them.
        Without `sigma`: samples of T as they are, for an estimator that reads T.
    estimator : str, default="sp"
        Registry name; ``entbench list estimators`` shows them.
    sigma : float, optional
        Standard deviation of Z, in the unit of `X`.
    random_state : int, optional
        Seed of the added noise and of the estimator; fresh randomness if None.
    **params
        Hyperparameters of the estimator.

    Returns
    -------
    EntropyResult
        Value, numerical error, standard error and interval, in nats.

    Raises
    ------
    ValueError, TypeError
        If the samples, the name or a parameter is no good, or `sigma` lacks where it is needed.

    Examples
    --------
    >>> import numpy as np
    >>> from entbench import estimate_entropy
    >>> corners = np.random.default_rng(0).choice([-1.0, 1.0], size=(1000, 2))
    >>> result = estimate_entropy(corners, "sp", sigma=0.1, random_state=0)
    >>> round(result.value - (2 * np.log(2) + np.log(2 * np.pi * np.e * 0.1**2)), 2)
    0.0
    """
    samples = check_samples(X)
    model, noise_level = _prepared(
        EntropyEstimator.value_name, estimator, params, sigma, random_state
    )
    model.fit(_as_read(model, samples, noise_level, random_state))
    return EntropyResult.of(model, len(samples), estimator, d=samples.shape[1])


def estimate_mutual_information(
    X: ArrayLike,
    y: ArrayLike,
    estimator: str = "ksg1",
    *,
    sigma: float | None = None,
    random_state: int | None = None,
    **params: Any,
) -> MutualInformationResult:
    """Estimate the mutual information I(X;Y) from pairs.

    Parameters
    ----------
    X : array-like of shape (n_samples, dim_x)
        Samples of X.
    y : array-like of shape (n_samples, dim_y)
        Row by row with `X`. With `sigma`: samples of S, where Y = S + Z with Z ~ N(0, sigma^2 I);
        an estimator that reads Y gets noise added to them. Without `sigma`: samples of Y as they
        are, for an estimator that reads Y.
    estimator : str, default="ksg1"
        Registry name; ``entbench list estimators`` shows them.
    sigma : float, optional
        Standard deviation of Z, in the unit of `y`.
    random_state : int, optional
        Seed of the added noise and of the estimator; fresh randomness if None.
    **params
        Hyperparameters of the estimator.

    Returns
    -------
    MutualInformationResult
        Value, numerical error, standard error and interval, in nats. The value may be negative.

    Raises
    ------
    ValueError, TypeError
        If the samples, the name or a parameter is no good, or `sigma` lacks where it is needed.

    Examples
    --------
    >>> import numpy as np
    >>> from entbench import estimate_mutual_information
    >>> bits = np.random.default_rng(0).choice([-1.0, 1.0], size=(2000, 1))
    >>> result = estimate_mutual_information(bits, bits, "sp-mi", sigma=0.1, random_state=0)
    >>> round(result.value - np.log(2), 2)
    0.0
    """
    x, other = check_pairs(X, y)
    value_name = MutualInformationEstimator.value_name
    model, level = _prepared(value_name, estimator, params, sigma, random_state)
    model.fit(x, _as_read(model, other, level, random_state))
    return MutualInformationResult.of(model, len(x), estimator, d_x=x.shape[1], d_y=other.shape[1])


def with_noise(samples: NDArray[np.float64], sigma: float, seed: int | None) -> NDArray[np.float64]:
    """Return samples of S + Z.

    The noise has a stream of its own under the seed. From the plain seed it would be a copy of the
    samples of whoever drew a normal S with the same one: T = (1 + sigma) S, and nobody warned.
    """
    stream = np.random.default_rng(None if seed is None else [seed, _NOISE_STREAM])
    return np.asarray(samples + sigma * stream.standard_normal(samples.shape))


_NOISE_STREAM = 0x5A
_CALLS = {
    EntropyEstimator.value_name: ("a differential entropy", "estimate_entropy"),
    MutualInformationEstimator.value_name: ("a mutual information", "estimate_mutual_information"),
}


def _prepared(
    value_name: str,
    name: str,
    params: Mapping[str, Any],
    sigma: float | None,
    random_state: int | None,
) -> tuple[Any, float | None]:
    """Return the estimator, which must estimate what is asked for, and the checked noise level."""
    seed = None if random_state is None else check_integer("random_state", random_state, 0)
    level = None if sigma is None else check_positive("sigma", sigma)
    found = estimators.load(name).value_name
    if found != value_name:
        what, call = _CALLS[found]
        raise ValueError(f"estimator {name!r} estimates {what}: use `{call}`.")
    return make_estimator(name, params, sigma=level, random_state=seed), level


def _as_read(
    model: Estimator, samples: NDArray[np.float64], sigma: float | None, seed: int | None
) -> NDArray[np.float64]:
    """Return the samples with noise added where the estimator reads T and a level is given."""
    if model.reads == "signal" or sigma is None:
        return samples
    return with_noise(samples, sigma, seed)
