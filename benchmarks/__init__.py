"""Compare the speed with bare drivers and with other libraries: ``python -m benchmarks.run --help``."""
