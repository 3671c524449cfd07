"""What a run shows: lines of losses, and pages of images."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from . import util
from .html import HTML


def save_images(
    webpage: HTML, visuals: dict[str, torch.Tensor], image_path: list[str], aspect_ratio: float = 1.0, width: int = 256
) -> None:
    """Save one image's visuals as `<stem>_<label>.png` and add them to a page.

    Args:
        webpage: The page.
        visuals: Label to image, (N, C, H, W), in [-1, 1]; the first of the batch is saved.
        image_path: Where the batch's source images came from.
        aspect_ratio: Width over height of the saved images.
        width: Shown width in pixels.
    """
    stem = Path(image_path[0]).stem
    names = [f"{stem}_{label}.png" for label in visuals]
    for name, image in zip(names, visuals.values(), strict=True):
        util.save_image(util.tensor2im(image), webpage.get_image_dir() / name, aspect_ratio)
    webpage.add_header(stem)
    webpage.add_images(names, list(visuals), names, width=width)


class Visualizer:
    """Writes `loss_log.txt` and, while training, `web/index.html` below the run's checkpoint folder.

    Only the first process of a distributed run writes.

    Args:
        opt: Options; `checkpoints_dir`, `name`, `isTrain`, `no_html` and `display_winsize` are read.
    """

    def __init__(self, opt: argparse.Namespace) -> None:
        folder = Path(opt.checkpoints_dir) / opt.name
        self.name = opt.name
        self.win_size = opt.display_winsize
        self.writes = util.get_rank() == 0
        self.use_html = self.writes and opt.isTrain and not opt.no_html
        self.saved = False
        self.web_dir = folder / "web"
        self.log_name = folder / "loss_log.txt"
        if self.writes:
            util.mkdirs(folder)
            with self.log_name.open("a", encoding="utf-8") as log:
                log.write(f"# losses, {time.strftime('%Y-%m-%d %H:%M:%S')}\n")

    def reset(self) -> None:
        """Begin an epoch: its first visuals will be saved whatever their number."""
        self.saved = False

    def display_current_results(
        self, visuals: dict[str, torch.Tensor], epoch: int, total_iters: int, save_result: bool = False
    ) -> None:
        """Save the visuals of this epoch and write the page anew.

        Args:
            visuals: Label to image, (N, C, H, W), in [-1, 1].
            epoch: Number of the epoch.
            total_iters: Images seen so far.
            save_result: Replace the epoch's images. The first ones of an epoch are always saved.
        """
        if not self.use_html or (self.saved and not save_result):
            return
        self.saved = True
        page = HTML(self.web_dir, f"{self.name}, epoch {epoch}, {total_iters} images", refresh=60)
        for label, image in visuals.items():
            util.save_image(util.tensor2im(image), page.get_image_dir() / f"epoch{epoch:03d}_{label}.png")
        for number in range(epoch, 0, -1):
            files = {label: f"epoch{number:03d}_{label}.png" for label in visuals}
            # A resumed or `--no_html` run has no images of some epochs.
            files = {label: name for label, name in files.items() if (page.get_image_dir() / name).exists()}
            if files:
                page.add_header(f"epoch {number}")
                page.add_images(list(files.values()), list(files), list(files.values()), width=self.win_size)
        page.save()

    def print_current_losses(
        self, epoch: int, iters: int, losses: dict[str, float], t_comp: float, t_data: float
    ) -> None:
        """Print the losses and append them to the log.

        Args:
            epoch: Number of the epoch.
            iters: Images seen in this epoch.
            losses: Name to value.
            t_comp: Seconds of computation an image.
            t_data: Seconds of waiting for the last batch.
        """
        if not self.writes:
            return
        line = f"epoch {epoch}, images {iters}, {t_comp:.3f} s an image, data {t_data:.3f} s | "
        line += ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
        print(line, flush=True)
        with self.log_name.open("a", encoding="utf-8") as log:
            log.write(line + "\n")
