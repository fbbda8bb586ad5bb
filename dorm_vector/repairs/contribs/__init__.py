"""Repairs of djanorm's features outside the ORM: routers, locks, trails, exports."""
