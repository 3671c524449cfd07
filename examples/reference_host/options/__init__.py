"""Command line options; models and data sets add their own."""
