"""Codebases of others (hosts): their networks, batches, options and files. One folder for each kind of codebase."""
