"""Monitors show a training while the training runs, from a thread that the training never waits for."""
