"""The command line, ``dorm-vector``: one file per command. It shows, checks and repairs the vectors of a project."""
