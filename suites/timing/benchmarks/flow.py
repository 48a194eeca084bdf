"""I(X;T) of a layer of a noisy network, small: what `measure_flow` measures at full size."""

from __future__ import annotations

from importlib.util import find_spec
from typing import ClassVar

PASSES = 20
INPUTS = 64


class Flow:
    """Seconds of one estimate, and the width of its interval."""

    params: ClassVar[list[float]] = [0.1, 0.5]
    param_names: ClassVar[list[str]] = ["sigma"]
    timeout = 300

    def setup(self, sigma: float) -> None:
        if find_spec("torch") is None:
            raise NotImplementedError("needs torch")
        from entbench.networks import InformationFlow, load_szt, szt

        network = szt(sigma=sigma, seed=0)
        for weights in network.parameters():
            weights.data *= 3.0  # so that units saturate, as trained ones do
        self.X, _ = load_szt()
        self.flow = InformationFlow(
            network, layers=[3], passes=PASSES, n_inputs=INPUTS, random_state=0
        )
        self.flow.estimate(self.X)

    def time_estimate(self, sigma: float) -> None:
        self.flow.estimate(self.X)

    def track_interval(self, sigma: float) -> float:
        return self.flow.estimate(self.X)[0].interval.width

    track_interval.unit = "nats"  # type: ignore[attr-defined]
