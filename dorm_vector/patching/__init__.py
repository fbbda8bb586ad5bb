"""How functions of djanorm and of drivers are replaced: the registry of patches, and their installation."""
