"""What can go wrong, in one line each.

Every message says what was wrong, what was found, and which argument and which flag to change. Each class can be
rebuilt from its message alone, because data loader workers hand exceptions over that way.
"""


class GuideError(Exception):
    """Something this package refuses to do; its message is meant for the user."""


class ConfigError(GuideError, ValueError):
    """An option has a value that cannot work, or two options contradict each other."""


class PluginError(GuideError):
    """A plugin could not be loaded, clashes with another, or is not known."""


class HostError(GuideError):
    """A codebase, or a model of it, is not one we can guide."""


class DataError(GuideError):
    """Images that the training could not use: missing, corrupt, too small, or of mixed modes."""


class StoreError(GuideError):
    """A store or checkpoint file is torn, foreign, or belongs to other networks."""
