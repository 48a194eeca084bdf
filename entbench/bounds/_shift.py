"""How far mutual information moves when the law of X does, and the error of its estimate."""

from __future__ import annotations

import math
from typing import Any

from entbench._validation import check_fraction, check_integer
from entbench.bounds._arguments import (
    check_not_negative,
    check_scale,
    check_setting,
)
from entbench.bounds._capacity import trivial_range
from entbench.bounds._plug_in import plug_in_risk_bound


def binary_entropy(p: float) -> float:
    r"""Return the entropy of a coin that shows heads with probability p, in nats.

    .. math::

        H_b(p) = -p \log p - (1 - p) \log(1 - p)
    """
    p = check_fraction("p", p)
    if p in (0.0, 1.0):
        return 0.0
    return -p * math.log(p) - (1.0 - p) * math.log1p(-p)


def tv_shift_printed(distance: float, size: int) -> float:
    r"""Return the total-variation bound on ``|I(X'; T) - I(X; T)|`` as printed.

    .. math::

        |I(X'; T) - I(X; T)| \leq t \log(N - 1) + H_b(t)

    At ``t = TV(P_X, P_X')`` exactly; H_b is `binary_entropy`.

    Parameters
    ----------
    distance : float
        Total variation, in [0, 1].
    size : int
        N: how many values X and X' can take together, at least 2. The slides call it N_l, which
        reads as the width of a layer; with a width the formula is false (16 inputs, 2 neurons: a
        shift of 1.42 nats where it gives at most 0.61).

    Returns
    -------
    float
        In nats.

    Notes
    -----
    Proved for the same channel, any channel, if the distance is exactly t; attained. It decreases
    for t > 1 - 1/N, so for "at most t", as the slides have it, use `tv_shift_bound`.

    References
    ----------
    Slides on distribution shift (2025), theorem on TV shift, the shift error.
    """
    t = check_fraction("distance", distance)
    size = check_integer("size", size, minimum=2)
    return t * math.log(size - 1) + binary_entropy(t)


def kl_shift_printed(divergence: float, size: int) -> float:
    r"""Return the KL bound on ``|I(X'; T) - I(X; T)|`` as printed.

    .. math::

        |I(X'; T) - I(X; T)| \leq t \log(N - 1) + H_b(t), \quad t = \sqrt{\frac{D}{2}}

    D is `divergence`: `tv_shift_printed` by Pinsker's inequality.

    Parameters
    ----------
    divergence : float
        D(P_X' || P_X) in nats, at most 2: beyond, the formula is not defined.
    size : int
        N, as in `tv_shift_printed`.

    Returns
    -------
    float
        In nats.

    Notes
    -----
    True only where ``sqrt(divergence/2) <= 1 - 1/N``: Pinsker's inequality bounds the distance from
    above, and the formula decreases beyond. `kl_shift_bound` is proved throughout.

    References
    ----------
    Slides on distribution shift (2025), theorem on KL shift, the shift error.
    """
    divergence = check_not_negative("divergence", divergence)
    if divergence > 2.0:
        raise ValueError(f"`divergence` must be <= 2 in the printed form; got {divergence!r}.")
    return tv_shift_printed(math.sqrt(0.5 * divergence), size)


def tv_shift_bound(
    distance: float, size: int | None = None, capacity: float | None = None
) -> float:
    r"""Return a bound on ``|I(X'; T) - I(X; T)|`` if ``TV(P_X, P_X')`` is at most `distance`.

    .. math::

        |I(X'; T) - I(X; T)| \leq t C + H_b(t), \quad C = \min(\log(N - 1), c), \quad
        t = \min\left(\delta, \frac{1}{1 + e^{-C}}\right)

    delta is `distance`, c is `capacity`, H_b is `binary_entropy`.

    Parameters
    ----------
    distance : float
        Bound on the total variation, in [0, 1].
    size : int, optional
        N: how many values X and X' can take together, at least 2. Not the width of a layer.
    capacity : float, optional
        The most information in nats that the channel carries, as `trivial_range` for a noisy layer
        in the cube. At least one of `size` and `capacity` is needed.

    Returns
    -------
    float
        In nats; does not decrease with the distance.

    Raises
    ------
    ValueError
        Without both `size` and `capacity`.

    Notes
    -----
    Proved for the same channel from X and from X' to T. With `size`, attained: X = 0 against X' = 0
    but with probability t uniform on the other values, without noise. The printed form, if only a
    bound on the distance is known, needs the smaller t, and has no `capacity`.

    References
    ----------
    Slides on distribution shift (2025), theorem on TV shift, corrected.
    """
    most = _most_information(size, capacity)
    t = min(check_fraction("distance", distance), 1.0 / (1.0 + math.exp(-most)))
    return t * most + binary_entropy(t)


