"""What an index needs of the server, beyond what every server of the database has."""
