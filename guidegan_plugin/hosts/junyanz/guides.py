"""The guides of one host model: attached to its networks, fed by its batches, shown on its pages."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import HostError, StoreError
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.layers import convolutions, unwrap
from guidegan_plugin.guidance.store_file import load_stores, save_stores
from guidegan_plugin.guidance.transfer import BilinearTransfer
from guidegan_plugin.guidance.view import View
from guidegan_plugin.hosts.junyanz import JunyanzHost
from guidegan_plugin.hosts.junyanz.contract import HostModel
from guidegan_plugin.plugins.build import Workshop
from guidegan_plugin.plugins.pairs import HOW_TO_WRITE, Pair, check_distinct, parse_pairs

_log = logging.getLogger(__name__)

# Options that change what a stored map means.
_MAP_OPTIONS = ("attention", "signal", "layer", "tap", "border")


def known_pairs(host_model: str, options: Any) -> tuple[Pair, ...]:
    """The pairs of a model: the user's, or those of the family's own models.

    Raises:
        ConfigError: If ``--guide_pairs`` cannot be read.
        HostError: If the model is unknown and no pairs are given.
    """
    if options.guide_pairs:
        return parse_pairs(options.guide_pairs)
    if host_model == "cycle_gan":
        return tuple(Pair(f"netG_{side}", f"netD_{side}", f"real_{side}", f"{side}_paths") for side in "AB")
    if host_model == "pix2pix":
        return (Pair("netG", "netD", "real_A", "A_paths"),)
    if host_model == "test":
        return (Pair(f"netG{options.model_suffix}", f"netD{options.model_suffix}", "real", "A_paths"),)
    raise HostError(f"the pairs of model {host_model!r} are not known; {HOW_TO_WRITE}")


class HostGuides:
    """One guide a pair of a host's model.

    Args:
        model: The model, its networks built.
        host_model: Its name.
        config: How it is guided.

    Raises:
        ConfigError, PluginError, HostError: If a name is unknown or a network lacks what the config asks for.
    """

    def __init__(self, model: HostModel, host_model: str, config: GuideConfig) -> None:
        self.host = JunyanzHost.running()
        self.model, self.host_model, self.config = model, host_model, config
        self.pairs = known_pairs(host_model, model.opt)
        check_distinct(self.pairs)
        self.active = config.attention != "none"
        self.guides: dict[str, Guide] = {}
        self._discriminators: list[nn.Module] = []  # loaded to be asked at test time
        self._no_view_warned = False
        workshop = Workshop.open(config)
        if not self.active:
            return
        for pair in self.pairs:
            generator, discriminator = self._network(pair.generator), None
            if model.isTrain:
                discriminator = self._network(pair.discriminator)
            self.guides[pair.name] = workshop.guide(generator, discriminator, pair.name, testing=not model.isTrain)
        if not model.opt.guide_no_visuals:
            self._add_visuals()

    def _network(self, attribute: str) -> nn.Module:
        network = getattr(self.model, attribute, None)
        if not isinstance(network, nn.Module):
            found = [name for name, value in vars(self.model).items() if isinstance(value, nn.Module)]
            raise HostError(
                f"model {self.host_model} has no network {attribute} (it has {', '.join(found)}); {HOW_TO_WRITE}"
            )
        return network

    def adapt(self, network: nn.Module | None = None) -> None:
        """Widen generators where the concatenation asks for it: this one if it is a guided one, by default all."""
        for pair in self.pairs if self.active else ():
            generator = self._network(pair.generator)
            if network is None or unwrap(network) is unwrap(generator):
                self.guides[pair.name].adapt_generator(self.model.optimizers if self.model.isTrain else ())

    def after_setup(self) -> None:
        """Load what belongs to the checkpoint the host has loaded."""
        options = self.model.opt
        if self.active and self.model.isTrain and options.continue_train:
            self.load(Path(self.model.save_dir) / f"{self._suffix()}_guide.safetensors")
        if self.active and not self.model.isTrain and options.guide_show:
            self._load_discriminators()

    def bind(self, batch: dict[str, Any]) -> None:
        """Say which image each source tensor of a batch is."""
        for pair in self.pairs if self.active else ():
            images: Tensor = getattr(self.model, pair.source)
            keys = batch.get(self._field(pair.keys))
            if keys is None:
                raise HostError(
                    f"the batch has no field {self._field(pair.keys)} (it has {', '.join(batch)}); {HOW_TO_WRITE}"
                )
            keys = [keys] if isinstance(keys, str) else keys
            view = self._view(batch.get(self._field(pair.view_field)))
            self.guides[pair.name].bind(images, [self._key(key) for key in keys], view)

    def _field(self, name: str) -> str:
        """Fields of the batch swap with the direction: the model's ``real_A`` is then batch B."""
        if self.model.opt.direction == "BtoA" and name[:2] in ("A_", "B_"):
            return ("B_" if name[0] == "A" else "A_") + name[2:]
        return name

    def _key(self, path: str) -> str:
        return os.path.relpath(path, self.model.opt.dataroot).replace(os.sep, "/")

    def _view(self, theta: Tensor | None) -> View | None:
        if theta is not None and not theta.isnan().any():
            return View(theta)
        if not self._no_view_warned and self.model.isTrain and self.config.align == "canonical":
            self._no_view_warned = True
            _log.warning(
                "data set %s does not say where images are cropped and flipped, so maps are read where they were last "
                "seen; take --dataset_mode guide_unaligned or guide_aligned",
                self.model.opt.dataset_mode,
            )
        return None

    def end_epoch(self) -> None:
        """Close an epoch of every pair that has begun one."""
        for guide in self.guides.values():
            if len(guide.store):
                guide.end_epoch()

    def save(self, path: Path) -> None:
        """Write the memories of all pairs into one file.

        Raises:
            StoreError: If it cannot be written.
        """
        facts = {f"{name}.digest": guide.digest() for name, guide in self.guides.items()}
        facts["config"] = json.dumps(self.config.as_dict())
        save_stores(path, {name: guide.store.state() for name, guide in self.guides.items()}, facts)

    def load(self, path: Path) -> None:
        """Take the memories up again; without a file they start from ones, with a notice.

        Raises:
            StoreError: If the file is torn, foreign, of other networks, or its maps mean something else.
        """
        if not path.exists():
            _log.warning("no store %s: every image starts from ones", path)
            return
        states, facts = load_stores(path)
        saved, now = json.loads(facts.get("config", "{}")), self.config.as_dict()
        changed = [f"{name} {saved.get(name)} to {now[name]}" for name in _MAP_OPTIONS if saved.get(name) != now[name]]
        if changed:
            raise StoreError(
                f"{path} holds maps of another kind ({', '.join(changed)}); change --guide_* back, or delete it to "
                "start from ones"
            )
        for guide in self.guides.values():
            guide.load_state(states, facts, str(path))

    def _suffix(self) -> str:
        options = self.model.opt
        return f"iter_{options.load_iter}" if options.load_iter > 0 else str(options.epoch)

    def _shown(self) -> bool:
        return self.model.isTrain or bool(self.model.opt.guide_show)

    def _add_visuals(self) -> None:
        """The map beside its source image; at test time the name says when it is only the placeholder."""
        names = self.model.visual_names
        for pair in self.pairs:
            visual = f"attention_{pair.name}" if self._shown() else f"attention_{pair.name}_placeholder"
            names.insert(names.index(pair.source) + 1 if pair.source in names else len(names), visual)

    def draw(self) -> None:
        """Put each pair's newest map where the host's pages look for it, ``(N, 1, H, W)`` in [-1, 1]."""
        for name in [name for name in self.model.visual_names if name.startswith("attention_")]:
            pair = next(pair for pair in self.pairs if name.split("_", 1)[1].removesuffix("_placeholder") == pair.name)
            images: Tensor = getattr(self.model, pair.source)
            maps = self._latest(pair)
            if maps is None:
                maps = images.new_ones(len(images), 1, 1, 1)
            setattr(self.model, name, BilinearTransfer()(maps, images.shape[-2:]) * 2 - 1)

    def _latest(self, pair: Pair) -> Tensor | None:
        guide = self.guides[pair.name]
        if self.model.isTrain or not self._shown():
            return guide.latest
        visit = guide.binding.current(pair.name)
        fakes = visit.living_fakes() if visit is not None else []
        if not fakes:
            return None
        return guide.look(self._judged(pair, fakes[-1]))[1]

    def _judged(self, pair: Pair, fake: Tensor) -> Tensor:
        """What D is called with: the fake, or source and fake where D is conditional."""
        expected = convolutions(self._network(pair.discriminator))[0][1].in_channels
        source: Tensor = getattr(self.model, pair.source)
        if expected == fake.shape[1]:
            return fake
        if expected == fake.shape[1] + source.shape[1]:
            return torch.cat([source, fake], dim=1)
        raise HostError(
            f"{pair.discriminator} takes {expected} channels, neither the output's nor source's and output's together; "
            "leave out --guide_show"
        )

    def _load_discriminators(self) -> None:
        """Build and load each pair's D, which the host leaves out at test time, to draw where it looks."""
        for pair in self.pairs:
            path = Path(self.model.save_dir) / f"{self._suffix()}_net_{pair.discriminator.removeprefix('net')}.pth"
            if not path.is_file():
                raise HostError(
                    f"no discriminator {path} to look with; change --name or --epoch, or leave out --guide_show"
                )
            weights = torch.load(path, map_location=self.model.device, weights_only=True)
            discriminator = self._define_discriminator(weights)
            discriminator.load_state_dict(weights)
            setattr(self.model, pair.discriminator, discriminator.to(self.model.device))
            self.guides[pair.name].watch(discriminator)

    def _define_discriminator(self, weights: dict[str, Tensor]) -> nn.Module:
        options, networks = self.model.opt, sys.modules["models.networks"]
        channels = next(weight.shape[1] for weight in weights.values() if weight.dim() == 4)
        with torch.random.fork_rng():  # a test draws the same dropout with and without it
            network: nn.Module = networks.define_D(
                channels,
                options.ndf,
                options.netD,
                options.n_layers_D,
                options.norm,
                options.init_type,
                options.init_gain,
            )
        return network
