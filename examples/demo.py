"""The main job on data made on the spot: train, test, and see where the discriminator looks.

    make demo

Trains ``--model guide_cycle_gan`` inside ``examples/reference_host`` through the launcher: plain objects learn to be
striped. Ends with the page of results, how often the maps' peak lies on the object, and how long it took.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from guidegan_plugin.datasets.synthetic.shapes import write_unpaired
from guidegan_plugin.evaluation.attention_statistics import attention_quality

ROOT = Path(__file__).resolve().parent.parent
HOST = ROOT / "examples" / "reference_host"
OUT = ROOT / "demo"
SIZE = 64
MODEL = ["--model", "guide_cycle_gan", "--netG", "resnet_6blocks", "--ngf", 16, "--ndf", 32, "--num_threads", 0]


def guided(script: str, *arguments: object) -> None:
    """Run a script of the host with guidance within its reach, as ``guidegan run`` does."""
    common = ["--dataroot", OUT / "data", "--checkpoints_dir", OUT / "checkpoints", "--name", "shapes", *MODEL]
    command = [sys.executable, "-m", "guidegan_plugin", "run", HOST / script, *common, "--crop_size", SIZE, *arguments]
    subprocess.run([str(part) for part in command], check=True)


def main() -> None:
    """Make data, train, test, score."""
    started = time.monotonic()
    if not (OUT / "data").exists():
        write_unpaired(OUT / "data", size=SIZE, count=400)
    epochs = ["--n_epochs", 3, "--n_epochs_decay", 2]
    pages = ["--print_freq", 100, "--display_freq", 100, "--update_html_freq", 100]
    guided("train.py", "--load_size", SIZE * 9 // 8, "--seed", 0, *epochs, *pages)
    trained = time.monotonic()
    results = ["--results_dir", OUT / "results", "--num_test", 80, "--display_winsize", 128]
    guided("test.py", "--load_size", SIZE, "--guide_show", *results)
    page = OUT / "results" / "shapes" / "test_latest"
    print()
    for domain, task in (("A", "plain to striped"), ("B", "striped to plain")):
        found = attention_quality(page / "images", OUT / "data" / "regions" / f"test{domain}", f"_attention_{domain}")
        print(
            f"{task}: pointing game {found.pointing_game:.2f}, AUC {found.auc:.2f} on {found.images} test images "
            f"(a map that says nothing scores {found.region_share:.2f} and 0.50)"
        )
    print(f"trained in {trained - started:.0f} s, {time.monotonic() - started:.0f} s in all; the page:")
    print(page / "index.html")


if __name__ == "__main__":
    main()
