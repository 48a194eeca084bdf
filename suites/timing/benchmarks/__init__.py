"""asv benchmarks, and nothing else: asv imports every file here, in environments without torch."""
