"""Scripts that measure and print; the asv benchmarks are in `benchmarks`."""
