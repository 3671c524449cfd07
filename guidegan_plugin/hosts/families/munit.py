"""MUNIT and UNIT of NVIDIA: one trainer in a variable, images translated by two networks, an encoder and a decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from guidegan_plugin.attaching.pairs import Pair
from guidegan_plugin.guidance.memory.store_file import STORE_ENDING
from guidegan_plugin.hosts.guide_arguments import argument
from guidegan_plugin.hosts.scripts.script_host import ScriptHost

_MUNIT, _UNIT = "MUNIT", "UNIT"


class MunitHost(ScriptHost):
    """NVlabs/MUNIT and mingyuliutw/UNIT, with either trainer of both.

    A discriminator judges at several scales. The finest is read: its last convolution but one, which has 512 channels
    in the codebases' own settings, as the fourth of a PatchGAN has.
    """

    name: ClassVar[str] = "munit"
    holds: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "trainer.py": ("MUNIT_Trainer", "UNIT_Trainer"),
        "networks.py": ("AdaINGen", "VAEGen", "MsImageDis"),
    }
    modes: str = "train.py, also with --resume, and test.py; --trainer MUNIT and --trainer UNIT"
    checkpoints_option: ClassVar[str] = "--output_path"
    weights_in: ClassVar[tuple[str, ...]] = ("outputs/*/checkpoints/",)
    good_ends: ClassVar[tuple[str, ...]] = ("Finish training",)
    run_holds: ClassVar[tuple[str, ...]] = (f"gen_*{STORE_ENDING}",)
    pairs: ClassVar[tuple[Pair, ...]] = (
        Pair("trainer.gen_a:encode..trainer.gen_b:decode", "trainer.dis_b", "", name="a2b"),
        Pair("trainer.gen_b:encode..trainer.gen_a:decode", "trainer.dis_a", "", name="b2a"),
    )
    defaults: ClassVar[Mapping[str, object]] = {
        "guide_layer": "cnns.0.-2.conv",
        "guide_tam_features": "cnns.0.0",
        "guide_tam_trunk": "cnns.0.-2",
    }

    def default_options(self, arguments: Sequence[str]) -> Mapping[str, object]:
        """With MUNIT's trainer two encoders read the image, of its style and of its content."""
        if argument("--trainer", arguments, _MUNIT) != _MUNIT:
            return self.defaults
        return {**self.defaults, "guide_alpha_widen": "enc_style.model.0.conv,enc_content.model.0.conv"}
