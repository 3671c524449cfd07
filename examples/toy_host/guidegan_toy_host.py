"""What guidegan_plugin is told of the codebase beside this file; docs/writing_a_host.md walks through it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from guidegan_plugin import Check, ClassHost, Host, Pair, Run, Sample, hookimpl, read_stores


class ToyHost(ClassHost):
    """A codebase of one class, ToyGan, that trains, saves and translates."""

    name: ClassVar[str] = "toy"

    # The class, what it holds, and its methods.
    trainer: ClassVar[str] = "toy_gan:ToyGan"
    pairs: ClassVar[tuple[Pair, ...]] = (Pair("netG", "netD", source="gray", keys="names", name="A"),)
    takes_batch: ClassVar[str] = "train_on"
    attaches_before: ClassVar[tuple[str, ...]] = ("load", "translate")
    ends_epoch: ClassVar[str] = "save"
    loads: ClassVar[str] = "resume"

    # Where it writes.
    checkpoints: ClassVar[str] = "runs"
    checkpoints_option: ClassVar[str] = "--out"
    run_holds: ClassVar[tuple[str, ...]] = ("images/gray_*.png", "[0-9]*.pth")

    @classmethod
    def read_run(cls, run: Path) -> Run:
        """The pictures of a test, and what the training remembers of the same images."""
        pictures = {path.name.removeprefix("gray_"): path for path in sorted((run / "images").glob("gray_*.png"))}
        tested = [
            Sample(name, "test", {"input": path, "output": path.with_name(f"colour_{name}")})
            for name, path in pictures.items()
        ]
        memory = read_stores(run, source=pictures.get)
        return Run([*tested, *memory.samples], memory.concat)

    def checks(self) -> Sequence[Check]:
        """The codebase writes its pictures with torchvision."""
        if find_spec("torchvision") is None:
            return [Check("pictures", "failure", "test.py needs torchvision", "pip install torchvision")]
        return [Check("pictures", "ok", "torchvision writes them")]


@hookimpl
def guidegan_register_host() -> list[type[Host]]:
    return [ToyHost]
