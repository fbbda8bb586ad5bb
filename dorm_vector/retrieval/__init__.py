"""Hybrid search, ranking and recall."""
