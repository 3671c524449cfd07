"""Families of codebases, a file each: what their scripts call the networks, and where they need more than that."""
