"""What is shown after a run: tables and grids of scores, and a gallery of its images."""
