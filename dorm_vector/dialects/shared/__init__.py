"""Building blocks of several dialects."""
