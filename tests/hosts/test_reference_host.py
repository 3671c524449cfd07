"""The reference host trains, tests, resumes and keeps the contract of its family."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.slow  # the host runs in processes of its own
HOST = Path(__file__).parents[2] / "examples" / "reference_host"
CYCLE = ["--model", "cycle_gan", "--netG", "resnet_6blocks", "--load_size", 36, "--crop_size", 32]
CYCLE += ["--netD", "n_layers", "--n_layers_D", 2]
PIX = ["--model", "pix2pix", "--netG", "unet_128", "--load_size", 132, "--crop_size", 128]
TEST_CYCLE = [*CYCLE[:4], "--load_size", 32, "--crop_size", 32]
TEST_PIX = [*PIX[:4], "--load_size", 128, "--crop_size", 128]
TRAIN = ["--ndf", 8, "--num_threads", 0, "--n_epochs", 1, "--n_epochs_decay", 0, "--seed", 7]
TRAIN += ["--display_freq", 1, "--print_freq", 1]


class Runs:
    """A data root, and the host's scripts run on it from elsewhere."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder, self.python = folder, python
        self.data = folder / "data"
        rng = np.random.default_rng(0)
        for name in ("trainA", "trainB", "testA", "testB", "train", "test"):
            (self.data / name).mkdir(parents=True)
            width, height = (32, 32) if name[-1] in "AB" else (256, 128)
            for number in range(3):
                noise = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
                picture = Image.fromarray(noise).resize((width, height))
                picture.save(self.data / name / f"{number}{'.PNG' if number else '.png'}")

    def __call__(self, *command: object) -> str:
        env = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHON_EXEC": self.python}
        done = subprocess.run(
            [self.python, *map(str, command)], cwd=self.folder, env=env, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def script(self, script: str, name: str, *options: object, launcher: tuple[str, ...] = ()) -> str:
        shared = ("--dataroot", self.data, "--checkpoints_dir", "runs", "--ngf", 8, "--name", name)
        return self(*launcher, HOST / script, *shared, *options)

    def weights(self, name: str, network: str) -> dict[str, torch.Tensor]:
        return torch.load(self.folder / "runs" / name / f"latest_net_{network}.pth", weights_only=True)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, warm_python: str) -> Runs:
    """Train CycleGAN and pix2pix once for all tests, and one of them from the first import on."""
    made = Runs(tmp_path_factory.mktemp("reference_host"), sys.executable)
    made.script("train.py", "cycle", *CYCLE, *TRAIN)
    made.python = warm_python
    made.script("train.py", "pix", *PIX, *TRAIN, "--direction", "BtoA")
    return made


@pytest.mark.parametrize(("name", "networks"), [("cycle", ["D_A", "D_B", "G_A", "G_B"]), ("pix", ["D", "G"])])
def test_training_leaves_latest_networks_losses_and_a_page(runs: Runs, name: str, networks: list[str]) -> None:
    folder = runs.folder / "runs" / name
    assert sorted(path.name for path in folder.glob("*.pth")) == [f"latest_net_{network}.pth" for network in networks]
    assert re.search(r"epoch 1, images 3, .*G_", (folder / "loss_log.txt").read_text())
    assert re.search(r"crop_size: \d+    \[default: 256\]", (folder / "train_opt.txt").read_text())
    page = (folder / "web" / "index.html").read_text()
    shown = re.findall(r'src="(images/\w+\.png)"', page)
    assert len(shown) == {"cycle": 8, "pix": 3}[name]
    assert all((folder / "web" / image).is_file() for image in shown)
    assert not re.search("https?://", page)


@pytest.mark.parametrize(
    ("name", "options", "labels"),
    [
        ("cycle", TEST_CYCLE, ["fake_A", "fake_B", "real_A", "real_B", "rec_A", "rec_B"]),
        ("pix", [*TEST_PIX, "--direction", "BtoA", "--eval"], ["fake_B", "real_A", "real_B"]),
    ],
)
def test_testing_prints_the_path_of_a_page_of_labelled_images(
    runs: Runs, name: str, options: list[object], labels: list[str]
) -> None:
    out = runs.script("test.py", name, *options, "--num_test", 2)
    page = runs.folder / out.splitlines()[-1]
    assert page == runs.folder / "results" / name / "test_latest" / "index.html"
    names = [f"{stem}_{label}.png" for stem in (0, 1) for label in labels]
    assert sorted(path.name for path in (page.parent / "images").iterdir()) == names
    assert all(f'src="images/{image}"' in page.read_text() for image in names)
    if name == "pix":  # `--direction BtoA`: the source is the right half
        pair = np.asarray(Image.open(runs.data / "test" / "0.png"))
        assert np.array_equal(np.asarray(Image.open(page.parent / "images" / "0_real_A.png")), pair[:, 128:])


