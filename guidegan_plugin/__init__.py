"""GuideGAN for any conditional GAN: the discriminator tells the generator where it looks.

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

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from guidegan_plugin.errors import ConfigError, DataError, GuideError, HostError, PluginError, StoreError

if TYPE_CHECKING:
    from guidegan_plugin.attaching.decorator import guided
    from guidegan_plugin.attaching.factory import attach
    from guidegan_plugin.attaching.pairs import Pair
    from guidegan_plugin.config import GuideConfig
    from guidegan_plugin.guidance.guide import Guide
    from guidegan_plugin.guidance.memory.view import View
    from guidegan_plugin.hosts.class_host import ClassHost
    from guidegan_plugin.plugins.check import Check
    from guidegan_plugin.plugins.hookspecs import hookimpl
    from guidegan_plugin.plugins.host import Host
    from guidegan_plugin.plugins.sample import Run, Sample
    from guidegan_plugin.plugins.stored_run import read_stores
else:
    # Imported at first use, so that the command answers, completes and diagnoses where torch is slow to import or
    # broken.
    _HOMES = {
        "Check": "plugins.check",
        "ClassHost": "hosts.class_host",
        "Guide": "guidance.guide",
        "GuideConfig": "config",
        "Host": "plugins.host",
        "Pair": "attaching.pairs",
        "Run": "plugins.sample",
        "Sample": "plugins.sample",
        "View": "guidance.memory.view",
        "attach": "attaching.factory",
        "guided": "attaching.decorator",
        "hookimpl": "plugins.hookspecs",
        "read_stores": "plugins.stored_run",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__version__ = version("guidegan_plugin")
__all__ = [
    "Check",
    "ClassHost",
    "ConfigError",
    "DataError",
    "Guide",
    "GuideConfig",
    "GuideError",
    "Host",
    "HostError",
    "Pair",
    "PluginError",
    "Run",
    "Sample",
    "StoreError",
    "View",
    "__version__",
    "attach",
    "guided",
    "hookimpl",
    "read_stores",
]
