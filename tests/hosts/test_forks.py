"""Forks of the family: options that lack or have other names, methods and data sets with other signatures."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from guidegan_plugin.errors import HostError
from guidegan_plugin.guidance.memory.store_file import load_stores
from guidegan_plugin.hosts.junyanz import host_options
from guidegan_plugin.hosts.junyanz.host_options import DEFAULTS, OTHER_NAMES, name_of_option, read_option
from guidegan_plugin.hosts.junyanz.known_pairs import known_pairs

Fork = Callable[..., Path]
RunFork = Callable[..., None]
Small = Callable[[str, Path], list[str]]
CHECKPOINTS = Path("checkpoints") / "run"
STORE = CHECKPOINTS / "latest_guide.safetensors"
RESULTS = Path("results") / "run" / "test_latest"

# As CUT and BicycleGAN: no load_iter, a norm for each kind of network, and older names of what says the length.
OTHER_OPTIONS = {
    "options/base_options.py": [
        ('        add("--load_iter", type=int, default=0, help="load iter_<load_iter> instead, when above 0")\n', ""),
        (
            'add("--norm", default="instance"',
            'add("--normG", default="instance")\n        add("--normD", default="instance"',
        ),
    ],
    "options/train_options.py": [("--n_epochs_decay", "--niter_decay"), ("--n_epochs", "--niter")],
    "train.py": [("opt.n_epochs_decay", "opt.niter_decay"), ("opt.n_epochs ", "opt.niter ")],
    "test.py": [('f"{opt.epoch}_iter{opt.load_iter}" if opt.load_iter > 0 else opt.epoch', "opt.epoch")],
    "models/base_model.py": [('f"iter_{opt.load_iter}" if opt.load_iter > 0 else opt.epoch', "opt.epoch")],
    "models/cycle_gan_model.py": [
        ("opt.netG, opt.norm,", "opt.netG, opt.normG,"),
        ("opt.n_layers_D, opt.norm,", "opt.n_layers_D, opt.normD,"),
    ],
    "models/networks.py": [("opt.n_epochs_decay", "opt.niter_decay"), ("opt.n_epochs", "opt.niter")],
}


def visits(pair: str = "A") -> list[int]:
    found: list[int] = load_stores(STORE)[0][pair]["visits"].tolist()
    return found


def test_every_option_of_a_host_is_read_in_one_place() -> None:
    folder = Path(str(host_options.__file__)).parent
    direct = re.compile(
        r"\b(?:opt|options)\.(?!guide_|isTrain\b|half\b|find\b|items\b)(\w+)|getattr\(opt(?:ions)?, \"(?!guide_)"
    )
    assigned = re.compile(r"\bopt\.\w+ = ")
    for path in folder.rglob("*.py"):
        if path.name != "host_options.py":
            lines = [
                line for line in path.read_text().splitlines() if direct.search(line) and not assigned.search(line)
            ]
            assert not lines, f"{path.name}: {lines}"


def test_an_option_that_lacks_has_the_familys_default_and_a_former_name_is_known() -> None:
    bare = argparse.Namespace(niter=7, fineSize=64, normD="batch")
    assert read_option(bare, "load_iter") == 0 and read_option(bare, "direction") == "AtoB"
    assert read_option(bare, "n_epochs") == 7 and read_option(bare, "crop_size") == 64
    assert name_of_option(bare, "norm") == "--normD" and name_of_option(bare, "ndf") == "--ndf"
    assert set(OTHER_NAMES) <= set(DEFAULTS)


def test_a_fork_whose_options_lack_or_have_other_names_trains_resumes_and_tests(
    fork: Fork, run_fork: RunFork, small: Small, unpaired: Path
) -> None:
    root = fork(OTHER_OPTIONS)
    options = small("guide_cycle_gan", unpaired)
    epochs = ["--niter", 1, "--niter_decay", 1, "--save_epoch_freq", 1]
    run_fork(root / "train.py", *options, *epochs, "--guide_anneal", "0:1", "--guide_transfer", "conv")
    assert visits() == [2, 2, 2]
    run_fork(
        root / "train.py", *options, *epochs, "--continue_train", "--guide_anneal", "0:1", "--guide_transfer", "conv"
    )
    assert visits() == [4, 4, 4]
    run_fork(root / "test.py", *options, "--guide_show", "--guide_transfer", "conv")
    assert (RESULTS / "images" / "0_attention_A.png").exists()


def test_methods_with_other_signatures_are_given_what_they_were_called_with_and_their_results_go_back(
    fork: Fork, run_fork: RunFork, small: Small, one_epoch: list[str], paired: Path
) -> None:
    root = fork(
        {
            "train.py": [
                ("model.set_input(batch)", 'assert model.set_input(batch, epoch, fresh=True) == "taken"'),
                ("model.setup(opt)", "assert model.setup(opt, verbose=False) is model"),
                ("model.update_learning_rate()", "assert model.update_learning_rate(epoch) == epoch"),
                ('model.save_networks("latest")', 'assert model.save_networks("latest", keep=True) == "latest"'),
            ],
            "test.py": [
                ("model.test()", "real, fake = model.test(torch.ones(1), encode=False)"),
                ("from data import", "import torch\nfrom data import"),
            ],
        },
        {
            "models/other_model.py": """
