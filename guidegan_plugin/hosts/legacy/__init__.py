"""Stand-ins, for one run, for calls that modern packages have dropped; no file of a host changes."""
