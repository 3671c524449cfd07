"""python test.py --out runs/first --epoch 2"""

import argparse
from pathlib import Path

from torchvision.utils import save_image
from toy_data import images
from toy_gan import ToyGan

parser = argparse.ArgumentParser()
parser.add_argument("--out", type=Path, default=Path("runs"))
parser.add_argument("--epoch", type=int, default=2)
options = parser.parse_args()

gan = ToyGan()
gan.load(options.out / f"{options.epoch}.pth")
names, gray, _ = images()
(options.out / "images").mkdir(exist_ok=True)
for name, image, output in zip(names, gray, gan.translate(gray), strict=True):
    save_image(image / 2 + 0.5, options.out / "images" / f"gray_{name}")
    save_image(output / 2 + 0.5, options.out / "images" / f"colour_{name}")
print(f"translated {len(names)} images into {options.out / 'images'}")
