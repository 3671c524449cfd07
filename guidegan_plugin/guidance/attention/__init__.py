"""Attention mechanisms: how a map falls out of a discriminator (section 3.2 of the paper)."""
