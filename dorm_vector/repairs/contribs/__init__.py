"""Repairs of what djanorm brings beside its ORM: routers, locks, trails, exports."""
