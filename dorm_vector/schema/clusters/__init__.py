"""Migration operations that spread a table over several servers."""
