"""Vector values and their wire formats. Nothing here knows djanorm or a driver."""
