"""The memory from visit to visit, equation (1): maps, views and visits of the source images."""
