"""What `python -m policies` can do: one verb a file."""
