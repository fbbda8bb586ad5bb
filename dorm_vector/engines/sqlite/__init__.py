"""SQLite: connections, and the functions of sqlite-vec."""
