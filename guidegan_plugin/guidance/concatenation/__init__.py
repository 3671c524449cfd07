"""Concatenations: how a map reaches a generator's input (section 3.3 of the paper), and the transfer block."""
