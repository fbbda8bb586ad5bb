"""Ways to answer a search, one per file."""
