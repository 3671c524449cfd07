"""Data sets. `--dataset_mode NAME` is the class `NameDataset` of `data/NAME_dataset.py`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import torch.distributed as dist
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler
from util.util import find_class

from .base_dataset import BaseDataset


def find_dataset_using_name(dataset_name: str) -> type[BaseDataset]:
    """Return the data set class that `--dataset_mode` names."""
    return find_class("data", dataset_name, "dataset", BaseDataset)


def get_option_setter(dataset_name: str) -> Callable[[argparse.ArgumentParser, bool], argparse.ArgumentParser]:
    """Return the function with which a data set adds its options."""
    return find_dataset_using_name(dataset_name).modify_commandline_options


def create_dataset(opt: argparse.Namespace) -> CustomDatasetDataLoader:
    """Make the data set that the options name, and its loader."""
    return CustomDatasetDataLoader(opt)


class CustomDatasetDataLoader:
    """Loads a data set in batches; in a distributed run, this process's share of it.

    Args:
        opt: Options.
    """

    def __init__(self, opt: argparse.Namespace) -> None:
        self.opt = opt
        self.dataset = find_dataset_using_name(opt.dataset_mode)(opt)
        shuffle = not opt.serial_batches
        self.sampler: DistributedSampler[dict[str, Any]] | None = None
        if dist.is_initialized():
            self.sampler = DistributedSampler(self.dataset, shuffle=shuffle, seed=opt.seed or 0)
        self.dataloader = DataLoader(
            self.dataset,
            batch_size=opt.batch_size,
            shuffle=shuffle and self.sampler is None,
            sampler=self.sampler,
            num_workers=opt.num_threads,
        )

    def set_epoch(self, epoch: int) -> None:
        """Let a distributed run shuffle differently in each epoch."""
        if self.sampler is not None:
            self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        """Number of images in an epoch, over all processes."""
        return int(min(len(self.dataset), self.opt.max_dataset_size))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield batches, and no more images than `max_dataset_size`."""
        for number, batch in enumerate(self.dataloader):
            if number * self.opt.batch_size >= self.opt.max_dataset_size:
                break
            yield batch
