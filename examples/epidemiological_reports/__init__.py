"""Reports of outbreaks, searched by their fields, by meaning, by both and by likeness: JSON over FastAPI."""
