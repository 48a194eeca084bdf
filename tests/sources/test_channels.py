"""Signals over the Gaussian channel: truths from other code, and what channels have in common."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from scipy.integrate import dblquad

from entbench.sources import PAM, BPSKChannel, PAMChannel, PSKChannel, QAMChannel
from entbench.sources.channels import SignalChannel

CHANNELS: list[SignalChannel] = [
    PAMChannel(5, 2, 0.3),
    BPSKChannel(3, 0.7),
    QAMChannel(36, 0.15),
    PSKChannel(6, 0.4),
]

# I_1 in nats by earlier code of its own: panels over the cells of the points, confirmed by adaptive
# quadrature of log k - H(X|Y) to within 1e-13
PAM_TABLE = {
    (2, 0.1): 0.693147180559945,
    (2, 0.25): 0.6930536454829199,
    (2, 1.0): 0.33683082034683154,
    (2, 20.0): 0.0012484400960708353,
    (3, 0.25): 1.0180429370769155,
    (4, 0.25): 1.0549649313253764,
    (4, 0.05): 1.3862943610597775,
    (7, 0.1): 1.7367649017983369,
    (8, 0.5): 0.49058224381797677,
    (16, 0.01): 2.7725887221646395,
    (16, 3.0): 0.020559042933780303,
    (64, 0.05): 2.329391035354567,
    (300, 0.01): 3.8915503354861998,
    (1000, 0.001): 6.183649697118424,
    (1000, 20.0): 0.0004173266241793705,
}


@pytest.mark.parametrize(("k", "sigma"), PAM_TABLE)
def test_table_of_earlier_code(k: int, sigma: float) -> None:
    """To 2e-13: what the earlier code may be off by; the error says what the present one may."""
    reference = PAMChannel(k, 1, sigma).reference()
    assert reference.value == pytest.approx(PAM_TABLE[k, sigma], abs=2e-13)
    assert reference.error < 1e-13


@pytest.mark.parametrize(("k", "sigma"), [(4, 0.3), (16, 0.25), (64, 0.1), (10**6, 0.01)])
def test_qam_is_two_axes_of_pam(k: int, sigma: float) -> None:
    axis = PAMChannel(math.isqrt(k), 1, sigma).reference()
    assert QAMChannel(k, sigma).reference().value == pytest.approx(2 * axis.value, abs=1e-13)


@pytest.mark.parametrize("sigma", [0.05, 0.3, 1.0, 20.0])
def test_phases_that_are_axes(sigma: float) -> None:
    """QPSK is two BPSK axes at sigma sqrt(2), two phases are one axis and an idle one."""
    axis = BPSKChannel(1, sigma * math.sqrt(2.0)).reference().value
    assert PSKChannel(4, sigma).reference().value == pytest.approx(2 * axis, abs=1e-13)
    one = BPSKChannel(1, sigma).reference().value
    assert PSKChannel(2, sigma).reference().value == pytest.approx(one, abs=1e-13)


def test_phases_by_a_double_integral() -> None:
    """I = E log p(y|x)/p(y) by scipy, given the point (1, 0): all are alike."""
    sigma, angles = 0.4, 2.0 * np.pi * np.arange(6) / 6
    points = np.column_stack([np.cos(angles), np.sin(angles)])

    def integrand(v: float, u: float) -> float:
        y = points[0] + sigma * np.array([u, v])
        gain = 0.5 * (u * u + v * v - ((y - points) ** 2).sum(axis=1) / sigma**2)
        density = math.exp(-0.5 * (u * u + v * v)) / (2.0 * math.pi)
        return -density * math.log(np.exp(gain).mean())

    found = dblquad(integrand, -6.5, 6.5, -6.5, 6.5, epsabs=1e-6, epsrel=1e-6)[0]
    assert PSKChannel(6, sigma).reference().value == pytest.approx(found, abs=2e-6)


@pytest.mark.parametrize("channel", CHANNELS, ids=str)
def test_channel_and_its_signal_agree(channel: SignalChannel) -> None:
    reference, facts = channel.reference(), channel.facts()
    assert reference.quantity == "I(X;Y)"
    assert reference.value == pytest.approx(facts.mutual_information, abs=1e-13)
    assert (facts.dim, facts.dim, facts.sigma) == (*channel.dims, channel.sigma)
    (check,) = reference.checks
    assert check.method != reference.method
    assert check.difference == abs(check.value - reference.value) <= 2.0 * reference.error
    pairs = channel.sample(9, np.random.default_rng(3))
    assert pairs.signal is pairs.x
    assert pairs.x.shape == pairs.y.shape == (9, channel.dims[0])


@pytest.mark.parametrize(("k", "d", "sigma"), [(4, 1, 0.25), (7, 3, 0.5)])
def test_draws_are_as_they_were(k: int, d: int, sigma: float) -> None:
    """First the numbers of the points, then the noise: stored results of version 1 rest on it."""
    rng = np.random.default_rng(11)
    x = np.linspace(-1.0, 1.0, k)[rng.integers(0, k, (50, d))]
    y = x + sigma * rng.standard_normal((50, d))
    pairs = PAMChannel(k, d, sigma).sample(50, np.random.default_rng(11))
    assert np.array_equal(pairs.x, x)
    assert np.array_equal(pairs.y, y)


@pytest.mark.parametrize("sigma", [1e-150, 1e-8, 1e150])
def test_noise_far_from_one(sigma: float) -> None:
    for channel in (PAMChannel(3, 2, sigma), BPSKChannel(2, sigma), QAMChannel(4, sigma)):
        reference = channel.reference()
        most = channel.facts().log_values if sigma < 1.0 else 0.0
        assert abs(reference.value - most) <= reference.error < 1e-11
        assert reference.checks[0].difference <= 2.0 * reference.error


def test_parameters_are_those_of_the_signal_checked() -> None:
    channel = PAMChannel(np.int64(4), 2.0, 1)  # type: ignore[arg-type]
    assert channel.get_params() == {"k": 4, "d": 2, "sigma": 1.0}
    assert [type(value) for value in channel.get_params().values()] == [int, int, float]
    assert BPSKChannel().get_params() == {"d": 1, "sigma": 0.5}
    assert QAMChannel().get_params() == {"k": 16, "sigma": 0.25}
    assert PSKChannel().get_params() == {"k": 8, "sigma": 0.25}
    assert channel._signal == PAM(4, 1.0, 2)
    assert channel == PAMChannel(4, 2, 1.0) == pickle.loads(pickle.dumps(channel))
    assert hash(channel) == hash(PAMChannel(4, 2, 1.0))
    assert repr(channel) == "PAMChannel(k=4, d=2, sigma=1.0)"


@pytest.mark.parametrize(
    ("source", "params", "kind", "message"),
    [
        (PAMChannel, {"k": 1001}, ValueError, r"`k` must be an integer in \[2, 1000\]; got 1001"),
        (PAMChannel, {"d": 0}, ValueError, "`d` must be an integer >= 1; got 0"),
        (BPSKChannel, {"d": "2"}, TypeError, "`d` must be an integer >= 1; got '2'"),
        (QAMChannel, {"k": 9}, ValueError, "`k` must be the square of an even number"),
        (QAMChannel, {"sigma": math.nan}, ValueError, "`sigma` must be a finite number > 0"),
        (PSKChannel, {"k": 1}, ValueError, r"`k` must be an integer in \[2, 1000\]; got 1"),
        (PSKChannel, {"sigma": 0}, ValueError, "`sigma` must be a finite number > 0; got 0"),
    ],
)
def test_bad_parameters(
    source: Any, params: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        source(**params)
