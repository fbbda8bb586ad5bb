"""MySQL and MariaDB, which share a driver."""
