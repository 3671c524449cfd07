"""Guided training in the reference host, from the command line to its pages and checkpoints."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from guidegan_plugin.attaching import guides_file
from guidegan_plugin.errors import ConfigError, GuideError, HostError, PluginError, StoreError
from guidegan_plugin.guidance.concatenation import schedule
from guidegan_plugin.guidance.concatenation.schedule import with_ones
from guidegan_plugin.guidance.memory.store_file import load_stores
from guidegan_plugin.hosts.launcher import run

Run = Callable[..., None]
Small = Callable[[str, Path], list[str]]
Read = Callable[[Path], dict[str, dict[str, Tensor]]]
CHECKPOINTS = Path("checkpoints") / "run"
RESULTS = Path("results") / "run" / "test_latest"
REFERENCE_HOST = Path(__file__).resolve().parent.parent.parent / "examples" / "reference_host"


def equal(one: dict[str, dict[str, Tensor]], other: dict[str, dict[str, Tensor]]) -> bool:
    return list(one) == list(other) and all(
        list(one[name]) == list(other[name]) and all(torch.equal(one[name][key], other[name][key]) for key in one[name])
        for name in one
    )


@pytest.fixture
def dataroot(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    return lambda model: request.getfixturevalue("paired" if "pix2pix" in model else "unpaired")


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
@pytest.mark.parametrize("mode", ["host", "ours"])
def test_without_attention_three_steps_are_bit_equal_to_the_bare_host(
    run_host: Run, small: Small, one_epoch: list[str], dataroot: Any, read_weights: Read, model: str, mode: str
) -> None:
    run_host("train.py", *small(model, dataroot(model)), *one_epoch)
    bare = read_weights(CHECKPOINTS)
    shutil.rmtree("checkpoints")
    own = ["--dataset_mode", "aligned" if model == "pix2pix" else "unaligned"] if mode == "host" else []
    run_host("train.py", *small(f"guide_{model}", dataroot(model)), *one_epoch, "--guide_attention", "none", *own)
    guided = read_weights(CHECKPOINTS)
    assert len(bare) in (2, 4) and equal(bare, guided)


def test_the_latest_memory_and_the_epochs_are_written_once(
    run_host: Run, small: Small, one_epoch: list[str], dataroot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, save = [], guides_file.save_stores

    def note(path: Path, *given: Any) -> None:
        packed.append(path.name)
        save(path, *given)

    monkeypatch.setattr(guides_file, "save_stores", note)
    run_host("train.py", *small("guide_pix2pix", dataroot("pix2pix")), *one_epoch, "--save_epoch_freq", "1")
    assert packed == ["latest_guide.safetensors"]
    paths = [CHECKPOINTS / f"{epoch}_guide.safetensors" for epoch in ("latest", "1")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert load_stores(paths[1])[0]["A"]["visits"].tolist() == [1, 1, 1]


@pytest.mark.slow_but_first
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_a_guided_model_trains_resumes_and_tests(
    run_host: Run, small: Small, one_epoch: list[str], dataroot: Any, read_weights: Read, model: str, concat: str
) -> None:
    options = [*small(f"guide_{model}", dataroot(model)), "--guide_concat", concat]
    run_host("train.py", *options, *one_epoch)
    states, facts = load_stores(CHECKPOINTS / "latest_guide.safetensors")
    assert set(states) == ({"A"} if model == "pix2pix" else {"A", "B"})
    assert json.loads(facts["config"])["concat"] == concat
    keys = bytes(states["A"]["keys"].tolist()).decode()
    assert "trainA/0.png" in keys or "train/0.png" in keys, "keys are relative to the data root"
    assert states["A"]["visits"].tolist() == [1, 1, 1] and states["A"]["views"].isfinite().all()
    widths = {
        name: next(iter(net.values())).shape[1] for name, net in read_weights(CHECKPOINTS).items() if "_G" in name
    }
    assert set(widths.values()) == {4 if concat == "alpha" else 3}
    assert any("attention_A" in path.name for path in (CHECKPOINTS / "web" / "images").iterdir())

    run_host("train.py", *options, *one_epoch, "--continue_train")
    assert load_stores(CHECKPOINTS / "latest_guide.safetensors")[0]["A"]["visits"].tolist() == [2, 2, 2]

    run_host("test.py", *options)
    images = {path.name for path in (RESULTS / "images").iterdir()}
    assert "0_attention_A_placeholder.png" in images and "0_attention_A.png" not in images
    run_host("test.py", *options, "--guide_show", "--results_dir", "shown")
    shown = Path("shown") / "run" / "test_latest" / "images"
    attention = np.asarray(Image.open(shown / "0_attention_A.png"))
    assert attention.min() < 50 and attention.max() > 200
    assert "attention_A" in (shown.parent / "index.html").read_text()
    for name in images - {"0_attention_A_placeholder.png"}:
        if "attention" not in name:
            assert (shown / name).read_bytes() == (RESULTS / "images" / name).read_bytes(), "D draws, it never blends"


@pytest.mark.slow_but_first
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
@pytest.mark.parametrize("signal", ["gradient", "gradcam"])
def test_gradient_signals_train_and_show_where_the_discriminator_looks(
    run_host: Run, small: Small, one_epoch: list[str], dataroot: Any, model: str, signal: str
) -> None:
    options = [*small(f"guide_{model}", dataroot(model)), "--guide_signal", signal]
    run_host("train.py", *options, *one_epoch)
    maps = next(
        value for name, value in load_stores(CHECKPOINTS / "latest_guide.safetensors")[0]["A"].items() if "maps" in name
    )
    assert maps.amin((1, 2, 3)).max() == 0 and maps.amax((1, 2, 3)).min() == 255, "no map is the placeholder"
    run_host("test.py", *options, "--guide_show")
    assert (RESULTS / "images" / "0_attention_A.png").exists()


def test_maps_follow_the_direction(run_host: Run, small: Small, one_epoch: list[str], unpaired: Path) -> None:
    run_host("train.py", *small("guide_cycle_gan", unpaired), *one_epoch, "--direction", "BtoA")
    states, _ = load_stores(CHECKPOINTS / "latest_guide.safetensors")
    assert b"trainB/0.png" in bytes(states["A"]["keys"].tolist())
    assert b"trainA/0.png" in bytes(states["B"]["keys"].tolist())


@pytest.mark.slow_but_first
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_an_rhp_checkpoint_loads_into_the_bare_host_and_the_other_way_round(
    run_host: Run, small: Small, one_epoch: list[str], dataroot: Any, read_weights: Read, model: str
) -> None:
    bare, guided = small(model, dataroot(model)), small(f"guide_{model}", dataroot(model))
    run_host("train.py", *guided, *one_epoch)
    keys = {name: list(net) for name, net in read_weights(CHECKPOINTS).items()}
    run_host("test.py", *bare)
    run_host("train.py", *bare, *one_epoch, "--continue_train")
    assert {name: list(net) for name, net in read_weights(CHECKPOINTS).items()} == keys
    (CHECKPOINTS / "latest_guide.safetensors").unlink()
    run_host("test.py", *guided)
    run_host("train.py", *guided, *one_epoch, "--continue_train")
    assert (CHECKPOINTS / "latest_guide.safetensors").exists()


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_a_host_checkpoint_in_an_alpha_generator_gives_the_hosts_images(
    run_host: Run,
    small: Small,
    one_epoch: list[str],
    dataroot: Any,
    model: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run_host("train.py", *small(model, dataroot(model)), *one_epoch)
    run_host("test.py", *small(model, dataroot(model)))
    alpha = [*small(f"guide_{model}", dataroot(model)), "--guide_concat", "alpha"]
    run_host("test.py", *alpha, "--results_dir", "alpha")
    assert "padded with a zero alpha channel" in caplog.text
    for path in (RESULTS / "images").iterdir():
        assert path.read_bytes() == (Path("alpha") / "run" / "test_latest" / "images" / path.name).read_bytes()


def test_an_alpha_generator_refuses_a_checkpoint_of_another_width(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    run_host("train.py", *small("cycle_gan", unpaired), *one_epoch, "--input_nc", 1, "--output_nc", 1)
    files = sorted(path.name for path in CHECKPOINTS.iterdir())
    with pytest.raises(StoreError, match=r"takes 1 channels, expected 3 .* or 4 .*--input_nc"):
        run_host(
            "train.py", *small("guide_cycle_gan", unpaired), *one_epoch, "--guide_concat", "alpha", "--continue_train"
        )
    assert sorted(path.name for path in CHECKPOINTS.iterdir()) == files


def test_one_direction_is_tested_with_guide_test(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    run_host("train.py", *small("guide_cycle_gan", unpaired), *one_epoch)
    options = [*small("guide_test", unpaired / "testA"), "--model_suffix", "_A", "--no_dropout"]
    run_host("test.py", *options, "--guide_show")
    assert {path.name for path in (RESULTS / "images").glob("0_*")} == {"0_real.png", "0_fake.png", "0_attention_A.png"}


def test_gray_images_become_rgb_and_alpha(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path, read_weights: Read
) -> None:
    gray = ["--input_nc", 1, "--output_nc", 1, "--guide_concat", "alpha"]
    run_host("train.py", *small("guide_cycle_gan", unpaired), *one_epoch, *gray)
    assert next(iter(read_weights(CHECKPOINTS)["latest_net_G_A.pth"].values())).shape[1] == 4


@pytest.fixture
def other_host(tmp_path: Path) -> Path:
    """The reference host with a model that nobody knows."""
    root = tmp_path / "host"
    shutil.copytree(REFERENCE_HOST, root)
    (root / "models" / "other_model.py").write_text(
        "from .pix2pix_model import Pix2PixModel\n\n\nclass OtherModel(Pix2PixModel):\n    pass\n"
    )
    return root


def test_any_other_model_is_guided_once_its_pairs_are_named(
    in_host: Callable[[], None], other_host: Path, small: Small, one_epoch: list[str], paired: Path
) -> None:
    options = [*small("guide_pix2pix", paired), *one_epoch, "--model", "guide_other"]
    with pytest.raises(
        HostError, match=r"pairs of model 'other' are not known; .*netG:netD:real_A:A_paths.*--guide_pairs"
    ):
        run(other_host / "train.py", options)
    in_host()
    run(other_host / "train.py", [*options, "--guide_pairs", "netG:netD:real_A:A_paths"])
    assert set(load_stores(CHECKPOINTS / "latest_guide.safetensors")[0]) == {"A"}


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ("netX:netD:real_A:A_paths", r"no network netX \(it has netG"),
        ("netG:netD:real_A:C_paths", r"no field C_paths \(it has A, B, A_paths"),
        ("netG:netD", r"'netG:netD' cannot be read"),
        ("netG:netD:real_A:A_paths,netG:netD:real_A:A_paths", r"2 pairs are named 'A'"),
    ],
)
def test_wrong_pairs_are_refused_with_what_there_is(
    run_host: Run, small: Small, one_epoch: list[str], paired: Path, pairs: str, found: str
) -> None:
    with pytest.raises(GuideError, match=found):
        run_host("train.py", *small("guide_pix2pix", paired), *one_epoch, "--guide_pairs", pairs)


@pytest.mark.parametrize(
    ("option", "value", "kind", "message"),
    [
        (
            "attention",
            "pho",
            PluginError,
            r"'pho' is unknown, known are: none, pha, shuffled, tam; .*--guide_attention",
        ),
        ("concat", "beta", PluginError, r"known are: alpha, gradient, rhp; .*--guide_concat"),
        ("transfer", "conv9", PluginError, r"known are: bilinear, conv; .*--guide_transfer"),
        ("signal", "sound", ConfigError, r"known are: activation, gradcam, gradient; .*--guide_signal"),
        ("layer", "9", ConfigError, r"layer 9 does not exist: .* 5 convolutions: 1 model.0 .*--guide_layer"),
        ("layer", "0", ConfigError, r"layer: expected .* found 0; .*--guide_layer"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_saved(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path, option: str, value: str, kind: type, message: str
) -> None:
    with pytest.raises(kind, match=message):
        run_host("train.py", *small("guide_cycle_gan", unpaired), *one_epoch, f"--guide_{option}", value)
    assert [path.name for path in CHECKPOINTS.iterdir()] == ["train_opt.txt"]


def test_a_model_the_host_does_not_have_is_refused_listing_those_it_has(
    run_host: Run, small: Small, unpaired: Path
) -> None:
    with pytest.raises(
        HostError, match=r"no model 'dog', it can guide: guide_aggan, guide_cycle_gan, guide_pix2pix, guide_test"
    ):
        run_host("train.py", *small("guide_dog", unpaired))


def test_without_views_it_trains_and_warns_once(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_host("train.py", *small("guide_cycle_gan", unpaired), *one_epoch, "--dataset_mode", "unaligned")
    assert caplog.text.count("does not say where images are cropped") == 1
    assert load_stores(CHECKPOINTS / "latest_guide.safetensors")[0]["A"]["views"].isnan().all()


def test_resuming_without_a_store_starts_from_ones_with_a_notice_and_a_foreign_one_is_refused(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = [*small("guide_cycle_gan", unpaired), *one_epoch]
    run_host("train.py", *options)
    with pytest.raises(StoreError, match=r"maps of another kind \(layer 4 to 3\)"):
        run_host("train.py", *options, "--continue_train", "--guide_layer", 3)
    store = CHECKPOINTS / "latest_guide.safetensors"
    torn = store.read_bytes()[:-10]
    store.write_bytes(torn)
    with pytest.raises(StoreError, match=r"latest_guide.safetensors is torn"):
        run_host("train.py", *options, "--continue_train")
    store.unlink()
    run_host("train.py", *options, "--continue_train")
    assert "every image starts from ones" in caplog.text


def test_showing_without_a_discriminators_checkpoint_says_which_is_missing(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    run_host("train.py", *small("guide_cycle_gan", unpaired), *one_epoch)
    (CHECKPOINTS / "latest_net_D_B.pth").unlink()
    with pytest.raises(HostError, match=r"no discriminator .*latest_net_D_B.pth.*--guide_show"):
        run_host("test.py", *small("guide_cycle_gan", unpaired), "--guide_show")


def test_pages_are_the_hosts_own_without_visuals(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    run_host("train.py", *small("guide_cycle_gan", unpaired), *one_epoch, "--guide_no_visuals")
    assert not [path for path in (CHECKPOINTS / "web" / "images").iterdir() if "attention" in path.name]


def test_a_killed_saves_complete_set_is_finished_when_the_run_is_resumed(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    options = [*small("guide_cycle_gan", unpaired), *one_epoch]
    run_host("train.py", *options)
    complete = CHECKPOINTS / ".guide_complete"
    complete.mkdir()
    for path in list(CHECKPOINTS.glob("latest_*"))[:3]:
        path.rename(complete / path.name)
    run_host("train.py", *options, "--continue_train")
    assert not complete.exists() and len(list(CHECKPOINTS.glob("latest_*"))) == 5


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ("netG_A:netD_A:real_X:A_paths", r"cycle_gan has no images real_X \(its set_input makes real_A, real_B\)"),
        ("netG_A:netD_A:real_A:A_pathes", r"no field A_pathes \(it has A, B, .*--guide_pairs"),
    ],
)
def test_a_dry_run_finds_a_misspelt_source_or_field(
    run_host: Run, small: Small, unpaired: Path, pairs: str, message: str
) -> None:
    with pytest.raises(HostError, match=message):
        run_host("train.py", *small("guide_cycle_gan", unpaired), "--guide_pairs", pairs, dry_run=True)


def test_a_dry_run_of_a_test_goes_on_where_the_hosts_batch_cannot_be_tried(
    run_host: Run, small: Small, unpaired: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise TypeError("a batch of its own")

    monkeypatch.setattr("guidegan_plugin.hosts.junyanz.dry_run.default_collate", refuse)
    run_host("test.py", *small("guide_cycle_gan", unpaired), dry_run=True)
    assert "warning        no batch could be tried (TypeError: a batch of its own)\n" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--model", "--mod"])
@pytest.mark.parametrize("model", ["guide_", "guide_guide_cycle_gan"])
def test_a_model_that_is_nothing_but_our_prefix_is_refused_with_those_there_are(
    run_host: Run, unpaired: Path, option: str, model: str
) -> None:
    with pytest.raises(
        HostError, match=r"it can guide: guide_aggan, guide_cycle_gan, guide_pix2pix, guide_test; change --model"
    ):
        run_host("train.py", option, model, "--dataroot", unpaired)


def test_a_dry_run_reads_abbreviated_options_as_the_host_does(
    run_host: Run, small: Small, unpaired: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = small("guide_cycle_gan", unpaired)
    options[options.index("--model")] = "--mod"
    run_host("train.py", *options, "--continue", dry_run=True)
    assert "model          guide_cycle_gan" in capsys.readouterr().out
    with pytest.raises(HostError, match="--model pix2pix is not guided"):
        run_host("train.py", "--mod=pix2pix", dry_run=True)


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_a_dry_run_says_what_would_be_attached_and_leaves_no_file(
    run_host: Run, small: Small, dataroot: Any, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = dataroot(model)
    run_host("train.py", *small(f"guide_{model}", root), "--guide_concat", "alpha", dry_run=True)
    printed = capsys.readouterr().out
    cells = "15 x 15" if model == "pix2pix" else "3 x 3"
    for fact in (
        "junyanz family, ddp generation",
        f"model          guide_{model}",
        "keys from A_paths",
        f"read off model.8 (Conv2d), maps {cells}",
        f"3 maps of {cells} uint8",
        "as an alpha channel: x' = [x, T(A)]",
        "widened from 3 to 4 channels",
    ):
        assert fact in printed, printed
    assert not Path("checkpoints").exists()


def test_a_dry_run_without_attention_or_of_a_test_says_so(
    run_host: Run, small: Small, unpaired: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_host("train.py", *small("guide_cycle_gan", unpaired), "--guide_attention", "none", dry_run=True)
    assert "the host runs as if we were not there" in capsys.readouterr().out
    run_host("test.py", *small("guide_cycle_gan", unpaired), dry_run=True)
    assert "test time shows the generator the placeholder\n" in capsys.readouterr().out
    run_host("test.py", *small("guide_cycle_gan", unpaired), "--guide_refine", 2, dry_run=True)
    assert "the placeholder, then where D looks, 2 times at most\n" in capsys.readouterr().out


def test_a_dry_run_of_an_unguided_model_is_refused(run_host: Run, small: Small, unpaired: Path) -> None:
    with pytest.raises(HostError, match=r"--model cycle_gan is not guided; change it to --model guide_cycle_gan"):
        run_host("train.py", *small("cycle_gan", unpaired), dry_run=True)


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_model_that_is_nearly_called_so_is_refused_with_its_name(
    run_host: Run, small: Small, unpaired: Path, dry_run: bool
) -> None:
    for misspelt in ("guid_cycle_gan", "guidecycle_gan"):
        with pytest.raises(HostError, match=rf"no model '{misspelt}'; did you mean guide_cycle_gan\? Change --model"):
            run_host("train.py", *small(misspelt, unpaired), dry_run=dry_run)
    with pytest.raises(
        HostError if dry_run else ValueError, match=r"there is no model 'other'|no model 'other', it can"
    ):
        run_host("train.py", *small("other", unpaired), dry_run=dry_run)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
@pytest.mark.parametrize(
    ("policy", "guidance"),
    [("linear", []), ("step", []), ("linear", ["--guide_anneal", "0:1", "--guide_dropout", 0.5])],
    ids=["linear", "step", "dropout-anneal"],
)
def test_with_the_full_state_a_resumed_run_is_bit_equal_to_one_that_never_stopped(
    run_host: Run,
    small: Small,
    dataroot: Any,
    read_weights: Read,
    model: str,
    policy: str,
    guidance: list[object],
) -> None:
    epochs = ["--n_epochs", 2, "--n_epochs_decay", 2, "--lr_policy", policy, "--lr_decay_iters", 1]
    options = [*small(f"guide_{model}", dataroot(model)), *epochs, *guidance, "--pool_size", 2, "--guide_full_state"]
    run_host("train.py", *options, "--save_epoch_freq", 2, "--checkpoints_dir", "whole")
    shutil.copytree(Path("whole") / "run", CHECKPOINTS)
    for path in list(CHECKPOINTS.glob("latest_*")):
        path.unlink()
    run_host("train.py", *options, "--continue_train", "--epoch", 2, "--seed", 99)
    assert equal(read_weights(CHECKPOINTS), read_weights(Path("whole") / "run"))
    one, other = (
        load_stores(folder / "run" / "latest_guide.safetensors")[0] for folder in (Path("whole"), Path("checkpoints"))
    )
    assert all(torch.equal(one["A"][name], other["A"][name]) for name in one["A"])


def test_a_fading_training_ends_on_the_placeholder_and_its_options_are_kept_with_the_maps(
    run_host: Run, small: Small, unpaired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: list[float] = []

    def spy(maps: Tensor, dropped: list[bool], weight: float) -> Tensor:
        weights.append(weight)
        return with_ones(maps, dropped, weight)

    monkeypatch.setattr(schedule, "with_ones", spy)
    options = [*small("guide_cycle_gan", unpaired), "--guide_anneal", "0:1", "--guide_dropout", 0.5]
    epochs = ["--n_epochs", 1, "--n_epochs_decay", 1, "--save_epoch_freq", 1]
    run_host("train.py", *options, *epochs)
    both_pairs = [share for step in range(1, 7) for share in [step / 6] * 2]
    assert weights == pytest.approx(both_pairs), "six steps of two epochs"
    _, facts = load_stores(CHECKPOINTS / "latest_guide.safetensors")
    assert json.loads(facts["config"])["anneal"] == "0:1" and json.loads(facts["config"])["dropout"] == 0.5
    weights.clear()
    run_host("train.py", *options, *epochs, "--continue_train", "--epoch", 1, "--epoch_count", 2)
    assert weights == pytest.approx(both_pairs[6:])
    weights.clear()
    run_host("test.py", *options)
    assert weights == []


def test_without_its_training_state_a_full_resume_is_refused(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    options = [*small("guide_cycle_gan", unpaired), *one_epoch]
    run_host("train.py", *options)
    with pytest.raises(StoreError, match=r"no training state .*latest_guide_state.pth; leave out --guide_full_state"):
        run_host("train.py", *options, "--continue_train", "--guide_full_state")
    (CHECKPOINTS / "latest_guide_state.pth").write_bytes(b"torn")
    with pytest.raises(StoreError, match="is torn or no training state"):
        run_host("train.py", *options, "--continue_train", "--guide_full_state")


def test_a_disk_that_is_full_for_a_while_costs_one_save_and_nothing_else(
    run_host: Run,
    small: Small,
    unpaired: Path,
    read_weights: Read,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = [*small("guide_cycle_gan", unpaired), "--n_epochs", 2, "--n_epochs_decay", 0, "--save_epoch_freq", 1]
    run_host("train.py", *options, "--checkpoints_dir", "undisturbed")
    original, saves = torch.save, 0

    def save(content: object, path: Path) -> None:
        nonlocal saves
        saves += 1
        if saves == 6:  # the second file of the first epoch's own set
            raise OSError(28, "No space left on device")
        original(content, path)

    monkeypatch.setattr(torch, "save", save)
    run_host("train.py", *options)
    assert "No space left on device" in caplog.text and "the training goes on" in caplog.text
    assert equal(read_weights(CHECKPOINTS), read_weights(Path("undisturbed") / "run"))
    assert not list(CHECKPOINTS.glob("1_*")) and len(list(CHECKPOINTS.glob("2_*"))) == 5


def test_a_moved_data_root_is_fine_and_another_data_set_is_refused(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path, tmp_path: Path, noise_image: Callable[..., None]
) -> None:
    run_host("train.py", *small("guide_cycle_gan", unpaired), *one_epoch)
    unpaired.rename(tmp_path / "moved")
    run_host("train.py", *small("guide_cycle_gan", tmp_path / "moved"), *one_epoch, "--continue_train")
    for domain in "AB":
        noise_image(tmp_path / "other" / f"train{domain}" / "foreign.png", (40, 36), 1)
    with pytest.raises(StoreError, match=r"remembers images that are not in .*other \(such as trainA/.*--dataroot"):
        run_host("train.py", *small("guide_cycle_gan", tmp_path / "other"), *one_epoch, "--continue_train")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize(("method", "call"), [("setup", 1), ("set_input", 2)])
def test_networks_compiled_by_the_host_are_followed_whenever_it_does(
    in_host: Callable[[], None],
    other_host: Path,
    small: Small,
    one_epoch: list[str],
    paired: Path,
    method: str,
    call: int,
) -> None:
    (other_host / "models" / "compiled_model.py").write_text(
        "import torch\n\nfrom .pix2pix_model import Pix2PixModel\n\n\n"
        "class CompiledModel(Pix2PixModel):\n    calls = 0\n\n"
        f"    def {method}(self, given):\n        super().{method}(given)\n        self.calls += 1\n"
        f"        if self.calls == {call}:\n"
        "            self.netG = torch.compile(self.netG, backend='eager')\n"
        "            self.netD = torch.compile(self.netD, backend='eager')\n"
    )
    options = [*small("guide_pix2pix", paired), *one_epoch, "--model", "guide_compiled"]
    run(other_host / "train.py", [*options, "--guide_pairs", "netG:netD:real_A:A_paths"])
    states, _ = load_stores(CHECKPOINTS / "latest_guide.safetensors")
    assert states["A"]["visits"].tolist() == [1, 1, 1]
    assert "model.0.weight" in torch.load(CHECKPOINTS / "latest_net_D.pth", weights_only=True), "plain keys"


def test_weights_are_not_tested_with_another_concatenation_than_they_were_trained_with(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    run_host("train.py", *small("guide_cycle_gan", unpaired), *one_epoch)
    with pytest.raises(StoreError, match=r"trained with concat=rhp, not alpha; change --guide_concat"):
        run_host("test.py", *small("guide_cycle_gan", unpaired), "--guide_concat", "alpha")


def test_file_names_that_are_not_utf8_are_remembered(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    odd = os.fsdecode(b"caf\xe9 \xff.png")
    (unpaired / "trainA" / "0.png").rename(unpaired / "trainA" / odd)
    options = [*small("guide_cycle_gan", unpaired), *one_epoch, "--guide_init", "random"]
    run_host("train.py", *options)
    run_host("train.py", *options, "--continue_train")
    assert b"caf\xe9 \xff.png" in bytes(load_stores(CHECKPOINTS / "latest_guide.safetensors")[0]["A"]["keys"].tolist())


@pytest.mark.parametrize(("script", "more"), [("test.py", []), ("train.py", ["--continue_train"])])
def test_a_checkpoint_that_is_not_there_is_named_in_one_line(
    run_host: Run, small: Small, unpaired: Path, script: str, more: list[str]
) -> None:
    with pytest.raises(HostError, match=r"^no checkpoint .*latest_net_G_A\.pth.*; change --name, .*--save_epoch_freq"):
        run_host(script, *small("guide_cycle_gan", unpaired), *more)
