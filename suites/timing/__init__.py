"""asv benchmarks: time, memory and error of every built-in estimator, and the engine under them."""
