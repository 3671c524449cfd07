"""``guidegan run --legacy``: a stand-in computes what the old call did, for one run, and only if it is asked for."""

from __future__ import annotations

import collections.abc
import fractions
import itertools
import logging
import math
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
import torch.utils.serialization
import torchvision.transforms
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter

from guidegan_plugin import cli
from guidegan_plugin.errors import HostError
from guidegan_plugin.hosts import launcher
from guidegan_plugin.hosts.legacy import old_writers
from guidegan_plugin.hosts.legacy.needed import check_old_calls, lacks_stand_in, needed
from guidegan_plugin.hosts.legacy.stand_in import Dropped, MissingPackage
from guidegan_plugin.hosts.legacy.stand_ins import STAND_INS, stand_ins
from guidegan_plugin.hosts.legacy.without_gpu import WithoutGpu

Fork = Callable[..., Path]
OWNERS = [collections, fractions, np, PIL.Image, sys.modules["torch"], torch.cuda, torch.Tensor, torch.nn.Module]
OWNERS += [torch.utils.serialization, torchvision.transforms, _BaseDataLoaderIter]
COMMON = "--model guide_pix2pix --netG resnet_6blocks --ngf 4 --ndf 4 --load_size 32 --crop_size 32 --num_threads 0"
COMMON += " --batch_size 2 --n_epochs 1 --n_epochs_decay 0"

NOT_WRITTEN = "the host's TensorBoard curves are not written; pip install tensorboard to have them"


@pytest.fixture
def legacy() -> Iterator[None]:
    with stand_ins():
        yield


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def same_names() -> list[dict[str, Any]]:
    return [dict(vars(owner)) for owner in OWNERS]


def old(module: object, name: str) -> Any:
    """What mypy would not let us write: a name that the module does not have."""
    return getattr(module, name)


# Each computes what the old call did.


@pytest.mark.usefixtures("legacy")
def test_gcd_has_the_size_of_maths_and_the_sign_of_its_second_number() -> None:
    for a, b in itertools.product(range(-12, 13), repeat=2):
        found = old(fractions, "gcd")(a, b)
        assert abs(found) == math.gcd(a, b) and (found == 0 or (found > 0) == ((b or a) > 0)), (a, b)


@pytest.mark.usefixtures("legacy")
def test_abstract_classes_of_collections_are_those_of_its_abc() -> None:
    assert old(collections, "Mapping") is collections.abc.Mapping
    assert old(collections, "Iterable") is collections.abc.Iterable
    assert not hasattr(collections, "Buffer")


@pytest.mark.usefixtures("legacy")
def test_types_of_numpy_are_those_of_python() -> None:
    assert old(np, "int") is int and old(np, "float") is float and old(np, "object") is object
    assert np.zeros(1, dtype=old(np, "int")).dtype == np.zeros(1, dtype=int).dtype


@pytest.mark.usefixtures("legacy")
def test_names_of_pillows_filters_have_the_numbers_they_had() -> None:
    assert [int(old(PIL.Image, name)) for name in ("ANTIALIAS", "LINEAR", "CUBIC")] == [1, 2, 3]


@pytest.mark.usefixtures("legacy")
def test_scale_resizes_the_shorter_side_and_keeps_the_ratio() -> None:
    image = PIL.Image.new("RGB", (60, 30))
    assert old(torchvision.transforms, "Scale")(10)(image).size == (20, 10)
    assert old(torchvision.transforms, "RandomSizedCrop")(10)(image).size == (10, 10)


@pytest.mark.usefixtures("legacy")
def test_yaml_is_loaded_safely_without_a_loader_and_as_asked_with_one() -> None:
    yaml = pytest.importorskip("yaml")
    text = "lr: 0.0001\ngen: {dim: 64, pad_type: reflect}\nsizes: [1, 2]\nresume: false"
    assert yaml.load(text) == {"lr": 1e-4, "gen": {"dim": 64, "pad_type": "reflect"}, "sizes": [1, 2], "resume": False}
    with pytest.raises(yaml.constructor.ConstructorError):
        yaml.load("!!python/object/apply:os.getcwd []")
    assert yaml.load("a: 1", Loader=yaml.BaseLoader) == yaml.load("a: 1", yaml.BaseLoader) == {"a": "1"}


