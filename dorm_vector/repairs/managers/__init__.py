"""Repairs of the managers of relations: many-to-many, and the reverse of a foreign key."""
