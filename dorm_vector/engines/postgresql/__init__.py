"""PostgreSQL: psycopg adapters, the pool, and rows in binary."""
