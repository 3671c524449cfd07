"""Attention mechanisms: how a map is read from a discriminator (section 3.2 of the paper)."""
