"""``guidegan plugins``."""

from __future__ import annotations

import importlib.metadata

from rich.console import Console
from rich.table import Table


def plugins() -> None:
    """List every plugin: version, distribution, and the hooks that the plugin implements."""
    from guidegan_plugin.plugins.manager import create_manager

    manager = create_manager()
    distributions = dict(manager.list_plugin_distinfo())
    table = Table("plugin", "version", "distribution", "hooks")
    for name, plugin in manager.list_name_plugin():
        distribution = distributions.get(plugin)
        title = distribution.project_name if distribution is not None else "guidegan_plugin"
        hooks = [caller.name.removeprefix("guidegan_") for caller in manager.get_hookcallers(plugin) or []]
        table.add_row(name, importlib.metadata.version(title), title, ", ".join(sorted(hooks)))
    Console().print(table)
