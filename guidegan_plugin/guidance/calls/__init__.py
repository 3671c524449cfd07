"""Which call of which network counts, and what is done in it."""