def kl_shift_bound(
    divergence: float, size: int | None = None, capacity: float | None = None
) -> float:
    r"""Return a bound on ``|I(X'; T) - I(X; T)|`` if ``D(P_X' || P_X)`` is at most `divergence`.

    `tv_shift_bound` at the distance

    .. math::

        \delta = \min\left(\sqrt{\frac{D}{2}}, \sqrt{1 - e^{-D}}\right)

    D is `divergence`.

    Parameters
    ----------
    divergence : float
        In nats; inf, if the supports differ, is taken.
    size : int, optional
        As in `tv_shift_bound`.
    capacity : float, optional
        As in `tv_shift_bound`.

    Returns
    -------
    float
        In nats; does not decrease with the divergence.

    Notes
    -----
    Proved: Pinsker's inequality, and that of Bretagnolle and Huber, which is the smaller beyond a
    divergence of 1.6. Of no use where supports differ, as for shifted images.

    References
    ----------
    Slides on distribution shift (2025), theorem on KL shift, corrected.
    """
    divergence = check_not_negative("divergence", divergence)
    distance = min(math.sqrt(0.5 * divergence), math.sqrt(-math.expm1(-divergence)))
    return tv_shift_bound(distance, size, capacity)


def wasserstein_entropy_shift(distance: float, dim: int, sigma: float) -> float:
    r"""Return a bound on ``|h(S'+Z) - h(S+Z)|`` for S, S' in the cube a distance W_1 apart.

    .. math::

        |h(S'+Z) - h(S+Z)| \leq \frac{\sqrt{d} (2 + \sigma)}{\sigma^2} W_1(P_S, P_{S'})

    Returns
    -------
    float
        In nats; inf where it overflows.

    Notes
    -----
    Proved: ``|grad log q(s + z)| <= (|z| + 2 sqrt dim)/sigma^2`` in the cube. Not in the papers.
    """
    dim = check_integer("dim", dim, minimum=1)
    sigma = check_scale("sigma", sigma)
    return math.sqrt(dim) * (2.0 / sigma + 1.0) / sigma * check_not_negative("distance", distance)


def wasserstein_shift_bound(
    distance: float, dim: int, sigma: float, lipschitz: float, first_layer: bool = False
) -> float:
    r"""Return a bound on ``|I(X'; T) - I(X; T)|`` for T = S + Z, S in the cube given X.

    .. math::

        |I(X'; T) - I(X; T)| \leq \frac{2 \sqrt{d} (2 + \sigma)}{\sigma^2} L W_1(P_X, P_{X'})

    For the first layer, where ``h(T | X) = h(Z)``, half of it.

    Parameters
    ----------
    distance : float
        W_1(P_X, P_X'), in the units of X.
    dim : int
        Dimension of S.
    sigma : float
        Standard deviation of the noise.
    lipschitz : float
        L: the law of S given X = x moves by at most ``L |x - x'|`` in W_1.
    first_layer : bool
        Whether S is a function of X.

    Returns
    -------
    float
        In nats; inf where it overflows.

    Notes
    -----
    Proved. The bound to use for perturbations that move points, where TV is 1 and KL infinite. Not
    in the papers.
    """
    moved = check_not_negative("lipschitz", lipschitz) * check_not_negative("distance", distance)
    return (1.0 if first_layer else 2.0) * wasserstein_entropy_shift(moved, dim, sigma)


def information_risk_bound(
    n: int,
    dim: int,
    sigma: float,
    entropy_risk: float | None = None,
    *,
    first_layer: bool = False,
    fixed_inputs: bool = False,
) -> float:
    r"""Return Guarantee 3: a bound on ``E |I(X; T) - I_SP|``, T = S + Z, S in the cube.

    .. math::

        E |I(X; T) - I_{SP}| \leq 2 \Delta
        + \frac{d}{4 \sqrt{n}} \log\left(1 + \frac{1}{\sigma^2}\right)

    Parameters
    ----------
    n : int
        Number of inputs, and of samples of S for each of them.
    dim : int
        Dimension of S.
    sigma : float
        Standard deviation of the noise.
    entropy_risk : float, optional
        Delta, a bound on ``E |h - h_SP|`` in nats; `plug_in_risk_bound` by default.
    first_layer : bool
        Whether S is a function of X: then ``h(T | X) = h(Z)`` exactly, one Delta is enough and the
        second term is absent.
    fixed_inputs : bool
        Whether X is uniform on a given data set: then the second term is absent.

    Returns
    -------
    float
        In nats.

    Notes
    -----
    Proved: ``h(T | X = x)`` lies in an interval of length ``(dim/2) log(1 + 1/sigma^2)``, and
    Popoviciu's inequality bounds its variance. Needs S in the cube (tanh, not ReLU). For a shifted
    X', add `tv_shift_bound`, `kl_shift_bound` or `wasserstein_shift_bound`. The slides' numerator
    "8 c d" was read as ``8 c^dim``, Delta = c^dim/sqrt n; recalled, not checked.

    References
    ----------
    Slides on information flow (2020 and 2025), Guarantee 3.
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    if entropy_risk is None:
        entropy_risk = plug_in_risk_bound(n, dim, sigma)
    risk = check_not_negative("entropy_risk", entropy_risk)
    if first_layer:
        return risk
    inputs = 0.0 if fixed_inputs else trivial_range(dim, sigma) / (2.0 * math.sqrt(n))
    return 2.0 * risk + inputs


def _most_information(size: Any, capacity: Any) -> float:
    if size is None and capacity is None:
        raise ValueError("`size` or `capacity` must be given; got neither.")
    most = math.inf if capacity is None else check_not_negative("capacity", capacity)
    if size is not None:
        most = min(most, math.log(check_integer("size", size, minimum=2) - 1))
    if most == math.inf:
        raise ValueError("`capacity` must be finite where `size` is not given; got inf.")
    return most
