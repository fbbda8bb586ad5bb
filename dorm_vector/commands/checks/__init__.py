"""What ``dorm-vector doctor`` checks, one subject per file. Each check yields what is wrong, expected, and the fix."""
