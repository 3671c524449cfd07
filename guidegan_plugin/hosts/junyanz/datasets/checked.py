"""What our three data sets share: images are checked at the start, and a corrupt one is named."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guidegan_plugin.errors import DataError
from guidegan_plugin.hosts.junyanz.datasets.checks import MIXED_MODES, check_folder, check_images, check_sizes, corrupt
from guidegan_plugin.hosts.junyanz.epochs import SAMPLES
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.utils.random_states import random_state, rewound

if TYPE_CHECKING:

    class HostDataset:
        """What a mixin may expect of the host's data sets."""

        opt: Any

        def __init__(self, opt: Any, *args: Any, **kwargs: Any) -> None: ...
        def __len__(self) -> int: ...
        def __getitem__(self, index: int) -> dict[str, Any]: ...
        @staticmethod
        def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> argparse.ArgumentParser: ...
else:
    HostDataset = object


class CheckedDataset(HostDataset):
    """Mixed into a host's data set, before it. What the host can use is not refused: in doubt the host is asked."""

    halves = 1
    domains: Sequence[str] = ("A",)
    reads_images_itself = False  # whether the host's images are none to Pillow: arrays, archives

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> argparse.ArgumentParser:
        """The host's options and what to do with images of several modes."""
        parser = super().modify_commandline_options(parser, is_train)
        parser.add_argument(
            f"--{MIXED_MODES}",
            choices=("refuse", "convert"),
            default="refuse",
            help="images of several modes (gray among colour) in a folder: refuse, or let the host convert them",
        )
        return parser

    def __init__(self, opt: Any, *args: Any, **kwargs: Any) -> None:  # forks have arguments of their own
        try:
            super().__init__(opt, *args, **kwargs)
        except Exception:  # the host's own refusal, in better words where we have them
            for folder in self.folders(opt):
                check_folder(folder)
            check_sizes(opt)
            raise
        for domain, folder, paths in zip(self.domains, self.folders(opt), self.image_lists(), strict=True):
            if paths is not None:
                self._check(Path(getattr(self, f"dir_{domain}", folder)), paths)
        if not hasattr(opt, SAMPLES):  # the first data set is the one that is trained on
            setattr(opt, SAMPLES, len(self))

    def _check(self, folder: Path, paths: Sequence[object]) -> None:
        convert = getattr(self.opt, MIXED_MODES, "refuse") == "convert"

        self.reads_images_itself |= not check_images(folder, paths, self.opt, convert, self._refuses, self.halves)
        if self._refuses(0):
            check_sizes(self.opt)

    def _refuses(self, position: int) -> bool:
        """Whether the host cannot make an item of the image at a position; what it makes is the host's business."""
        paired = getattr(self.opt, "serial_batches", False)
        with rewound(random_state()):
            try:
                self.opt.serial_batches = True  # unaligned images of B are drawn otherwise
                super().__getitem__(position)
            except (OSError, SyntaxError, ValueError, RuntimeError):
                return True
            except Exception:  # not ready yet: CUT's data set is told its epoch later
                return False
            finally:
                self.opt.serial_batches = paired
        return False

    def folders(self, opt: Any) -> list[Path]:
        """The folders images come from, one a domain."""
        return [Path(read_option(opt, "dataroot"))]

    def image_lists(self) -> list[Sequence[object] | None]:
        """The images of each domain as the host listed them; None where it keeps no such list."""
        return [getattr(self, f"{domain}_paths", None) for domain in self.domains]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The host's item.

        Raises:
            DataError: If an image is corrupt, the message names all that are; or if no image meets the sizes.
        """
        try:
            return super().__getitem__(index)
        except (OSError, SyntaxError) as error:
            if self.reads_images_itself:
                raise
            found = corrupt([str(path) for paths in self.image_lists() for path in paths or ()])
            raise DataError(f"corrupt images: {', '.join(found) or error}; repair or remove them") from error
        except (ValueError, RuntimeError):
            check_sizes(self.opt)
            raise
