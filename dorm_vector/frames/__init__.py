"""The rows of a queryset as columns: Arrow tables, and the data frames of pandas and polars."""
