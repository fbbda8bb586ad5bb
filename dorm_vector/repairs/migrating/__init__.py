"""Repairs of how djanorm runs migrations: one run at a time, and what stopped goes on."""
