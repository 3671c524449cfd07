"""Monitors: a training shown while it runs, by a thread of its own that the training never waits for."""
