"""Small things that every folder may use: files, images, processes, progress."""
