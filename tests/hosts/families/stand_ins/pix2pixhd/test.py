"""Translates the test images, in training mode and with gradient, as the host does with a torch of today."""

from __future__ import annotations

from pathlib import Path

from data import load_data
from models.models import create_model
from options import parse
from torchvision.utils import save_image

opt = parse("test")
opt.batchSize = 1
folder = Path(opt.results_dir) / opt.name / f"{opt.phase}_{opt.which_epoch}" / "images"
folder.mkdir(parents=True, exist_ok=True)
dataset = load_data(opt)
model = create_model(opt)
for data in dataset:
    made = model.inference(data["label"], data["inst"])
    for label, images in {"input_label": data["label"], "synthesized_image": made.detach()}.items():
        save_image(images / 2 + 0.5, folder / f"{Path(data['path'][0]).stem}_{label}.jpg")
