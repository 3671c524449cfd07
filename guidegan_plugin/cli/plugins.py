"""``guidegan plugins``."""

from __future__ import annotations

import typer
from rich.table import Table

from guidegan_plugin.cli.console import show_table


def plugins() -> None:
    """List every plugin: version, distribution, and the hooks that the plugin implements."""
    from guidegan_plugin.plugins.entry_points import DISABLE, OURS, code_of, installed, left_out, unknown_names
    from guidegan_plugin.plugins.manager import create_manager
    from guidegan_plugin.utils.packages import version_of

    manager, found = create_manager(), installed()
    table = Table("plugin", "version", "distribution", "hooks")
    for name, plugin in manager.list_name_plugin():
        hooks = [caller.name.removeprefix("guidegan_") for caller in manager.get_hookcallers(plugin) or []]
        version, title = version_of(OURS), OURS
        if name in found:
            distribution = found[name].distribution
            version, title = distribution.version, str(distribution.metadata["Name"])
            if (code := code_of(plugin, distribution)) is not None:
                title += f" (its code is {code})"
        table.add_row(name, version, title, ", ".join(sorted(hooks)))
    show_table(table)
    if names := left_out():
        typer.echo(f"left out by {DISABLE}: {', '.join(sorted(names))}")
    if unknown := unknown_names():
        typer.echo(f"of these no installed plugin is called {' or '.join(unknown)}")
