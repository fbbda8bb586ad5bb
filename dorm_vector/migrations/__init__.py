"""Empty, because dorm_vector has no tables; ``dorm migrate`` requires the folder."""
