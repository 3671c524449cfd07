"""Data sets that are drawn on the spot: plain and striped objects, street scenes and their labels."""
