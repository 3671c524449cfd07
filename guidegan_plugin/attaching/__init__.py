"""Turns names into objects: ``attach`` for two networks, ``guided`` for a class, guides for a host's model."""