@pytest.mark.usefixtures("legacy")
def test_load_lua_can_be_imported_and_refuses_a_file_with_the_cure() -> None:
    with pytest.raises(HostError, match=r"models/vgg16.t7 is a file of Lua torch, .*; put vgg16.weight, .*vgg_w: 0"):
        old(torch.utils.serialization, "load_lua")("models/vgg16.t7")


@pytest.mark.usefixtures("legacy")
@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_next_of_a_loaders_iterator_gives_the_next_batch(workers: int) -> None:
    iterator = iter(DataLoader(range(4), batch_size=2, num_workers=workers))  # type: ignore[arg-type]
    assert [batch.tolist() for batch in (old(iterator, "next")(), next(iterator))] == [[0, 1], [2, 3]]
    with pytest.raises(StopIteration):
        old(iterator, "next")()


@pytest.fixture
def misc(legacy: None) -> ModuleType:
    return pytest.importorskip("scipy.misc")


def test_bytescale_gives_the_numbers_of_scipys_own_documentation(misc: ModuleType) -> None:
    image = [[91.06794177, 3.39058326, 84.4221549], [73.88003259, 80.91433048, 4.88878881]]
    image += [[51.53875334, 34.45808177, 27.5873488]]
    assert misc.bytescale(image).tolist() == [[255, 0, 236], [205, 225, 4], [140, 90, 70]]
    assert misc.bytescale(image, high=200, low=100).tolist() == [[200, 100, 192], [180, 188, 102], [155, 135, 128]]
    assert misc.bytescale(image, cmin=0, cmax=255).tolist() == [[91, 3, 84], [74, 81, 5], [52, 34, 28]]
    assert misc.bytescale(np.full((2, 2), 7.0)).tolist() == [[0, 0], [0, 0]]


def test_imresize_takes_per_cent_a_factor_or_height_and_width(misc: ModuleType) -> None:
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    doubled = image.repeat(2, axis=0).repeat(2, axis=1)
    for size in (200, 2.0, (8, 12)):
        assert np.array_equal(misc.imresize(image, size, "nearest"), doubled)
    assert misc.imresize(image, 150).shape == (6, 9, 3) and misc.imresize(image[..., 0], (3, 5), "bicubic").shape == (
        3,
        5,
    )


def test_imresize_rescales_what_is_not_bytes_as_toimage_does(misc: ModuleType) -> None:
    values = np.array([[0.0, 0.5], [0.25, 1.0]])
    expected = np.array([[0, 128], [64, 255]], dtype=np.uint8)
    assert np.array_equal(misc.imresize(values, 1.0), expected)
    assert np.array_equal(np.array(misc.toimage(values)), expected)


def test_bilinear_by_half_is_the_mean_with_a_triangle_of_twice_the_width(misc: ModuleType) -> None:
    row = np.array([10, 200, 30, 90, 120, 60, 250, 5], dtype=np.float64)
    image = np.tile(row.astype(np.uint8), (8, 1))
    centres = (np.arange(4) + 0.5) * 2
    weights = np.maximum(0, 1 - np.abs(np.arange(8)[None] + 0.5 - centres[:, None]) / 2)
    expected = (weights * row).sum(1) / weights.sum(1)
    assert np.abs(misc.imresize(image, 0.5)[0] - expected).max() <= 0.51


def test_toimage_finds_the_channels_wherever_they_stand(misc: ModuleType) -> None:
    image = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    for axis in (0, 1, 2):
        assert np.array_equal(np.array(misc.toimage(np.moveaxis(image, 2, axis))), image)


def test_toimage_refuses_what_it_does_not_know(misc: ModuleType) -> None:
    with pytest.raises(HostError, match=r"mode F of an array of shape \(4, 4\)"):
        misc.toimage(np.zeros((4, 4)), mode="F")
    with pytest.raises(HostError, match=r"of shape \(5, 5, 2\)"):
        misc.toimage(np.zeros((5, 5, 2)))


