"""Repairs of primary keys that the database does not count, such as UUIDs."""
