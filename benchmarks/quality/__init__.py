"""The quality of full-text, vector and hybrid search, judged by people: see ``__main__``."""
