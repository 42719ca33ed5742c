"""What may be wrong with an arm on this machine, one file a check; `python -m hardware doctor` runs them."""
