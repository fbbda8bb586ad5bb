"""Repairs of models with relations, from the declaration to `dorm migrate` and back."""
