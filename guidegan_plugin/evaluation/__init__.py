"""Scores of translated images and of attention maps."""
