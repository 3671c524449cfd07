"""Trains, and saves after each epoch."""

from __future__ import annotations

from pathlib import Path

from data import load_data
from models.models import create_model
from options import parse
from torch.autograd import Variable

opt = parse("train")
folder = Path(opt.checkpoints_dir) / opt.name
folder.mkdir(parents=True, exist_ok=True)
start = 1 + int((folder / "iter.txt").read_text() if opt.continue_train else 0)
dataset = load_data(opt)
model = create_model(opt)
optimizer_G, optimizer_D = model.module.optimizer_G, model.module.optimizer_D
for epoch in range(start, opt.niter + opt.niter_decay + 1):
    for data in dataset:
        loss_G, loss_D = model(Variable(data["label"]), Variable(data["inst"]), Variable(data["image"]))
        for optimizer, loss in ((optimizer_G, loss_G), (optimizer_D, loss_D)):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for name in ("latest", epoch):
        model.module.save(name)
    (folder / "iter.txt").write_text(str(epoch))
