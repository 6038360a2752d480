"""The cases of make_bad_networks.py: each module has `cases()`, names and bytes."""
