"""All checks, in the order a user would mend what they find."""

from __future__ import annotations

from pathlib import Path

from guidegan_plugin.diagnosis.filesystem import check_disk, check_weights, check_writing
from guidegan_plugin.diagnosis.runtime import check_torch, check_visdom
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.plugins.check import Check
from guidegan_plugin.plugins.host import Host


def diagnose(root: Path, dataroot: Path | None = None, needs_host: bool = True) -> list[Check]:
    """Look at everything.

    Args:
        root: A host's folder, where its trainings are started.
        dataroot: Images of a training, for an estimate of what their maps take.
        needs_host: Whether a folder that is no host is a failure.

    Returns:
        One check or more a subject; none raises.

    Raises:
        ConfigError: If a folder does not exist.
    """
    for folder, argument in ((root, "HOST_DIR"), (dataroot or root, "--dataroot")):
        if not folder.is_dir():
            raise ConfigError(f"{folder} is no folder; change {argument}")
    host: Host | None = None
    after: list[Check] = []

    def look() -> None:  # nearly everything of ours imports torch
        nonlocal host, after
        host, after = _with_torch(root, needs_host)

    checks = check_torch(meanwhile=look)
    return [*checks, check_visdom(), *after, check_writing(root, host), check_disk(root, dataroot, host)]


def _with_torch(root: Path, needs_host: bool) -> tuple[Host | None, list[Check]]:
    import torch

    from guidegan_plugin.diagnosis.plugins_and_host import check_host, check_plugins

    checks, manager = check_plugins()
    told, host = check_host(root, manager, needs_host)
    return host, [*checks, *told, check_weights(Path(torch.hub.get_dir()))]
