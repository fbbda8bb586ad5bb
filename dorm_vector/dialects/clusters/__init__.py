"""Facts about servers that spread a table over several machines."""
