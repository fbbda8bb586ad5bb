"""A to-do list that embeds what is typed."""