from .pix2pix_model import Pix2PixModel


class OtherModel(Pix2PixModel):
    def __init__(self, opt, extra=None):
        super().__init__(opt)

    def setup(self, opt, verbose):
        super().setup(opt)
        return self

    def set_input(self, input, epoch=0, fresh=False):
        super().set_input(input)
        assert fresh == self.isTrain
        return "taken"

    def test(self, z0, encode):
        super().test()
        return self.real_A, self.fake_B

    def compute_visuals(self, again=False):
        return 3

    def update_learning_rate(self, epoch):
        super().update_learning_rate()
        return epoch

    def save_networks(self, epoch, keep=False):
        super().save_networks(epoch)
        return epoch
"""
        },
    )
    text = (root / "test.py").read_text().replace("model.setup(opt)", "model.setup(opt, verbose=False)")
    (root / "test.py").write_text(text)
    options = [*small("guide_pix2pix", paired), *one_epoch, "--model", "guide_other"]
    options += ["--guide_pairs", "netG:netD:real_A:A_paths"]
    run_fork(root / "train.py", *options)
    assert visits() == [1, 1, 1]
    tested = [*small("guide_pix2pix", paired), "--model", "guide_other", "--guide_pairs", "netG:netD:real_A:A_paths"]
    run_fork(root / "test.py", *tested, "--guide_refine", 1)
    assert (RESULTS / "images" / "0_attention_A.png").exists()


def test_a_data_set_with_other_arguments_is_given_them(
    fork: Fork, run_fork: RunFork, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    root = fork(
        {
            "data/unaligned_dataset.py": [
                ("def __init__(self, opt: argparse.Namespace)", "def __init__(self, opt, val_eval, *, cache=None)"),
            ],
            "data/__init__.py": [
                (
                    "find_dataset_using_name(opt.dataset_mode)(opt)",
                    "find_dataset_using_name(opt.dataset_mode)(opt, False, cache={})",
                ),
            ],
        }
    )
    run_fork(root / "train.py", *small("guide_cycle_gan", unpaired), *one_epoch)
    assert visits() == [1, 1, 1]


def test_another_discriminator_than_was_trained_is_refused_in_one_line_naming_the_options(
    run_host: Callable[..., None], small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    run_host("train.py", *small("guide_cycle_gan", unpaired), *one_epoch)
    for more in (["--ndf", 8], ["--netD", "pixel"], ["--netD", "n_layers", "--n_layers_D", 2]):
        with pytest.raises(
            HostError, match=r"latest_net_D_A.pth holds another discriminator than --netD .*--ndf"
        ) as caught:
            run_host("test.py", *small("guide_cycle_gan", unpaired), *more, "--guide_show")
        assert "\n" not in str(caught.value)


def test_a_discriminators_checkpoint_with_stale_buffers_or_a_wrappers_names_is_shown_as_without(
    run_host: Callable[..., None], small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    run_host("train.py", *small("guide_cycle_gan", unpaired), *one_epoch)
    run_host("test.py", *small("guide_cycle_gan", unpaired), "--guide_show", "--results_dir", "first")
    path = CHECKPOINTS / "latest_net_D_A.pth"
    weights: dict[str, Any] = torch.load(path, weights_only=True)
    stale = {"model.3.running_mean": torch.zeros(8), "model.3.num_batches_tracked": torch.tensor(3)}
    torch.save({f"module.{key}": value for key, value in {**weights, **stale}.items()}, path)
    run_host("test.py", *small("guide_cycle_gan", unpaired), "--guide_show")
    first = Path("first") / "run" / "test_latest" / "images" / "0_attention_A.png"
    assert (RESULTS / "images" / "0_attention_A.png").read_bytes() == first.read_bytes()


def test_weights_that_a_fork_saved_inside_dataparallel_on_a_cpu_are_loaded_in_a_test_and_a_resumed_training(
    run_host: Callable[..., None],
    small: Small,
    one_epoch: list[str],
    unpaired: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = [*small("guide_cycle_gan", unpaired), "--guide_concat", "alpha"]
    run_host("train.py", *options, *one_epoch)
    run_host("test.py", *options, "--results_dir", "first")
    for path in CHECKPOINTS.glob("*_net_*.pth"):
        weights: dict[str, Any] = torch.load(path, weights_only=True)
        torch.save({f"module.{key}": value for key, value in weights.items()}, path)
    run_host("test.py", *options)
    first = Path("first") / "run" / "test_latest" / "images" / "0_fake_B.png"
    assert (RESULTS / "images" / "0_fake_B.png").read_bytes() == first.read_bytes()
    assert "weights saved on a CPU, with module. before their names" in caplog.text
    run_host("train.py", *options, *one_epoch, "--continue_train")


@pytest.mark.parametrize(
    ("model", "pairs"),
    [
        ("attention_gan", ["netG_A:netD_A:real_A", "netG_B:netD_B:real_B"]),
        ("cut", ["netG:netD:real_A"]),
        ("bicycle_gan", ["netG:netD+netD2:real_A"]),
    ],
)
def test_well_known_forks_need_no_pairs(model: str, pairs: list[str]) -> None:
    found = known_pairs(model, argparse.Namespace(guide_pairs=""))
    assert [f"{pair.generator}:{pair.discriminator}:{pair.source}" for pair in found] == pairs


def test_results_with_a_folder_for_each_visual_have_a_gallery(
    fork: Fork, run_fork: RunFork, small: Small, one_epoch: list[str], unpaired: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """CUT writes ``images/<visual>/<image>.png``."""
    named = 'names = [f"{stem}_{label}.png" for label in visuals]\n'
    folders = 'names = [f"{label}/{stem}.png" for label in visuals]\n    for label in visuals:\n'
    folders += "        (webpage.get_image_dir() / label).mkdir(exist_ok=True)\n"
    root = fork({"util/visualizer.py": [(named, folders)]})
    run_fork(root / "train.py", *small("guide_cycle_gan", unpaired), *one_epoch)
    run_fork(root / "test.py", *small("guide_cycle_gan", unpaired), "--guide_show")
    assert (RESULTS / "images" / "real_A" / "0.png").exists()
    page = (RESULTS / "gallery" / "index.html").read_text()
    assert page.count("<article") == 6 and "images/fake_B/0.png" in page and "DataError" not in caplog.text


def test_a_fork_that_initialises_its_networks_in_its_own_way_trains_with_alpha(
    fork: Fork, run_fork: RunFork, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    own = 'networks.init_net(getattr(self, f"net{name}"), opt.init_type, opt.init_gain)', 'getattr(self, f"net{name}")'
    root = fork({"models/base_model.py": [own]})
    run_fork(root / "train.py", *small("guide_cycle_gan", unpaired), *one_epoch, "--guide_concat", "alpha")
    weights = torch.load(CHECKPOINTS / "latest_net_G_A.pth", weights_only=True)
    assert next(iter(weights.values())).shape[1] == 4 and visits() == [1, 1, 1]
