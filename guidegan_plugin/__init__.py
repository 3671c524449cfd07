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

from importlib.metadata import version

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.decorators import guided
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.view import View
from guidegan_plugin.plugins.build import attach
from guidegan_plugin.plugins.hookspecs import hookimpl
from guidegan_plugin.plugins.pairs import Pair

__version__ = version("guidegan_plugin")
__all__ = ["Guide", "GuideConfig", "Pair", "View", "__version__", "attach", "guided", "hookimpl"]
