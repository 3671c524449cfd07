"""What our three data sets share: images are checked at the start, and a corrupt one is named."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guidegan_plugin.errors import DataError
from guidegan_plugin.hosts.junyanz.datasets.checks import MIXED_MODES, check_folder, check_images, check_sizes, corrupt
from guidegan_plugin.hosts.junyanz.epochs import SAMPLES
from guidegan_plugin.hosts.junyanz.host_options import read_option

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
    """Mixed into a host's data set, before it."""

    halves = 1

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
        for folder in self.folders(opt):
            check_folder(folder)
        check_sizes(opt)
        super().__init__(opt, *args, **kwargs)
        for folder, paths in zip(self.folders(opt), self.image_lists(), strict=True):
            check_images(folder, paths, opt, getattr(opt, MIXED_MODES, "refuse") == "convert", self.halves)
        setattr(opt, SAMPLES, len(self))

    def folders(self, opt: Any) -> list[Path]:
        """The folders images come from."""
        return [Path(read_option(opt, "dataroot"))]

    def image_lists(self) -> list[list[str]]:
        """The images of each folder."""
        return []

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The host's item.

        Raises:
            DataError: If an image is corrupt; the message names all that are.
        """
        try:
            return super().__getitem__(index)
        except (OSError, SyntaxError) as error:
            found = corrupt([path for paths in self.image_lists() for path in paths])
            raise DataError(f"corrupt images: {', '.join(found) or error}; repair or remove them") from error
