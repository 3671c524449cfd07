"""From names to objects: guides for two networks, for a class of one's own, for a host's model."""
