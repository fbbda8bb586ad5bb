"""Migrations, the autodetector, the migration writer, and inspection of databases."""
