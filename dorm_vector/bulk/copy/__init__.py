"""Copy a whole database to another one: rows as they are, in bounded memory, resumable and verified."""
