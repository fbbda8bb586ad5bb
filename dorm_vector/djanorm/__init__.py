"""The seam: every touch of a private name of djanorm or of a driver, one repair a function."""
