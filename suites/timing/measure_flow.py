"""Measure an estimate of I(X;T) of a deep layer, and print a table: asked, measured.

    python suites/timing/measure_flow.py

The network of Shwartz-Ziv and Tishby on its 4096 inputs, with the weights of its start times 3, so
that its units saturate as trained ones do; layer 3, of dimension 5; 1000 passes of every input.
Memory is the peak of the whole process (Linux).
"""

from __future__ import annotations

import argparse
import resource
import time

from entbench.networks import InformationFlow, NoisyNetwork, load_szt, szt


def saturated(sigma: float) -> NoisyNetwork:
    """Return a network whose weights are three times those of an untrained one."""
    network = szt(sigma=sigma, seed=0)
    for weights in network.parameters():
        weights.data *= 3.0
    return network


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sigma", type=float, default=0.1)
    parser.add_argument("--passes", type=int, default=1000)
    parser.add_argument("--inputs", type=int, default=None, help="of the conditional entropies")
    options = parser.parse_args()
    X, _ = load_szt()
    network, began = saturated(options.sigma), time.perf_counter()

    def tell(layer: int, stage: str, share: float) -> None:
        print(f"  {time.perf_counter() - began:6.1f} s: layer {layer}, {stage}", flush=True)

    flow = InformationFlow(
        network, layers=[3], passes=options.passes, n_inputs=options.inputs, random_state=0
    )
    result = flow.estimate(X, progress=tell)[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    low, high = result.interval.low, result.interval.high
    print(
        f"I(X;T_3) = {result.value:.4f} nats, 95 % in [{low:.4f}, {high:.4f}], sigma = "
        f"{options.sigma:g}, n = {result.n}, {result.n_inputs} inputs, converged: "
        f"{result.converged} {result.limited_by}"
    )
    print("| what | asked | measured |")
    print("| :-- | --: | --: |")
    print(f"| one estimate of I(X;T_3) | <= 120 s | {result.seconds:.0f} s |")
    print(f"| peak memory | <= 4 GiB | {peak:.2f} GiB |")


if __name__ == "__main__":
    main()
