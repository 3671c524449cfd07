"""How codebases of others are read: their networks, batches, options and files. One folder a host family."""
