"""Translate images with a trained model and show them on a page.

Examples:
    python test.py --dataroot datasets/maps --name maps_cyclegan --model cycle_gan
    python test.py --dataroot datasets/maps/testA --name maps_cyclegan --model test --model_suffix _A --no_dropout
"""

from __future__ import annotations

from pathlib import Path

from data import create_dataset
from models import create_model
from options.test_options import TestOptions
from util.html import HTML
from util.util import cleanup_ddp, init_ddp
from util.visualizer import save_images


def main() -> None:
    """Test as the command line says."""
    opt = TestOptions().parse()
    opt.device = init_ddp()
    # One image at a time, in order and unflipped, so that results carry the names of their sources.
    opt.num_threads = 0
    opt.batch_size = 1
    opt.serial_batches = True
    opt.no_flip = True
    dataset = create_dataset(opt)
    model = create_model(opt)
    model.setup(opt)
    if opt.eval:
        model.eval()

    checkpoint = f"{opt.epoch}_iter{opt.load_iter}" if opt.load_iter > 0 else opt.epoch
    folder = Path(opt.results_dir) / opt.name / f"{opt.phase}_{checkpoint}"
    page = HTML(folder, f"{opt.name}, {opt.phase}, {checkpoint}")
    for number, batch in enumerate(dataset):
        if number >= opt.num_test:
            break
        model.set_input(batch)
        model.test()
        visuals = model.get_current_visuals()
        save_images(page, visuals, model.get_image_paths(), opt.aspect_ratio, opt.display_winsize)
    print(page.save())
    cleanup_ddp()


if __name__ == "__main__":
    main()
