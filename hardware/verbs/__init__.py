"""What `python -m hardware` can do, one file a verb."""
