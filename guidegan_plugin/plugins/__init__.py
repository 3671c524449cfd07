"""The plugin system: hooks, the manager, and what hosts and monitors are."""
