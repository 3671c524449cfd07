"""``fast``: what is safe on the networks and optimizers of a training, without a change to its loop."""
