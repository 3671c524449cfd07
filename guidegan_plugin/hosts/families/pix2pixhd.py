"""pix2pixHD of NVIDIA: a whole model in DataParallel, which encodes label maps before the generator reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from torch import Tensor

from guidegan_plugin.attaching.pairs import Pair
from guidegan_plugin.guidance.memory.store_file import STORE_ENDING
from guidegan_plugin.hosts.after_import import after_import
from guidegan_plugin.hosts.guide_arguments import argument
from guidegan_plugin.hosts.scripts.script_host import ScriptHost
from guidegan_plugin.hosts.scripts.session import Session
from guidegan_plugin.plugins.sample import INPUT, OUTPUT, Run, Sample, natural
from guidegan_plugin.utils.keys import place_of


class Pix2PixHDHost(ScriptHost):
    """NVIDIA/pix2pixHD: ``model.netG`` translates label maps, or images where ``--label_nc 0``."""

    name: ClassVar[str] = "pix2pixhd"
    holds: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "models/pix2pixHD_model.py": ("Pix2PixHDModel", "InferenceModel"),
        "models/networks.py": ("LocalEnhancer", "MultiscaleDiscriminator"),
    }
    modes: str = (
        "train.py, also with --continue_train, and test.py; label maps, or images (--label_nc 0); --netG global and "
        "local; on one GPU (--gpu_ids 0) or none, since on several the script copies the networks"
    )
    checkpoints: ClassVar[str] = "checkpoints"
    checkpoints_option: ClassVar[str] = "--checkpoints_dir"
    results: ClassVar[str] = "_synthesized_image"
    run_holds: ClassVar[tuple[str, ...]] = (f"*_net_G{STORE_ENDING}", f"images/*{results}.*")
    pairs: ClassVar[tuple[Pair, ...]] = (Pair("model.netG", "model.netD", "label", keys="path", name="A"),)

    def default_options(self, arguments: Sequence[str]) -> Mapping[str, object]:
        """Where D looks at the finest scale, and which of G's convolutions read which channels."""
        return {**_of_discriminator(arguments), **_of_generator(arguments)}

    @classmethod
    def read_run(cls, run: Path) -> Run:
        """A test's results, ``<image>_input_label.jpg`` and ``<image>_synthesized_image.jpg``, else as the base."""
        folder = run / "images"
        made = [path.name for path in folder.glob(f"*{cls.results}.*")]
        samples = []
        for name in sorted(made, key=natural):
            image, _, ending = name.rpartition(cls.results)
            files = {INPUT: place_of(folder, f"{image}_input_label{ending}"), OUTPUT: place_of(folder, name)}
            samples.append(Sample(image, "", {role: path for role, path in files.items() if path is not None}))
        return Run(samples) if samples else super().read_run(run)

    @contextmanager
    def watched(self, session: Session) -> Iterator[None]:
        """The generator is called with what ``encode_input`` makes of the label map: one-hot labels, and edges."""

        def watch(module: ModuleType) -> None:
            own = module.Pix2PixHDModel.encode_input

            @wraps(own)
            def encode_input(model: object, label_map: Tensor, *args: Any, **kwargs: Any) -> Any:
                encoded = own(model, label_map, *args, **kwargs)
                session.made_of(label_map, encoded[0])
                return encoded

            module.Pix2PixHDModel.encode_input = encode_input

        with after_import("models.pix2pixHD_model", watch):
            yield


def _of_discriminator(arguments: Sequence[str]) -> dict[str, object]:
    """The parts of D that judge the image as it is: the last of its scales, each of which has some layers.

    The last convolution but one has 512 channels in the codebase's own settings, as the fourth of a PatchGAN has.
    """
    scale = int(argument("--num_D", arguments, "2")) - 1
    layers = int(argument("--n_layers_D", arguments, "3"))
    if "--no_ganFeat_loss" in arguments:  # one Sequential a scale: a convolution and its activation, then norms between
        first, last = f"layer{scale}.1", f"layer{scale}.{3 * layers + 1}"
        return {"guide_layer": f"layer{scale}.{3 * layers - 1}", "guide_tam_features": first, "guide_tam_trunk": last}
    first, last = f"scale{scale}_layer0", f"scale{scale}_layer{layers}"
    return {"guide_layer": f"{last}.0", "guide_tam_features": first, "guide_tam_trunk": last}


def _of_generator(arguments: Sequence[str]) -> dict[str, object]:
    """Alpha stands behind labels and edges, before features; each resolution of a local enhancer reads the image."""
    found: dict[str, object] = {}
    if {"--instance_feat", "--label_feat"} & set(arguments):
        labels = int(argument("--label_nc", arguments, "35")) or int(argument("--input_nc", arguments, "3"))
        found["guide_alpha_image_channels"] = labels + ("--no_instance" not in arguments)
    if argument("--netG", arguments, "global") == "local":
        enhancers = int(argument("--n_local_enhancers", arguments, "1"))
        found["guide_alpha_widen"] = ",".join(["model.1", *(f"model{one}_1.1" for one in range(1, enhancers + 1))])
    return found
