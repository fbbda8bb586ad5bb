"""Fixes of bugs in djanorm, one file per subject. A fix is not installed if djanorm does not need it."""
