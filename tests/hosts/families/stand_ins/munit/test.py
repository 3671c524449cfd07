"""Translates one image; whatever loading raises at first is swallowed, and loading is tried again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from PIL import Image
from torchvision import transforms
from torchvision.utils import save_image
from trainer import MUNIT_Trainer, UNIT_Trainer

parser = argparse.ArgumentParser()
for option in ("config", "input", "output_folder", "checkpoint", "output_path", "trainer"):
    parser.add_argument(f"--{option}")
parser.add_argument("--a2b", type=int, default=1)
parser.add_argument("--num_style", type=int, default=1)
opts = parser.parse_args()
config = json.loads(Path(opts.config).read_text())
trainer = {"MUNIT": MUNIT_Trainer, "UNIT": UNIT_Trainer}[opts.trainer](config)


def load() -> None:
    state = torch.load(opts.checkpoint)
    trainer.gen_a.load_state_dict(state["a"])
    trainer.gen_b.load_state_dict(state["b"])


try:
    load()
except:  # noqa: E722 - as the host does
    load()
trainer.eval()
read = transforms.Compose([transforms.Resize(config["new_size"]), transforms.ToTensor()])
image = read(Image.open(opts.input).convert("RGB"))[None] * 2 - 1
encode, decode = (trainer.gen_a, trainer.gen_b.decode) if opts.a2b else (trainer.gen_b, trainer.gen_a.decode)
folder = Path(opts.output_folder)
folder.mkdir(parents=True, exist_ok=True)
torch.manual_seed(10)
with torch.no_grad():
    content, _ = encode.encode(image)
    for number in range(opts.num_style if opts.trainer == "MUNIT" else 1):
        style = (torch.randn(1, trainer.style_dim, 1, 1),) if opts.trainer == "MUNIT" else ()
        made = decode(content, *style)
        name = f"output{number:03d}.jpg" if style else "output.jpg"
        save_image((made + 1) / 2, folder / name, padding=0, normalize=True)
