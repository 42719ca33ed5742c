"""Lock-step evaluation, statistics and the report."""
