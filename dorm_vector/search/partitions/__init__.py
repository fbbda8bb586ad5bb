"""Searches of a table with partitions on several servers."""
