"""Partitions of a table, also on other servers."""
