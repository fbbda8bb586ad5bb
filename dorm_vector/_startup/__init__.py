"""What a wheel puts beside the package, so that Python runs it at startup: see `dorm_vector_autoload`."""
