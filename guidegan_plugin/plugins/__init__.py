"""The plugin system: hooks, the manager, our own plugins, and names turned into objects."""
