"""Turso: the driver, its async wrapper, and replicas."""
