"""Train a model.

Examples:
    python train.py --dataroot datasets/maps --name maps_cyclegan --model cycle_gan
    python train.py --dataroot datasets/facades --name facades --model pix2pix --direction BtoA
    torchrun --nproc_per_node=2 train.py --dataroot datasets/maps --name maps_cyclegan --model cycle_gan
"""

from __future__ import annotations

import time

from data import create_dataset
from models import create_model
from options.train_options import TrainOptions
from util.util import cleanup_ddp, init_ddp
from util.visualizer import Visualizer


def main() -> None:
    """Train as the command line says."""
    opt = TrainOptions().parse()
    opt.device = init_ddp()
    dataset = create_dataset(opt)
    model = create_model(opt)
    model.setup(opt)
    visualizer = Visualizer(opt)
    total_iters = 0

    def due(every: int) -> bool:
        """Tell whether the last batch reached or passed a multiple of `every` images."""
        return bool(total_iters // every > (total_iters - opt.batch_size) // every)

    last_epoch = opt.n_epochs + opt.n_epochs_decay
    training_start = time.perf_counter()
    for epoch in range(opt.epoch_count, last_epoch + 1):
        dataset.set_epoch(epoch)
        visualizer.reset()
        epoch_iters = 0
        waiting_since = epoch_start = time.perf_counter()
        for batch in dataset:
            step_start = time.perf_counter()
            total_iters += opt.batch_size
            epoch_iters += opt.batch_size
            model.set_input(batch)
            model.optimize_parameters()

            if due(opt.display_freq):
                model.compute_visuals()
                visuals = model.get_current_visuals()
                visualizer.display_current_results(visuals, epoch, total_iters, due(opt.update_html_freq))
            if due(opt.print_freq):
                losses = model.get_current_losses()
                seconds = (time.perf_counter() - step_start) / opt.batch_size
                visualizer.print_current_losses(epoch, epoch_iters, losses, seconds, step_start - waiting_since)
            if due(opt.save_latest_freq):
                model.save_networks(f"iter_{total_iters}" if opt.save_by_iter else "latest")
            waiting_since = time.perf_counter()

        model.update_learning_rate()
        if epoch % opt.save_epoch_freq == 0:
            model.save_networks("latest")
            model.save_networks(epoch)
        if visualizer.writes:
            now = time.perf_counter()
            left = (now - training_start) / (epoch - opt.epoch_count + 1) * (last_epoch - epoch)
            print(f"epoch {epoch} of {last_epoch} took {now - epoch_start:.1f} s, about {left:.0f} s left", flush=True)

    model.save_networks("latest")
    cleanup_ddp()


if __name__ == "__main__":
    main()
