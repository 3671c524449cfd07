"""Data sets that the plugin draws: plain and striped objects, street scenes and their labels."""
