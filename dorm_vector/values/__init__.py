"""Vector values and their wire formats. Nothing here depends on djanorm or a driver."""
