"""The method of the paper. Nothing here knows a host or the plugin manager."""
