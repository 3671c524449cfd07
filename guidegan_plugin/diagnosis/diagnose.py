"""All checks, in the order a user would mend what they find."""

from __future__ import annotations

from pathlib import Path

from guidegan_plugin.diagnosis.filesystem import check_disk, check_weights, check_writing
from guidegan_plugin.diagnosis.packages import check_torch, check_visdom
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.plugins.check import Check


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
    checks = check_torch()
    # Nearly everything of ours imports torch.
    after = _with_torch(root, needs_host) if checks[0].status == "ok" else []
    return [*checks, check_visdom(), *after, check_writing(root), check_disk(root, dataroot)]


def _with_torch(root: Path, needs_host: bool) -> list[Check]:
    import torch

    from guidegan_plugin.diagnosis.plugins_and_host import check_host, check_plugins

    checks, manager = check_plugins()
    return [*checks, *check_host(root, manager, needs_host), check_weights(Path(torch.hub.get_dir()))]
