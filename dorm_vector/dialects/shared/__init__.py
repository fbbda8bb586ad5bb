"""Building blocks shared by several dialects."""
