"""What stands for the map once a training is over, and a generator that needs nobody else."""
