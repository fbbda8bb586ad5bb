"""Repairs of transactions: lost connections, interrupted blocks, callbacks of a failed COMMIT."""
