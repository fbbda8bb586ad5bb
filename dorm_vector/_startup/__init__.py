"""Files that the wheel installs next to the package, for Python to run at startup: see `dorm_vector_autoload`."""
