"""``guidegan plugins``."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def plugins() -> None:
    """List every plugin: version, distribution, and the hooks that the plugin implements."""
    from guidegan_plugin.plugins.manager import OURS, create_manager, installed
    from guidegan_plugin.utils.packages import version_of

    manager = create_manager()
    of = {name: (found.version, str(found.metadata["Name"])) for name, (_, found) in installed().items()}
    of[OURS] = (version_of(OURS), OURS)
    table = Table("plugin", "version", "distribution", "hooks")
    for name, plugin in manager.list_name_plugin():
        hooks = [caller.name.removeprefix("guidegan_") for caller in manager.get_hookcallers(plugin) or []]
        table.add_row(name, *of[name], ", ".join(sorted(hooks)))
    Console().print(table)
