"""Repairs of the conditions of filter() and exclude()."""
