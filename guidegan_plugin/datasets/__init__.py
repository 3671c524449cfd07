"""Data sets: made on the spot, prepared from downloads, or read from disk with the view each image is seen under."""
