"""PostgreSQL: psycopg adapters, the pool, and binary rows."""
