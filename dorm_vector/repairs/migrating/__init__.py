"""Repairs of how djanorm runs migrations: one run at a time, and resuming unfinished ones."""
