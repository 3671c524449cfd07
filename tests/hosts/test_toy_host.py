"""A host in one file outside the package gets what a host gets; docs/writing_a_host.md shows that file."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.memory.store_file import load_stores
from guidegan_plugin.hosts import class_memory
from guidegan_plugin.hosts.class_memory import epoch_of

ROOT = Path(__file__).resolve().parents[2]
TOY_HOST = ROOT / "examples" / "toy_host"
SOURCE = (TOY_HOST / "guidegan_toy_host.py").read_text()

Command = Callable[..., int | str]


def python(*arguments: object, cwd: Path, start: str = sys.executable) -> subprocess.CompletedProcess[str]:
    words = [start, *map(str, arguments)]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)


def train(guidegan: Command, toy: Path, *options: object) -> None:
    torch.manual_seed(0)
    assert guidegan("run", toy / "train.py", "--out", "run", *options) == 0


def test_the_launcher_trains_and_what_is_remembered_lies_beside_the_checkpoints(guidegan: Command, toy: Path) -> None:
    train(guidegan, toy, "--epochs", 3)
    for epoch in (1, 2, 3):
        states, facts = load_stores(Path("run") / f"{epoch}_guide.safetensors")
        assert states["A"]["visits"].tolist() == [epoch] * 6
    assert '"concat": "rhp"' in facts["config"]


def test_a_file_of_maps_that_no_checkpoint_names_is_named_once_a_training(
    guidegan: Command, toy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):  # each begins from ones; the third finds what the second left without a name
        caplog.clear()
        train(guidegan, toy, "--epochs", 3, "--guide_store", "mmap")
    assert len(list(Path("run").glob("*.sqlite"))) == 3
    assert caplog.text.count("any more; delete it") == 1


@pytest.mark.slow
def test_without_attention_the_codebase_trains_as_if_we_were_not_there(
    guidegan: Command, toy: Path, warm_python: str
) -> None:
    bare = "import runpy, sys, torch; torch.manual_seed(0); sys.path.insert(0, '.'); sys.argv[:] = ['train.py', '--out'"
    source = f"{bare}, 'bare']; runpy.run_path('train.py', run_name='__main__')"
    ended = python("-c", source, cwd=toy, start=warm_python)
    assert ended.returncode == 0, ended.stderr
    train(guidegan, toy, "--guide_attention", "none")
    one, other = (torch.load(path, weights_only=True) for path in (toy / "bare/2.pth", Path("run/2.pth")))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not list(Path("run").glob("*.safetensors"))


def test_an_option_of_the_guidance_is_read_and_a_misspelt_one_is_the_scripts_own_to_refuse(
    guidegan: Command, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "concat 'nope' is unknown" in str(guidegan("run", toy / "train.py", "--guide_concat", "nope"))
    assert guidegan("run", toy / "train.py", "--guide_odd", "1") == 2
    assert "unrecognized arguments: --guide_odd 1" in capsys.readouterr().err


@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_a_test_shows_the_generator_ones(guidegan: Command, toy: Path, concat: str) -> None:
    train(guidegan, toy, "--guide_concat", concat)
    assert guidegan("run", toy / "test.py", "--out", "run", "--guide_concat", concat) == 0
    weights = torch.load("run/2.pth", weights_only=True)
    shown = np.array(Image.open("run/images/gray_3.png")).astype(np.float32)
    x = torch.from_numpy(shown).permute(2, 0, 1)[None] / 127.5 - 1
    blended = 2 * x if concat == "rhp" else torch.cat([x, torch.ones(1, 1, 32, 32)], 1)
    hidden = torch.nn.functional.conv2d(blended, weights["0.weight"], weights["0.bias"], padding=1).relu()
    output = torch.nn.functional.conv2d(hidden, weights["2.weight"], weights["2.bias"], padding=1).tanh()
    expected = (output[0].permute(1, 2, 0) / 2 + 0.5).numpy() * 255
    found = np.array(Image.open("run/images/colour_3.png")).astype(np.float32)
    assert np.abs(found - expected).max() <= 2, "the saved input is rounded"


def test_a_test_shows_the_generator_the_mean_map_and_asks_for_predictors_by_their_command(
    guidegan: Command, toy: Path
) -> None:
    train(guidegan, toy)
    shown = {}
    for kind in ("ones", "mean"):
        assert guidegan("run", toy / "test.py", "--out", "run", "--guide_test_map", kind) == 0
        shown[kind] = np.array(Image.open("run/images/colour_3.png")).astype(int)
    assert np.abs(shown["mean"] - shown["ones"]).max() > 2
    refused = guidegan("run", toy / "test.py", "--out", "run", "--guide_test_map", "predict")
    assert "there is no predictor" in str(refused) and "guidegan predict-maps run/2_guide.safetensors" in str(refused)


def test_a_number_that_a_translating_method_is_given_names_no_epoch(
    guidegan: Command, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(guidegan, toy)
    (toy / "toy_gan.py").write_text(
        (toy / "toy_gan.py").read_text().replace("images: Tensor)", "images: Tensor, of: int)")
    )
    (toy / "test.py").write_text((toy / "test.py").read_text().replace("translate(gray)", "translate(gray, 1)"))
    taken, take = [], class_memory.take_test_maps

    def note(path: Path, guides: list[Guide]) -> None:
        taken.append((path.name, len(guides)))
        take(path, guides)

    monkeypatch.setattr(class_memory, "take_test_maps", note)
    assert guidegan("run", toy / "test.py", "--out", "run", "--guide_test_map", "mean") == 0
    assert [one for one in taken if one[1]] == [("2_guide.safetensors", 1)], "of the weights that were loaded"


@pytest.mark.parametrize("script", ["train.py", "test.py"])
def test_a_dry_run_says_what_is_attached_where_and_leaves_no_file(
    guidegan: Command, toy: Path, capsys: pytest.CaptureFixture[str], script: str
) -> None:
    before = sorted(Path().rglob("*"))
    assert guidegan("run", "--dry-run", toy / script, "--out", "run") == 0
    printed = capsys.readouterr().out
    for part in ("toy, in ", "netG (Sequential) reads gray, keys from names", "netD (Sequential) judges it", "T(A)"):
        assert part in printed
    assert ("maps 16 x 16" in printed) == (script == "train.py") and "warning" not in printed
    assert ("bound 2, read 2, judged 2 in one step on real data" in printed) == (script == "train.py")
    assert ("maps of 16 x 16, 256 bytes an image" in printed) == (script == "train.py")
    assert [path for path in sorted(Path().rglob("*")) if "__pycache__" not in str(path)] == before


@pytest.mark.parametrize("steps", [1, 3])
def test_a_dry_run_says_why_a_source_is_not_guided_and_ends_with_an_error(
    guidegan: Command, toy: Path, capsys: pytest.CaptureFixture[str], steps: int
) -> None:
    code = (toy / "toy_gan.py").read_text()
    (toy / "toy_gan.py").write_text(code.replace("self.netG(self.gray)", "self.netG(self.gray + 0)"))
    script = (toy / "train.py").read_text().replace("len(names), 2", f"len(names), {6 // steps}")
    (toy / "train.py").write_text(script)
    ended = str(guidegan("run", "--dry-run", toy / "train.py", "--out", "run"))
    printed = capsys.readouterr()
    assert "pair A is not guided: no generator call took the source" in ended + printed.err
    assert "bound 0, read 0, judged 0 in one step on real data" in printed.out
    assert not list(Path("run").glob("*")) if Path("run").exists() else True


@pytest.mark.parametrize(
    ("line", "wrong", "message"),
    [
        ('takes_batch: ClassVar[str] = "train_on"', 'takes_batch = "fit"', "no method 'fit' .*change takes_batch of"),
        (
            '("load", "translate")',
            '("load", "infer")',
            "'infer' .it has train_on, translate, save, resume, load.; change attaches",
        ),
        ('ends_epoch: ClassVar[str] = "save"', 'ends_epoch = "end"', "'end' .*change ends_epoch of the host toy$"),
        ('takes_batch: ClassVar[str] = "train_on"', "", "the host toy declares no takes_batch; add it to ToyHost$"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_wrong_declaration_is_refused_in_one_line_by_its_name(
    guidegan: Command, toy: Path, monkeypatch: pytest.MonkeyPatch, line: str, wrong: str, message: str, dry: list[str]
) -> None:
    assert SOURCE.count(line) == 1
    monkeypatch.setitem(sys.modules, "guidegan_toy_host", sys)  # whatever stood there stands there again afterwards
    del sys.modules["guidegan_toy_host"]
    (toy.parent / "site" / "guidegan_toy_host.py").write_text(SOURCE.replace(line, wrong))
    assert re.search(message, str(guidegan("run", *dry, toy / "train.py")))


@pytest.mark.usefixtures("fitting")
def test_the_doctor_knows_it_and_asks_its_own_question(
    guidegan: Command, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guidegan("doctor", toy) == 0
    lines = {line[9:25].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert lines["host"].startswith("ok") and "toy, in " in lines["host"]
    assert "train.py, test.py" in lines["scripts"] and lines["pictures"].startswith("ok")


@pytest.mark.usefixtures("fitting")
@pytest.mark.parametrize(
    ("line", "wrong", "found"),
    [
        ('"train_on"', '"fit"', "ToyGan has no method 'fit' (it has load, resume, save, train_on, translate)"),
        ('ends_epoch: ClassVar[str] = "save"', 'ends_epoch = "end"', "ToyGan has no method 'end'"),
    ],
)
def test_the_doctor_finds_a_method_that_the_class_has_not(
    guidegan: Command,
    toy: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    wrong: str,
    found: str,
) -> None:
    monkeypatch.setitem(sys.modules, "guidegan_toy_host", sys)
    del sys.modules["guidegan_toy_host"]
    (toy.parent / "site" / "guidegan_toy_host.py").write_text(SOURCE.replace(line, wrong))
    assert guidegan("doctor", toy) == 1
    printed = capsys.readouterr().out
    assert found in printed and "of toy" in printed


@pytest.mark.slow_but_first
@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_a_training_that_goes_on_takes_its_memory_up(guidegan: Command, toy: Path, concat: str) -> None:
    train(guidegan, toy, "--epochs", 2, "--guide_concat", concat)
    train(guidegan, toy, "--epochs", 3, "--resume", 2, "--guide_concat", concat)
    states, facts = load_stores(Path("run/3_guide.safetensors"))
    assert states["A"]["visits"].tolist() == [3] * 6 and facts["A.steps"] == "9"


def test_the_guidances_own_networks_go_on_with_a_training_and_are_there_at_test_time(
    guidegan: Command, toy: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ("--guide_attention", "tam", "--guide_transfer", "conv")
    train(guidegan, toy, *own)
    assert sorted(path.name for path in Path("run").glob("*_networks*")) == [
        "1_guide_networks.safetensors",
        "2_guide_networks.safetensors",
    ]
    taken = []
    load = class_memory.load_networks

    def note(path: Path, guide: Guide) -> None:
        load(path, guide)
        taken.append((path.name, {name: net.state_dict() for name, net in guide.networks().items()}))

    monkeypatch.setattr(class_memory, "load_networks", note)
    train(guidegan, toy, "--epochs", 3, "--resume", 2, *own)
    assert guidegan("run", toy / "test.py", "--out", "run", "--epoch", 3, *own) == 0
    assert {name for name, _ in taken} == {"2_guide_networks.safetensors", "3_guide_networks.safetensors"}
    assert set(taken[0][1]) == {"T", "M_A"} and "fresh" not in caplog.text
    for path in Path("run").glob("*_networks*"):
        path.unlink()
    assert guidegan("run", toy / "test.py", "--out", "run", "--epoch", 3, *own) == 0
    assert "there is no run/3_guide_networks.safetensors: T, M_A starts fresh" in caplog.text


def test_a_memory_of_other_networks_or_none_starts_from_ones_with_a_notice(
    guidegan: Command, toy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(guidegan, toy, "--epochs", 2)
    Path("run/1.pth").replace("run/2.pth")
    train(guidegan, toy, "--epochs", 3, "--resume", 2)
    assert "belongs to networks with other weights" in caplog.text and "images of pair A start from ones" in caplog.text
    assert load_stores(Path("run/3_guide.safetensors"))[0]["A"]["visits"].tolist() == [1] * 6
    Path("run/2_guide.safetensors").unlink()
    train(guidegan, toy, "--epochs", 3, "--resume", 2)
    assert "no store run/2_guide.safetensors: every image starts from ones" in caplog.text
    Path("run/2_guide.safetensors").write_bytes(b"torn")
    assert "2_guide.safetensors" in str(guidegan("run", toy / "train.py", "--out", "run", "--resume", 2, "--epochs", 3))


@pytest.mark.parametrize(
    ("values", "epoch"),
    [((Path("x"), 3), 3), ((Path("7/netG_12.pth"),), 12), (("a/12_net_G.pth", None), 12), ((Path("latest.pth"), 5), 5)],
)
def test_the_epoch_is_a_number_or_stands_in_the_files_name(values: tuple[object, ...], epoch: int) -> None:
    assert epoch_of(values) == epoch and epoch_of(("latest.pth", True, None)) is None


def test_the_gallery_shows_a_tests_pictures_and_the_memory_of_the_same_images(guidegan: Command, toy: Path) -> None:
    train(guidegan, toy)
    assert guidegan("run", toy / "test.py", "--out", "run") == 0
    assert guidegan("gallery", "run", "--quiet") == 0
    text = Path("run/gallery/index.html").read_text()
    assert text.count("<article") == 12 and "../images/colour_0.png" in text
    assert text.count('data-visits="2"') == 6 and "blended input" in text


def test_monitors_are_switched_on_and_know_the_runs_folder(guidegan: Command, toy: Path) -> None:
    pytest.importorskip("tensorboard")
    train(guidegan, toy, "--guide_tensorboard", "--guide_monitor_freq", 1)
    assert list(Path("run/tensorboard").glob("events.*"))


@pytest.mark.slow
def test_installed_a_plain_python_trains_and_uninstalled_the_codebase_is_as_before(
    guidegan: Command, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name for path in toy.iterdir()}
    assert guidegan("install", toy) == 0
    assert "added          guide_train.py" in capsys.readouterr().out
    ended = python("guide_train.py", "--epochs", 1, cwd=toy)
    assert ended.returncode == 0, ended.stderr
    assert (toy / "runs" / "1_guide.safetensors").is_file()
    refused = python("guide_train.py", "--guide_concat", "nope", cwd=toy)
    assert refused.returncode == 1 and refused.stderr.splitlines()[-1].startswith("guidegan: error: concat 'nope'")
    assert guidegan("uninstall", toy) == 0
    assert {path.name for path in toy.iterdir()} - {"runs", "__pycache__"} == before


def test_baking_is_refused_in_one_line_by_the_host_whose_run_it_is(guidegan: Command, toy: Path) -> None:
    train(guidegan, toy)
    expected = "guidegan: error: checkpoints of the host toy cannot be baked; test them guided, with guidegan run"
    assert guidegan("bake", "run", "-o", "baked") == expected
    assert guidegan("bake", "run/2.pth", "-o", "baked.pth") == expected


def test_a_memory_that_cannot_be_written_ends_no_training(
    guidegan: Command, toy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (Path("run") / "1_guide.safetensors").mkdir(parents=True)
    train(guidegan, toy)
    assert "1_guide.safetensors could not be written" in caplog.text and "the training goes on" in caplog.text
    assert Path("run/2_guide.safetensors").is_file()


def test_the_class_is_imported_anew_once_the_script_is_over(guidegan: Command, toy: Path) -> None:
    train(guidegan, toy)
    assert "toy_gan" not in sys.modules
    train(guidegan, toy)


def test_a_file_that_is_no_python_is_refused_by_name(guidegan: Command, toy: Path) -> None:
    (toy / "toy_gan.py").write_text("class ToyGan(:\n")
    assert re.search(r"toy_gan\.py cannot be read as Python", str(guidegan("run", toy / "train.py")))
    (toy / "toy_gan.py").write_text("")
    assert "toy looks for a class ToyGan in toy_gan.py" in str(guidegan("run", toy / "train.py"))


def test_the_file_is_short_imports_the_public_face_alone_and_is_the_page() -> None:
    assert len(SOURCE.splitlines()) <= 60
    assert set(re.findall(r"from (guidegan_plugin[\w.]*) import", SOURCE)) == {"guidegan_plugin"}
    page = (ROOT / "docs" / "writing_a_host.md").read_text()
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert shown and all(block.strip("\n") in SOURCE for block in shown)
    setup = configparser.ConfigParser()
    setup.read(TOY_HOST / "setup.cfg")
    assert setup["options.entry_points"]["guidegan"].strip() == "toy_host = guidegan_toy_host"


def test_nothing_in_the_codebase_knows_of_guidance() -> None:
    for path in (TOY_HOST / "codebase").glob("*.py"):
        assert "guidegan" not in path.read_text() and "attention" not in path.read_text(), path
