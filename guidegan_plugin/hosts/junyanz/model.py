"""``--model guide_<x>``: the host's own model class with guidance mixed in; its training loop is not rewritten."""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from guidegan_plugin.attaching.mechanism_options import add_guide_options, config_from
from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import HostError, StoreError
from guidegan_plugin.fast.speedups import Speedups
from guidegan_plugin.guidance.memory.store_file import STORE_ENDING
from guidegan_plugin.hosts.failed_saves import FailedSaves
from guidegan_plugin.hosts.junyanz import presets
from guidegan_plugin.hosts.junyanz import training_state as full_state
from guidegan_plugin.hosts.junyanz.checkpoints import complete_set, finish, other_epochs, roll_forward
from guidegan_plugin.hosts.junyanz.codebase import DATASETS, Codebase
from guidegan_plugin.hosts.junyanz.dry_run import DryRun
from guidegan_plugin.hosts.junyanz.fast_training import reach_loader, speed_up_model
from guidegan_plugin.hosts.junyanz.guides import HostGuides
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.hosts.junyanz.refined_test import HostRefinement
from guidegan_plugin.hosts.junyanz.result_page import leave_gallery
from guidegan_plugin.hosts.junyanz.unconditional import check_resumed, output_alone
from guidegan_plugin.hosts.junyanz.visuals import AttentionVisuals
from guidegan_plugin.hosts.script_end import when_over
from guidegan_plugin.plugins.listeners import add_monitor_options
from guidegan_plugin.plugins.manager import create_manager
from guidegan_plugin.utils.distributed import is_first_rank
from guidegan_plugin.utils.locks import FolderLock

if TYPE_CHECKING:
    from guidegan_plugin.hosts.junyanz.host_types import HostModel
else:
    HostModel = object


def guided_model(name: str) -> type:
    """The guided form of a host's model.

    Args:
        name: As for ``--model``, without ``guide_``.

    Returns:
        A subclass of the host's class whose name the host's discovery expects.

    Raises:
        HostError: If the host has no such model.
    """
    if name.startswith("guide_") or importlib.util.find_spec(f"models.{name}_model") is None:
        known = ", ".join(f"guide_{model}" for model in Codebase.running().model_names())
        raise HostError(f"the host has no model {name!r}, it can guide: {known}; change --model")
    base = importlib.import_module("models").find_model_using_name(name)
    return type(f"Guide{base.__name__}", (GuidedModel, base), {"host_model": name, "__module__": __name__})


