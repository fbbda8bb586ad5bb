"""Fixes of bugs in djanorm, one file per subject. Each steps aside where djanorm behaves."""
