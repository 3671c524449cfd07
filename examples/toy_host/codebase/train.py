"""python train.py --out runs/first --epochs 2"""

import argparse
from pathlib import Path

from toy_data import images
from toy_gan import ToyGan

parser = argparse.ArgumentParser()
parser.add_argument("--out", type=Path, default=Path("runs"))
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--resume", type=int, default=0)
options = parser.parse_args()

options.out.mkdir(parents=True, exist_ok=True)
names, gray, colour = images()
gan = ToyGan()
if options.resume:
    gan.resume(options.out, options.resume)
for epoch in range(options.resume + 1, options.epochs + 1):
    for start in range(0, len(names), 2):
        rows = slice(start, start + 2)
        gan.train_on({"gray": gray[rows], "colour": colour[rows], "names": names[rows]})
    gan.save(options.out, epoch)
print(f"trained {options.epochs} epochs, checkpoints in {options.out}")
