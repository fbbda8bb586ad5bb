"""Keep stored vectors when models change: dropping them is explicit, and renames are recognized."""
