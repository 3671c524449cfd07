"""Live windows on a Visdom server."""
