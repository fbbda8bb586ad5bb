"""Migration operations, the autodetector, the migration writer, and database introspection."""