def test_model_test_loads_one_generator(runs: Runs) -> None:
    options = ["--dataroot", runs.data / "testA", *TEST_CYCLE[2:], "--no_dropout", "--results_dir", "single"]
    runs.script("test.py", "cycle", *options, "--model_suffix", "_A")
    images = {path.name for path in (runs.folder / "single/cycle/test_latest/images").iterdir()}
    assert images == {f"{stem}_{label}.png" for stem in range(3) for label in ("fake", "real")}


def test_the_same_seed_gives_the_same_weights_and_training_continues_from_them(runs: Runs) -> None:
    runs.script("train.py", "again", *CYCLE, *TRAIN)
    for network in ("G_A", "G_B", "D_A", "D_B"):
        first, second = runs.weights("cycle", network), runs.weights("again", network)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)
    start = runs.weights("again", "G_A")
    # At a learning rate of zero the weights stay as they were loaded.
    frozen = ["--continue_train", "--epoch_count", 2, "--n_epochs", 2, "--lr", 0]
    runs.script("train.py", "again", *CYCLE, *TRAIN, *frozen)
    assert all(torch.equal(value, start[key]) for key, value in runs.weights("again", "G_A").items())
    page = (runs.folder / "runs" / "again" / "web" / "index.html").read_text()
    assert page.index("epoch002_fake_B.png") < page.index("epoch001_fake_B.png")


@pytest.mark.parametrize(("options", "network"), [(CYCLE, "G_A"), (PIX, "G")], ids=["cycle_gan", "pix2pix"])
def test_two_processes_without_gpu_train_and_the_first_one_saves(
    runs: Runs, options: list[object], network: str
) -> None:
    name = f"two_{network}"
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    out = runs.script("train.py", name, *options, *TRAIN, launcher=launcher)
    assert out.count("learning rate") == 1
    assert out.count("epoch 1, images 2,") == 1
    assert runs.weights(name, network).keys() == runs.weights("cycle" if network == "G_A" else "pix", network).keys()


def test_checkpoints_have_the_keys_and_widths_of_the_family(runs: Runs) -> None:
    generator = {key: tuple(value.shape) for key, value in runs.weights("cycle", "G_A").items()}
    assert list(generator)[:2] == ["model.1.weight", "model.1.bias"]
    assert generator["model.1.weight"] == (8, 3, 7, 7)
    assert generator["model.7.weight"] == (32, 16, 3, 3)
    assert generator["model.10.conv_block.1.weight"] == generator["model.15.conv_block.5.weight"] == (32, 32, 3, 3)
    assert (generator["model.16.weight"], generator["model.23.weight"]) == ((32, 16, 3, 3), (3, 8, 7, 7))
    assert len(generator) == 2 * (1 + 2 + 12 + 2 + 1)

    critic = {key: tuple(value.shape) for key, value in runs.weights("pix", "D").items()}
    widths = [critic[f"model.{number}.weight"] for number in (0, 2, 5, 8, 11)]
    assert widths == [(8, 6, 4, 4), (16, 8, 4, 4), (32, 16, 4, 4), (64, 32, 4, 4), (1, 64, 4, 4)]
    assert [key for key in critic if key.endswith("bias")] == [f"model.{number}.bias" for number in (0, 3, 6, 9, 11)]

    unet = {key: tuple(value.shape) for key, value in runs.weights("pix", "G").items()}
    assert next(iter(unet)) == "model.model.0.weight"
    assert unet["model.model.1.model.1.weight"] == (16, 8, 4, 4)
    assert unet["model.model.3.weight"] == (16, 3, 4, 4)
    assert unet[f"model.model.1{'.model.3' * 5}.model.1.weight"] == (64, 64, 4, 4)


