"""Fields, querysets and managers, and the hooks by which djanorm uses them."""
