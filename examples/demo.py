"""The main job on data made on the spot: train, test, and see where the discriminator looks.

    make demo

Plain objects learn to be striped: ``--model guide_cycle_gan`` in ``examples/reference_host``, through the launcher.
Then the same generator is tested with four maps in the place of those it was trained with: ones, the mean of what
training remembers, maps predicted from the image, and the discriminator's own, asked anew. Every step is a command that
a user would type, and the demo prints the command before it runs. The last lines say how often the peak of a map lies
on the object, how long the demo took, and where its pages are.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = Path("examples/reference_host")
OUT = Path("demo")
SIZE = 64
MAPS = {"ones": [], "mean": ["--guide_test_map", "mean"], "predicted": ["--guide_test_map", "predict"]}
MAPS["fresh"] = ["--guide_refine", "1"]
PAGES = (
    Path("results/shapes/test_latest/gallery"),
    Path("maps/ones/shapes/test_latest/gallery"),
    Path("checkpoints/shapes/gallery"),
)
DIRECTIONS = {"A": "plain to striped", "B": "striped to plain"}


def commands(out: Path, count: int = 300, tested: int = 80, epochs: int = 5) -> dict[str, list[str]]:
    """List the demo's steps in their order: a title, and the words that follow `guidegan`.

    Args:
        out: the folder in which everything is written.
        count: images of each domain to train with.
        tested: images of each domain to test with.
        epochs: epochs of the training; the learning rate falls in the second half of them.
    """
    data, runs, results = out / "data", out / "checkpoints", out / "results"
    shared = ["--dataroot", data, "--checkpoints_dir", runs, "--name", "shapes", "--model", "guide_cycle_gan"]
    shared += ["--netG", "resnet_6blocks", "--ngf", 16, "--ndf", 32, "--crop_size", SIZE, "--num_threads", 0]
    training = ["--load_size", SIZE * 9 // 8, "--guide_fast", "on"]
    training += ["--seed", 0, "--save_epoch_freq", 1]
    training += ["--n_epochs", epochs - epochs // 2, "--n_epochs_decay", epochs // 2]
    plain = ["--load_size", SIZE, "--display_winsize", 2 * SIZE]
    testing = [*plain, "--guide_show", "--num_test", tested, "--results_dir", results]
    compared = [*plain, "--num_test", min(tested, 20), "--guide_no_gallery"]
    tests = {name: out / "maps" / name / "shapes" / "test_latest" for name in MAPS}
    beside = [word for name, test in tests.items() for word in ("--beside", f"{name}={test}")]
    predicting = ["--json", predictor_file(out), "--quiet"]
    images = results / "shapes" / "test_latest" / "images"
    steps: dict[str, list[object]] = {
        "Draw the data": ["data", "shapes", data, "--size", SIZE, "--count", count, "--test-count", tested],
        "Train": ["run", HOST / "train.py", *shared, *training],
        "Test, and show where the discriminator looks": ["run", HOST / "test.py", *shared, *testing],
        "Learn to predict maps from images": ["predict-maps", runs / "shapes", *predicting],
    }
    for name, given in MAPS.items():
        words = ["run", HOST / "test.py", *shared, *compared, *given, "--results_dir", out / "maps" / name]
        steps[f"Test with other maps: {name}"] = words
    steps["Make a page of these four, side by side"] = ["gallery", tests["ones"], *beside]
    steps["Make a page of the maps over the epochs"] = ["gallery", runs / "shapes"]
    for domain, direction in DIRECTIONS.items():
        found = ["--maps", images, "--regions", data / "regions" / f"test{domain}", "--suffix", f"_attention_{domain}"]
        kept = ["--json", score_file(out, domain), "--quiet"]
        steps[f"Score the maps, {direction}"] = ["evaluate", "attention", *found, *kept]
    return {title: [str(word) for word in words] for title, words in steps.items()}


def predictor_file(out: Path) -> Path:
    """Where it is kept how well maps are predicted."""
    return out / "predicted_maps.json"


def score_file(out: Path, domain: str) -> Path:
    """Where the scores of a domain's maps are kept."""
    return out / f"attention_{domain}.json"


def free_cores() -> int:
    """How many cores have nothing to do; all of them where the system does not say.

    Two threads that share one free core spend most of their time waiting for each other.
    """
    cores, stat = os.cpu_count() or 1, Path("/proc/stat")
    if not stat.exists():
        return cores
    before, started = int(stat.read_text().split()[4]), time.monotonic()
    time.sleep(0.5)
    idle = (int(stat.read_text().split()[4]) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - started)
    return max(1, min(round(idle), cores))


def run(words: Sequence[str], log: Path) -> None:
    """Run `guidegan`: how far the training is goes to the screen, all else that it prints into a file.

    Raises:
        SystemExit: the command failed; its standard error is on the screen.
    """
    command = [sys.executable, "-m", "guidegan_plugin", *words]
    env = {"OMP_NUM_THREADS": str(min(free_cores(), 4))} | os.environ
    with (
        log.open("a") as kept,
        subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            kept.write(line)
            if " took " in line:
                print(f"      {line}", end="", flush=True)
    if process.returncode:
        raise SystemExit(f"guidegan {words[0]} ended with exit code {process.returncode}; {log} has what it printed")


def main() -> None:
    """Draw data, train, test, make the pages, score."""
    out = ROOT / OUT
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    steps, seconds = commands(OUT), {}
    print(f"A guided CycleGAN learns to draw stripes on plain objects; about six minutes on two cores, into {out}.")
    for number, (title, words) in enumerate(steps.items(), start=1):
        print(f"\n[{number}/{len(steps)}] {title}:\n      guidegan {shlex.join(words)}", flush=True)
        started = time.monotonic()
        run(words, out / "log.txt")
        seconds[title] = time.monotonic() - started
    print()
    for domain, direction in DIRECTIONS.items():
        found = json.loads(score_file(out, domain).read_text())
        print(
            f"{direction}: pointing game {found['pointing_game']:.2f}, AUC {found['auc']:.2f} on {found['images']} "
            f"test images (a map that says nothing scores {found['region_share']:.2f} and 0.50)"
        )
    for pair, told in json.loads(predictor_file(out).read_text())["pairs"].items():
        print(
            f"{DIRECTIONS[pair]}: correlation with the discriminator's maps {told['correlation']:.2f} where predicted, "
            f"{told['mean_correlation']:.2f} for the mean map, on {told['held_out']} images that were held out"
        )
    print(f"trained in {seconds['Train']:.0f} s, {sum(seconds.values()):.0f} s in all; the pages:")
    for page in PAGES:
        print(out / page / "index.html")


if __name__ == "__main__":
    main()
