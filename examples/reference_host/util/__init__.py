"""Helpers for images, processes, image pools, logs and web pages."""
