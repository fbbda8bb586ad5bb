"""Replace functions of djanorm and of drivers: the registry of patches, and their installation."""
