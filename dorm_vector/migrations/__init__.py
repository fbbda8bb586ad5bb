"""None: dorm_vector has no tables. The folder is here so that ``dorm migrate`` finds it, and asks for nothing."""
