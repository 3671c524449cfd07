"""GuideGAN for any conditional GAN: attention maps of the discriminator guide the generator.

In a fork of pytorch-CycleGAN-and-pix2pix::

    guidegan run train.py --dataroot ./datasets/horse2zebra --model guide_cycle_gan

In a script of your own::

    guide = attach(G, D, GuideConfig(concat="rhp"))
    for batch in loader:
        guide.bind(batch["A"], keys=batch["path"])  # the one line added to the loop
        ...

On a class of your own::

    @guided(Pair(generator="netG", discriminator="netD", source="real_A", keys="paths"))
    class MyTranslator: ...
"""

from typing import TYPE_CHECKING

from guidegan_plugin.errors import ConfigError, DataError, GuideError, HostError, PluginError, StoreError

if TYPE_CHECKING:
    __version__: str
    from guidegan_plugin.attaching.decorator import guided
    from guidegan_plugin.attaching.factory import attach
    from guidegan_plugin.attaching.pairs import Pair
    from guidegan_plugin.config import GuideConfig
    from guidegan_plugin.guidance.attention.base import Attention
    from guidegan_plugin.guidance.attention.maps import min_max
    from guidegan_plugin.guidance.attention.post_hoc import PostHocAttention
    from guidegan_plugin.guidance.calls.copy_safe import Hook
    from guidegan_plugin.guidance.concatenation.base import Concatenation
    from guidegan_plugin.guidance.concatenation.residual_hadamard import ResidualHadamard
    from guidegan_plugin.guidance.concatenation.transfer import Transfer
    from guidegan_plugin.guidance.guide import Guide
    from guidegan_plugin.guidance.memory.view import View
    from guidegan_plugin.guidance.reports import EpochReport, StepReport
    from guidegan_plugin.hosts.class_host import ClassHost
    from guidegan_plugin.monitors.tensorboard import TensorBoardMonitor
    from guidegan_plugin.monitors.visdom.monitor import VisdomMonitor
    from guidegan_plugin.monitors.wandb import WandbMonitor
    from guidegan_plugin.plugins.check import Check
    from guidegan_plugin.plugins.hookspecs import hookimpl
    from guidegan_plugin.plugins.host import Host
    from guidegan_plugin.plugins.monitor import Monitor
    from guidegan_plugin.plugins.sample import Run, Sample
    from guidegan_plugin.plugins.stored_run import read_stores
    from guidegan_plugin.utils.options import option
else:
    # Imported at first use, so that the command answers, completes and diagnoses where torch is slow to import or
    # broken.
    _HOMES = {
        "Attention": "guidance.attention.base",
        "Check": "plugins.check",
        "ClassHost": "hosts.class_host",
        "Concatenation": "guidance.concatenation.base",
        "EpochReport": "guidance.reports",
        "Guide": "guidance.guide",
        "GuideConfig": "config",
        "Hook": "guidance.calls.copy_safe",
        "Host": "plugins.host",
        "Monitor": "plugins.monitor",
        "Pair": "attaching.pairs",
        "PostHocAttention": "guidance.attention.post_hoc",
        "ResidualHadamard": "guidance.concatenation.residual_hadamard",
        "Run": "plugins.sample",
        "Sample": "plugins.sample",
        "StepReport": "guidance.reports",
        "TensorBoardMonitor": "monitors.tensorboard",
        "Transfer": "guidance.concatenation.transfer",
        "View": "guidance.memory.view",
        "VisdomMonitor": "monitors.visdom.monitor",
        "WandbMonitor": "monitors.wandb",
        "attach": "attaching.factory",
        "guided": "attaching.decorator",
        "hookimpl": "plugins.hookspecs",
        "min_max": "guidance.attention.maps",
        "option": "utils.options",
        "read_stores": "plugins.stored_run",
    }

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name == "__version__":
            value = import_module(f"{__name__}.utils.packages").version_of(__name__)
        elif name in _HOMES:
            value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "Attention",
    "Check",
    "ClassHost",
    "Concatenation",
    "ConfigError",
    "DataError",
    "EpochReport",
    "Guide",
    "GuideConfig",
    "GuideError",
    "Hook",
    "Host",
    "HostError",
    "Monitor",
    "Pair",
    "PluginError",
    "PostHocAttention",
    "ResidualHadamard",
    "Run",
    "Sample",
    "StepReport",
    "StoreError",
    "TensorBoardMonitor",
    "Transfer",
    "View",
    "VisdomMonitor",
    "WandbMonitor",
    "__version__",
    "attach",
    "guided",
    "hookimpl",
    "min_max",
    "option",
    "read_stores",
]
