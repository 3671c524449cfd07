"""Which call of which network counts, and what the plugin does in this call."""
