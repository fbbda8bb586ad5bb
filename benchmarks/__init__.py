"""How fast, beside the bare driver and beside others: ``python -m benchmarks.run --help``."""
