"""The host's own data sets, extended: each item also says under which crop and flip its image is seen.

Real modules, not virtual ones: data loader workers that are spawned import them by name.
"""