def test_imread_gives_a_palettes_colours_and_imsave_writes_bytes_as_they_are(misc: ModuleType, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    misc.imsave(tmp_path / "rgb.png", image)
    assert np.array_equal(misc.imread(tmp_path / "rgb.png"), image)
    few = image // 128 * 255
    PIL.Image.fromarray(few).convert("P", palette=PIL.Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    assert np.array_equal(misc.imread(tmp_path / "palette.png"), few)
    grey = misc.imread(tmp_path / "rgb.png", flatten=True)
    assert grey.dtype == np.float32 and np.abs(grey - image @ [0.299, 0.587, 0.114]).max() < 0.01


def curve(folder: Path, tag: str) -> list[tuple[int, float]]:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = event_accumulator.EventAccumulator(str(folder)).Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Let a package be missing, as far as the stand-ins and an import can see."""
    run = ExitStack()
    shown = old_writers.is_installed

    def hide(*packages: str) -> None:
        for module in ("guidegan_plugin.hosts.legacy.stand_in", "guidegan_plugin.hosts.legacy.old_writers"):
            monkeypatch.setattr(f"{module}.is_installed", lambda name: name not in packages and shown(name))
        run.enter_context(stand_ins())

    with run:
        yield hide


def test_tensorboardx_writes_with_torchs_writer(tmp_path: Path, without_package: Callable[..., None]) -> None:
    pytest.importorskip("tensorboard")
    without_package("tensorboardX")
    import tensorboardX  # type: ignore[import-not-found, unused-ignore]

    with tensorboardX.SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 0.5, 3)
    assert curve(tmp_path, "loss") == [(3, 0.5)]


def test_tensorflow_1_writes_what_a_host_writes_with_it(tmp_path: Path, without_package: Callable[..., None]) -> None:
    pytest.importorskip("tensorboard")
    without_package("tensorflow")
    import tensorflow as tf  # type: ignore[import-not-found, import-untyped, unused-ignore]

    writer = tf.summary.FileWriter(str(tmp_path))
    writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="loss", simple_value=0.25)]), 7)
    writer.close()
    assert curve(tmp_path, "loss") == [(7, 0.25)]


def test_without_tensorboard_tensorboardx_writes_nothing_and_says_so_once(
    tmp_path: Path, without_package: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    without_package("tensorboardX", "tensorboard")
    import tensorboardX

    writer = tensorboardX.SummaryWriter(str(tmp_path))
    for step in range(2):
        writer.add_scalar("loss", 0.5, step)
    assert [record.message for record in caplog.records] == [NOT_WRITTEN] and not list(tmp_path.iterdir())


def test_without_tensorboard_tensorflow_writes_nothing_and_says_so_once(
    tmp_path: Path, without_package: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    without_package("tensorflow", "tensorboard")
    import tensorflow as tf

    writer = tf.summary.FileWriter(str(tmp_path))
    image = tf.Summary.Image(encoded_image_string=b"", height=1, width=1)
    writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="image", image=image)]), 1)
    assert [record.message for record in caplog.records] == [NOT_WRITTEN] and not list(tmp_path.iterdir())


# A machine without a GPU, and one with a GPU.


@pytest.mark.usefixtures("no_gpu", "legacy")
def test_cuda_gives_back_the_tensor_and_the_network_themselves() -> None:
    tensor, network = torch.ones(2), torch.nn.Linear(2, 2)
    assert (
        tensor.cuda() is tensor
        and tensor.cuda(0, non_blocking=True) is tensor
        and network.cuda(tensor.get_device()) is network
    )
    parameter = network.weight
    assert parameter.cuda() is parameter


@pytest.mark.usefixtures("no_gpu", "legacy")
def test_types_of_a_gpu_are_those_of_the_cpu() -> None:
    edges = torch.cuda.ByteTensor(torch.Size((2, 3))).zero_()  # type: ignore[attr-defined, unused-ignore]
    assert edges.dtype == torch.uint8 and edges.device.type == "cpu"
    assert torch.ones(2).double().type(torch.cuda.FloatTensor).dtype == torch.float32


@pytest.mark.usefixtures("no_gpu", "legacy")
def test_no_device_is_chosen_or_waited_for() -> None:
    torch.cuda.set_device(3)
    torch.cuda.synchronize()


@pytest.mark.usefixtures("no_gpu")
def test_an_assertion_of_a_gpu_passes_and_any_other_question_is_answered_no(tmp_path: Path) -> None:
    script = tmp_path / "networks.py"
    script.write_text(
        "import torch\n"
        "def define(gpu_ids):\n"
        "    if len(gpu_ids) > 0:\n"
        "        assert(torch.cuda.is_available())\n"
        "    device = 'cuda' if torch.cuda.is_available() else 'cpu'\n"
        "    return device\n"
    )
    names: dict[str, Any] = {}
    exec(compile(script.read_text(), script, "exec"), names)
    with stand_ins():
        assert names["define"]([0]) == "cpu"
        assert isinstance(torch.nn.DataParallel(torch.nn.Linear(1, 1), [0]).module, torch.nn.Linear)
    with pytest.raises(AssertionError):
        names["define"]([0])


@pytest.fixture
def saved_by_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "net.pth"
    with monkeypatch.context() as patched:
        patched.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        torch.save({"weight": torch.arange(3.0)}, path)
    return path


@pytest.mark.usefixtures("no_gpu")
def test_what_a_gpu_saved_is_loaded_to_the_cpu(saved_by_a_gpu: Path) -> None:
    with pytest.raises(RuntimeError, match="CUDA device"):
        torch.load(saved_by_a_gpu)
    with stand_ins():
        assert torch.load(saved_by_a_gpu)["weight"].tolist() == [0, 1, 2]
        assert torch.load(saved_by_a_gpu, map_location=lambda storage, place: storage)["weight"].device.type == "cpu"


def test_with_a_gpu_nothing_of_a_gpu_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    before = dict(vars(torch.cuda)), dict(vars(torch.Tensor)), dict(vars(torch.nn.Module)), torch.load
    with stand_ins():
        assert before == (vars(torch.cuda), vars(torch.Tensor), vars(torch.nn.Module), torch.load)
    assert not [row.name for row in STAND_INS if isinstance(row, WithoutGpu) and row.lacking()]


# For the run alone, and only what is lacking.


def test_all_is_as_before_afterwards_also_after_an_exception() -> None:
    names, modules, finders = same_names(), set(sys.modules), list(sys.meta_path)
    with pytest.raises(ZeroDivisionError), stand_ins():
        assert same_names() != names
        raise ZeroDivisionError
    assert same_names() == names and sys.meta_path == finders
    assert not {"tensorboardX", "tensorflow"} & (set(sys.modules) - modules)


def test_an_imported_stand_in_for_a_package_is_forgotten(without_package: Callable[..., None]) -> None:
    with ExitStack() as run:
        MissingPackage("odd_package", "", "", (), ("odd_package",), lambda: {"answer": 42}).put(run)
        import odd_package  # type: ignore[import-not-found]

        assert odd_package.answer == 42
    with pytest.raises(ModuleNotFoundError):
        import odd_package


def test_a_module_that_is_gone_as_a_whole_is_there_for_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_package").mkdir()
    (tmp_path / "some_package" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    row = Dropped("", "", "", (), ("some_package.misc.answer",), "some_package.misc", lambda: {"answer": 42})
    with ExitStack() as run:
        assert row.lacking() == ["some_package.misc.answer"]
        row.put(run)
        from some_package import misc  # type: ignore[import-not-found]

        assert misc.answer == 42
    assert not hasattr(sys.modules.pop("some_package"), "misc") and "some_package.misc" not in sys.modules


def test_what_is_there_is_not_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tensorboardX").mkdir()
    (tmp_path / "tensorboardX" / "__init__.py").write_text("SummaryWriter = 'the real one'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(fractions, "gcd", "still there", raising=False)
    with stand_ins():
        import tensorboardX

        assert tensorboardX.SummaryWriter == "the real one" and old(fractions, "gcd") == "still there"
    del sys.modules["tensorboardX"]


def test_no_random_number_is_drawn() -> None:
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index, union-attr, unused-ignore]
    with stand_ins():
        pass
    assert before == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # type: ignore[index, union-attr, unused-ignore]


# What a codebase needs, read from its files.


@pytest.fixture
def codebase(tmp_path: Path) -> Path:
    root = tmp_path / "codebase"
    files = {
        "train.py": "import fractions\nfrom util import config\n\ndef lcm(a, b):\n    return a / fractions.gcd(a, b)\n",
        "model.py": (
            "import torch\nimport numpy as np\ncuda = torch.cuda.is_available()\nnet = torch.nn.Linear(1, 1)\n"
            "if cuda:\n    net.cuda()\nTensor = torch.cuda.FloatTensor if cuda else torch.FloatTensor\nx = np.int(1)\n"
        ),
        "util/config.py": "import yaml\na = yaml.load('a')\nb = yaml.load('a', Loader=yaml.Loader)\n",
        "util/logger.py": "from tensorboardX import SummaryWriter\n",
        "util/page.py": "try:\n    import tensorflow as tf\nexcept ImportError:\n    tf = None\n",
        "scripts/evaluate.py": "import collections\nisinstance({}, collections.Mapping)\n",
        "old.py": "print 'python 2'\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def found(root: Path) -> dict[str, list[str]]:
    return {
        need.stand_in.name: [f"{call.path.relative_to(root)}:{call.line}" for call in need.calls]
        for need in needed(root)
    }


@pytest.mark.usefixtures("no_gpu")
def test_what_a_codebase_needs_is_read_from_the_files_its_scripts_import(codebase: Path) -> None:
    # Not from scripts/, which nobody imports, nor what a file sees to itself: "if cuda:", and an import in a "try".
    pytest.importorskip("yaml")
    assert found(codebase) == {
        "fractions.gcd": ["train.py:5"],
        "yaml.load(stream)": ["util/config.py:2"],
        "numpy.int": ["model.py:8"],
        "tensorboardX": ["util/logger.py:1"],
    }


@pytest.mark.usefixtures("no_gpu")
def test_cuda_whatever_happens_is_found_and_only_without_a_gpu(codebase: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (codebase / "model.py").write_text("import torch\nx = torch.ones(1).cuda()\nassert torch.cuda.is_available()\n")
    assert {".cuda()", "assert torch.cuda.is_available()"} <= set(found(codebase))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert not [name for name in found(codebase) if "cuda" in name]


def test_the_doctor_fails_on_an_import_and_warns_of_a_call(codebase: Path) -> None:
    checks = {check.found: check for check in check_old_calls(codebase)}
    failure = checks["util/logger.py imports tensorboardX, which is not installed"]
    warning = checks["train.py line 5 asks for fractions.gcd, which is gone since Python 3.9"]
    assert (failure.name, failure.status) == ("host's imports", "failure")
    assert (warning.name, warning.status) == ("host's calls", "warning")
    assert {check.cure for check in checks.values()} == {"guidegan run --legacy SCRIPT"}


@pytest.mark.usefixtures("fitting")
def test_the_doctor_of_a_host_says_so_too(
    fork: Fork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = fork({"train.py": [("import time\n", "import time\nimport fractions\nprint(fractions.gcd(4, 6))\n")]})
    monkeypatch.setattr(sys, "argv", ["guidegan", "doctor", str(root)])
    with pytest.raises(SystemExit):
        cli.main()
    assert "asks for fractions.gcd, which is gone since Python 3.9" in capsys.readouterr().out


# The command.


@pytest.fixture
def old_fork(fork: Fork) -> Path:
    """A fork whose training asks for what is gone."""
    return fork({"train.py": [("import time\n", "import time\nimport fractions\nPRINT = fractions.gcd(4, 6)\n")]})


def guidegan(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Any:
    monkeypatch.setattr(sys, "argv", ["guidegan", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


@pytest.mark.usefixtures("in_host")
@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_without_the_flag_nothing_is_replaced_and_the_error_names_the_flag(
    old_fork: Path, paired: Path, monkeypatch: pytest.MonkeyPatch, dry_run: list[str]
) -> None:
    names = same_names()
    code = guidegan(monkeypatch, "run", *dry_run, old_fork / "train.py", "--dataroot", paired, *COMMON.split())
    assert code == (
        "guidegan: error: train.py fails: train.py line 13 asks for fractions.gcd, which is gone since Python 3.9; "
        "guidegan run --legacy SCRIPT puts a stand-in there"
    )
    assert same_names() == names


@pytest.mark.usefixtures("in_host")
@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_with_the_flag_the_script_trains_and_afterwards_all_is_as_before(
    old_fork: Path, paired: Path, monkeypatch: pytest.MonkeyPatch, dry_run: list[str]
) -> None:
    lacking, cuda = [row.lacking() for row in STAND_INS], torch.Tensor.cuda
    options = ["--dataroot", paired, "--name", "old", *COMMON.split(), "--save_epoch_freq", 1]
    assert guidegan(monkeypatch, "run", "--legacy", *dry_run, old_fork / "train.py", *options) == 0
    assert Path("checkpoints/old/latest_net_G.pth").exists() != bool(dry_run)
    assert [row.lacking() for row in STAND_INS] == lacking and torch.Tensor.cuda is cuda


def test_a_run_says_at_its_start_what_the_codebase_needs(
    old_fork: Path, in_host: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    in_host()
    with caplog.at_level(logging.INFO), pytest.raises(SystemExit):
        launcher.run(old_fork / "train.py", ["--nonsense"], legacy=True)
    assert "--legacy: stand-ins for fractions.gcd" in [record.message for record in caplog.records]


@pytest.mark.usefixtures("in_host")
def test_an_error_of_another_kind_has_its_traceback_alone(
    fork: Fork, paired: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = fork({"train.py": [("import time\n", "import time\nimport fractions\nfractions.Fraction(1, 0)\n")]})
    assert guidegan(monkeypatch, "run", root / "train.py", "--dataroot", paired, *COMMON.split()) == 1
    assert capsys.readouterr().err.rstrip().endswith("ZeroDivisionError: Fraction(1, 0)")


@pytest.mark.usefixtures("in_host")
def test_a_checkpoint_of_more_than_tensors_is_refused_plainly_with_the_flag_too(
    fork: Fork, paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"path": tmp_path}, tmp_path / "old.pth")
    load = f"import time\nimport torch\ntorch.load({str(tmp_path / 'old.pth')!r}, weights_only=True)\n"
    root = fork({"train.py": [("import time\n", load)]})
    code = guidegan(monkeypatch, "run", "--legacy", root / "train.py", "--dataroot", paired, *COMMON.split())
    assert "\n" not in code and code.startswith("guidegan: error: train.py fails: a checkpoint holds more than tensors")
    assert code.endswith("save the networks' state_dict() again where the checkpoint was made")


def failing(path: Path, text: str) -> Exception:
    path.write_text(text)
    with pytest.raises(Exception) as caught:
        exec(compile(text, path, "exec"), {})
    return caught.value


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
@pytest.mark.parametrize(
    "line", ["torch.ones(1).cuda()", "torch.cuda.set_device(0)", "assert(torch.cuda.is_available())"]
)
def test_a_host_with_an_option_for_the_cpu_hears_of_that_option(tmp_path: Path, line: str) -> None:
    error = failing(tmp_path / "model.py", f"import torch\n{line}\n")
    said = lacks_stand_in(error, tmp_path)
    assert said is not None and said.startswith("model.py line 2 asks for ") and "--legacy" in said
    said = lacks_stand_in(error, tmp_path, cpu_option="--gpu_ids -1", legacy=True)
    assert said is not None and said.endswith("which needs a GPU, and there is none; add --gpu_ids -1 to ARGS")
    assert lacks_stand_in(error, tmp_path, cpu_option="") is None


@pytest.mark.usefixtures("no_gpu")
def test_such_a_host_gets_no_stand_in_for_a_gpu() -> None:
    cuda = torch.Tensor.cuda
    with stand_ins(cpu_option="--gpu_ids -1"):
        assert torch.Tensor.cuda is cuda and hasattr(fractions, "gcd")


@pytest.mark.usefixtures("no_gpu")
def test_a_failed_torch_load_is_told_from_networks_that_do_not_fit(tmp_path: Path, saved_by_a_gpu: Path) -> None:
    text = f"import torch\ntorch.nn.Linear(3, 1).load_state_dict(torch.load({str(saved_by_a_gpu)!r}))\n"
    said = lacks_stand_in(failing(tmp_path / "a.py", text), tmp_path)
    assert said is not None and "torch.load, which puts what a GPU saved on a GPU" in said
    fitting = text.replace("))", ", map_location='cpu'))")
    assert lacks_stand_in(failing(tmp_path / "b.py", fitting), tmp_path) is None


# The documents.


def test_the_table_in_the_documents_is_this_one() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "hosts.md").read_text()
    rows = [f"| `{row.name}` | {row.why} | {row.instead} | {', '.join(row.hosts) or '-'} |" for row in STAND_INS]
    section = text.partition("## Old codebases")[2].partition("\n## ")[0]
    assert [line for line in section.splitlines() if line.startswith("| `")] == rows
