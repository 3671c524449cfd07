"""Codebases whose scripts hold the networks: nothing of them is called, so they are observed while they run."""
