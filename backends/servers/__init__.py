"""Find or download, start, watch and stop servers."""
