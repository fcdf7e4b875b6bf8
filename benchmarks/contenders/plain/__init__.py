"""Contender (a): a plain Temporal workflow, written the way a good engineer would without any framework."""
