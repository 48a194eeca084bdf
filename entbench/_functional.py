"""One call for one estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from entbench._base import EntropyResult
from entbench._registry import make_estimator
from entbench._validation import check_integer, check_positive, check_samples

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["estimate_entropy"]


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
        Value and numerical standard error in nats.

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
    seed = None if random_state is None else check_integer("random_state", random_state, 0)
    noise_level = None if sigma is None else check_positive("sigma", sigma)
    model = make_estimator(estimator, params, sigma=noise_level, random_state=seed)
    if model.reads == "noisy" and noise_level is not None:
        noise = np.random.default_rng(seed).standard_normal(samples.shape)
        samples = samples + noise_level * noise
    model.fit(samples)
    return EntropyResult.of(model, samples.shape[0], samples.shape[1], estimator)
