"""Search Debian packages by meaning: a small djanorm project on whichever database its settings name."""