class GuidedModel(HostModel):
    """Mixed into a host's model class, before it."""

    host_model: ClassVar[str]

    @classmethod
    def modify_commandline_options(
        cls, parser: argparse.ArgumentParser, is_train: bool = True
    ) -> argparse.ArgumentParser:
        """The model's own options, ours, and our data set in place of the host's where there is one."""
        parser = super().modify_commandline_options(parser, is_train)
        manager = create_manager()
        add_guide_options(manager, parser)
        parser.add_argument("--guide_pairs", default="", help="netG:netD:real_A:A_paths,... of an unknown model")
        parser.add_argument("--guide_dry_run", action="store_true", help="train one step, say what it showed, and stop")
        parser.add_argument("--guide_no_visuals", action="store_true", help="no attention maps on the host's pages")
        if is_train:
            parser.add_argument(
                "--guide_unconditional", action="store_true", help="pix2pix: D judges the output alone (GAN), no input"
            )
            parser.add_argument(
                "--guide_full_state",
                action="store_true",
                help="also save optimizers, schedules, image pools, random states and the epoch, and resume from them",
            )
        else:
            parser.add_argument("--guide_show", action="store_true", help="load D to draw where it looks")
            parser.add_argument("--guide_no_gallery", action="store_true", help="no gallery of the results")
            parser.add_argument(
                "--guide_refine",
                type=int,
                default=0,
                help="translate again with where D looks, so often at most, while its score rises",
            )
        add_monitor_options(manager, parser, is_train)
        parser.add_argument(
            "--guide_preset", default="", help="settings as defaults, the paper's or ours: guidegan presets"
        )
        presets.set_defaults(parser, cls.host_model, is_train)
        if is_train:
            reach_loader(parser)
        if (mode := parser.get_default("dataset_mode")) in DATASETS:
            parser.set_defaults(dataset_mode=f"guide_{mode}")
        return parser

    def __init__(self, opt: argparse.Namespace, *args: Any, **kwargs: Any) -> None:
        config = config_from(create_manager(), vars(opt))
        with output_alone(opt, self.host_model):
            super().__init__(opt, *args, **kwargs)
        if self._writes(config):
            lock = FolderLock(Path(self.save_dir), "change --name, or wait until it is over")
            when_over(lock.release)
        self._failed_saves = FailedSaves()
        self.guides = HostGuides(self, self.host_model, config)
        self.attention_visuals = AttentionVisuals(self.guides)
        self.refinement = HostRefinement(self.guides, self.attention_visuals)
        self.speedups: Speedups | None = None  # once the networks are set up
        # Some hosts run their generators before setup(), to learn the shapes of features: CUT.
        self._begun = False
        self._random_states: dict[str, Any] = {}
        self._dry_run = DryRun(self.guides) if opt.guide_dry_run else None
        self.guides.adapt()
        self._resumed = self._training_state()
        if self._resumed is not None:
            opt.epoch_count = self._resumed["epochs"] + 1  # the host's loop, and its linear schedule, go on from here
            full_state.restore_random_states(self._resumed)  # for a loader that begins before setup()
        self._first_epoch = read_option(opt, "epoch_count")

    def _writes(self, config: GuideConfig) -> bool:
        """Whether this process writes what no second one may write over."""
        ours = config.attention != "none" or (self.isTrain and self.opt.guide_full_state)
        return bool(self.isTrain and ours and is_first_rank() and not self.opt.guide_dry_run)

    # Forks give the family's methods further arguments and results: what is not ours goes through as it came.

    def setup(self, opt: argparse.Namespace, *args: Any, **kwargs: Any) -> Any:
        """The host's setup; generators are widened between their initialisation and any wrapping."""
        if self._dry_run is not None and not self._dry_run.trains:
            self._dry_run.finish()
        (finish if self.isTrain else roll_forward)(Path(self.save_dir))
        self.guides.check_tested()
        check_resumed(self, self.guides.memory.suffix)
        networks, suffix = self.guides.new_networks, self.guides.memory.suffix
        with networks.unreadable_named(suffix), networks.fresh_without_file(suffix), _options_named():
            if self.guides.codebase.generation == "classic":
                result = super().setup(opt, *args, **kwargs)
            else:
                self.guides.narrow()  # initialised as wide as the host made them
                with _after_initialisation(self.guides.adapt):
                    result = super().setup(opt, *args, **kwargs)
        self.guides.adapt()  # those that a fork initialises otherwise
        self.guides.after_setup()
        self.attention_visuals.load_discriminators()
        if self._resumed is not None:
            full_state.restore(self, {**self._resumed, **self._random_states})
        self.speedups = speed_up_model(self.guides)
        if self.guides.active and not self.isTrain and not opt.guide_no_gallery and is_first_rank():
            leave_gallery(opt, self.guides.config.concat)
        self._begun = True
        return result

    def _training_state(self) -> dict[str, Any] | None:
        """What ``--guide_full_state`` saved beside the checkpoint to be resumed, None where that is not asked for."""
        if not (self.isTrain and self.opt.guide_full_state and read_option(self.opt, "continue_train")):
            return None
        finish(Path(self.save_dir))
        return full_state.load(Path(self.save_dir) / f"{self.guides.memory.suffix}{full_state.ENDING}")

    def set_input(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        """The host's, then each pair's source images are bound to their keys; for a pass before setup none are."""
        result = super().set_input(input, *args, **kwargs)
        if self.speedups is not None and self.speedups.graphs:
            self.speedups.begin_step()
        if self._begun:
            self.guides.bind(input)
        elif self._resumed is not None and not self._random_states:
            # The pass before setup() is no part of the training that goes on.
            self._random_states = full_state.random_states()
        return result

    def optimize_parameters(self, *args: Any, **kwargs: Any) -> Any:
        """The host's; in a dry run the last thing that it does."""
        self._begun = True  # also where a fork trains without setup()
        if self.speedups is None:
            self.speedups = speed_up_model(self.guides)
        with contextlib.nullcontext() if self._dry_run is None else self._dry_run.step():
            return super().optimize_parameters(*args, **kwargs)

    def test(self, *args: Any, **kwargs: Any) -> Any:
        """The host's, once refinement has found the maps with which this batch comes out best."""
        if args or kwargs:  # BicycleGAN's test is told its noise: that is no plain forward
            self.refinement.find(functools.partial(super().test, *args, **kwargs))
        else:
            self.refinement.find()
        return super().test(*args, **kwargs)

    def compute_visuals(self, *args: Any, **kwargs: Any) -> Any:
        """The host's, and the attention maps."""
        result = super().compute_visuals(*args, **kwargs)
        self.attention_visuals.draw()
        return result

    def update_learning_rate(self, *args: Any, **kwargs: Any) -> Any:
        """The host's; it marks the epochs."""
        if self._dry_run is not None:
            self._dry_run.finish()
        result = super().update_learning_rate(*args, **kwargs)
        self.guides.end_epoch()
        return result

    def save_networks(self, epoch: int | str, *args: Any, **kwargs: Any) -> Any:
        """The host's files, the store and the training state, all together or not at all."""
        save = functools.partial(super().save_networks, epoch, *args, **kwargs)
        if not is_first_rank() or not (self.guides.active or self.opt.guide_full_state):
            return save()
        try:
            result = self._save_all(epoch, save)
            self._failed_saves.made_good(epoch)
            return result
        except StoreError as error:
            self._failed_saves.add(epoch, error)
            for name in self.model_names:  # the classic generation moves its networks to the CPU to save them
                getattr(self, f"net{name}").to(self.device)
            return None

    def _save_all(self, epoch: int | str, save: Callable[[], Any]) -> Any:
        folder = self.save_dir
        with complete_set(Path(folder)) as writing:
            self.save_dir = type(folder)(writing)
            try:
                result = save()
            finally:
                self.save_dir = folder
            if self.guides.active:
                self.guides.memory.save(writing / f"{epoch}{STORE_ENDING}", Path(folder))
            if self.opt.guide_full_state:
                self.guides.settle()
                count = self.guides.epoch
                named = epoch - self._first_epoch + 1 if isinstance(epoch, int) else epoch
                completed = self._first_epoch - 1 + count.completed(named)
                state = full_state.capture(self, completed, count.step_is_due)
                torch.save(state, writing / f"{epoch}{full_state.ENDING}")
        return result


@contextmanager
def _options_named() -> Iterator[None]:
    """While it lasts, a checkpoint that is not there or does not fit ends in one line that names the host's options."""
    try:
        yield
    except FileNotFoundError as error:
        found = f"no checkpoint {error.filename}" if error.filename else str(error)
        raise HostError(
            f"{found}; change --name, --epoch{other_epochs(Path(error.filename or ''))} or --checkpoints_dir (a "
            "training shorter than --save_epoch_freq epochs and --save_latest_freq images saves nothing)"
        ) from error
    except StoreError as error:  # weights of another width
        raise StoreError(f"{error} (--input_nc, or --name, --epoch)") from error


@contextmanager
def _after_initialisation(act: Any) -> Iterator[None]:
    """While it lasts, ``networks.init_net`` calls ``act(network)`` after it initialised a network.

    The DDP generation initialises, loads and wraps in one loop of ``setup()``: widened earlier, the new channel would
    be initialised with noise; widened later, the wrapper's buckets would have the old size.
    """
    networks = sys.modules["models.networks"]
    original = networks.init_net

    def init_net(network: torch.nn.Module, *args: Any, **kwargs: Any) -> torch.nn.Module:
        initialised: torch.nn.Module = original(network, *args, **kwargs)
        act(initialised)
        return initialised

    vars(networks)["init_net"] = init_net
    try:
        yield
    finally:
        vars(networks)["init_net"] = original
