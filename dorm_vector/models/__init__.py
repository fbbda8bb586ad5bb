"""Fields, querysets and managers, and the hooks that make djanorm use them."""
