"""Data sets: made on the spot, or read from disk with the view each image is seen under."""
