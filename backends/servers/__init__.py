"""How a server is found or fetched, started, watched and stopped."""
