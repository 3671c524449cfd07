"""The host's own data sets, which also say under which crop and flip an image is seen.

Real modules, not virtual ones: data loader workers that are spawned import them by name.
"""
