"""Data sets: drawn by the plugin, or prepared from downloads; and a wrapper that adds keys to a data set."""
