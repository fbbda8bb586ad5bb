"""Commands of djanorm that report on vectors: ``dorm dbcheck`` and ``dorm lint-migrations``."""