PROBE = """
import json, pickle, sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
import torch
from PIL import Image
from data import base_dataset, find_dataset_using_name
from data.image_folder import make_dataset
from models import create_model, find_model_using_name, networks
from options.train_options import TrainOptions
from util.image_pool import ImagePool

calls, sizes, errors = {}, {}, []
for name in ("cycle_gan", "pix2pix"):
    sys.argv = f"train.py --dataroot . --model {name} --netG resnet_6blocks --ngf 2 --ndf 2".split()
    opt = TrainOptions().parse()
    opt.device = torch.device("cpu")
    model = create_model(opt)
    model.setup(opt)
    model.set_input({side: torch.rand(1, 3, 32, 32) for side in "AB"} | {"A_paths": ["a"], "B_paths": ["b"]})
    calls[name] = log = []
    def hook(net, args):
        called = next(n for n in model.model_names if getattr(model, "net" + n) is net)
        images = ("real_A", "real_B", "fake_A", "fake_B")
        known = next((i for i in images if getattr(model, i, None) is args[0]), "?")
        log.append(f"{called} {known}" + " grad" * args[0].requires_grad)
    for n in model.model_names:
        getattr(model, "net" + n).register_forward_pre_hook(hook)
    model.optimize_parameters()

picture = Image.new("RGB", (101, 77))
for mode in ("resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"):
    o = SimpleNamespace(preprocess=mode, load_size=48, crop_size=40, no_flip=False)
    for params in (None, base_dataset.get_params(o, picture.size) | {"flip": True}):
        transform = pickle.loads(pickle.dumps(base_dataset.get_transform(o, params, grayscale=params is None)))
        sizes.setdefault(mode, []).append(list(transform(picture).shape))

pool = ImagePool(2)
seen = [int(pool.query(torch.full((1, 1, 1, 1), float(number)))) for number in range(200)]
older = sum(value != number for number, value in enumerate(seen))

wrong = "nonsense"
for call, *args in ((find_model_using_name, wrong), (find_dataset_using_name, wrong), (make_dataset, wrong),
                    (make_dataset, "empty"), (networks.define_G, 3, 3, 8, wrong), (model.load_networks, wrong)):
    try:
        call(*args)
    except (ValueError, FileNotFoundError) as error:
        errors.append(str(error))
print(json.dumps({"calls": calls, "sizes": sizes, "pool": [seen[:2], older, ImagePool(0).query(0)], "errors": errors}))
"""


@pytest.fixture(scope="module")
def probe(runs: Runs) -> dict[str, Any]:
    """What a script inside the host's own process finds; its packages' names are too common to import them here."""
    (runs.folder / "empty").mkdir()
    return json.loads(runs("-c", PROBE, HOST).splitlines()[-1])


def test_a_step_calls_networks_in_the_order_of_the_family(probe: dict[str, Any]) -> None:
    cycle = probe["calls"]["cycle_gan"]
    assert cycle[:3] == ["G_A real_A", "G_B fake_B grad", "G_B real_B"]
    assert cycle[3:6] == ["G_A fake_A grad", "G_A real_B", "G_B real_A"]
    assert cycle[6:] == ["D_A fake_B grad", "D_B fake_A grad", "D_A real_B", "D_A ?", "D_B real_A", "D_B ?"]
    assert probe["calls"]["pix2pix"] == ["G real_A", "D ?", "D ?", "D ? grad"]


def test_transforms_can_be_pickled_and_have_the_promised_sizes(probe: dict[str, Any]) -> None:
    cropped = {key: [[1, 40, 40], [3, 40, 40]] for key in ("resize_and_crop", "crop", "scale_width_and_crop")}
    whole = {"scale_width": [[1, 40, 48], [3, 40, 48]], "none": [[1, 76, 100], [3, 76, 100]]}
    assert probe["sizes"] == cropped | whole


def test_the_image_pool_exchanges_about_half(probe: dict[str, Any]) -> None:
    first, older, switched_off = probe["pool"]
    assert (first, switched_off, 60 < older < 140) == ([0, 1], 0, True)


def test_what_is_missing_is_named(probe: dict[str, Any]) -> None:
    model, dataset, folder, empty, choice, checkpoint = probe["errors"]
    assert re.search("there is no model 'nonsense'.*cycle_gan, pix2pix, test", model)
    assert "there is no dataset 'nonsense'" in dataset
    assert "there is no folder 'nonsense'" in folder
    assert "no image in 'empty'" in empty
    assert "--netG is 'nonsense'; known are resnet_9blocks" in choice
    assert "nonsense_net_G.pth' (checkpoints there: none)" in checkpoint


def test_the_host_knows_nothing_of_its_extensions() -> None:
    files = [path for path in HOST.rglob("*") if path.suffix in (".py", ".md")]
    assert len(files) > 20
    for path in files:
        text = path.read_text(encoding="utf-8") + path.name
        # AGGAN has attention networks of its own.
        lines = [line for line in text.splitlines() if "AGGAN" not in line]
        own = re.sub("attention(-guided)?", "", text, flags=re.IGNORECASE) if path.stem.startswith("aggan") else ""
        assert not re.search("guid|attention", own or "\n".join(lines), re.IGNORECASE), path
