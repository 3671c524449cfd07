"""Small networks, a small training loop, and hosts run in this process."""

from __future__ import annotations

import gc
import importlib.util
import itertools
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE
from types import ModuleType

import hypothesis
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
REFERENCE_HOST = ROOT / "examples" / "reference_host"
HOST_PACKAGES = ("models", "data", "options", "util")

# What processes of tests need not import again.
WARM = """
import torchvision, torch.distributed.launcher.api, guidegan_plugin.cli, guidegan_plugin.hosts.junyanz.model
from guidegan_plugin.plugins.manager import KINDS, collect, create_manager
for kind in KINDS:
    collect(create_manager(), kind)
"""

# The same examples in every run, and no example database; a busy machine has no deadline.
hypothesis.settings.register_profile(
    "project", derandomize=True, database=None, deadline=None, max_examples=60, print_blob=False
)
hypothesis.settings.load_profile("project")


def pytest_configure() -> None:
    # A shell lets what it starts in the background ignore Ctrl-C, and so would all processes that tests interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seen = set()
    for item in items:
        if item.get_closest_marker("slow_but_first"):
            test = item.nodeid.partition("[")[0]
            if test in seen:
                item.add_marker("slow")
            seen.add(test)
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # a million objects of modules, which each collection would visit


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GUIDEGAN_DISABLE_PLUGINS", "GUIDEGAN_TRACE_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    # Without a CUDA device torch.manual_seed formats a stack for each kind of device, and keeps it for later.
    (torch.manual_seed if torch.cuda.is_available() else torch.default_generator.manual_seed)(0)


@pytest.fixture(scope="session")
def load_script() -> Callable[[Path], ModuleType]:
    """A script as a module, by its path: ``load_script(EXAMPLES / "demo.py")``; a new one each time."""

    def load(path: Path) -> ModuleType:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(path.parent)  # where a script finds the modules beside it
            spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def warm_python() -> Iterator[str]:
    """The path of a Python that has imported torch and the package already: ``warm_python.py``."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    with tempfile.TemporaryDirectory(prefix="guidegan-") as folder:  # a socket's path may not be long
        line, start = Path(folder) / "line", Path(folder) / "python"
        script = str(Path(__file__).parent / "warm_python.py")
        command = [sys.executable, script, str(line), WARM]
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environment) as server:
            assert server.stdin is not None and server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            ask = shlex.join([sys.executable, "-IS", script, "--start", str(line)])
            start.write_text(f'#!/bin/sh\nWARM_PYTHON_EXECUTABLE={shlex.quote(str(start))} exec {ask} "$@"\n')
            start.chmod(0o755)
            yield str(start)
            server.stdin.close()


@pytest.fixture(scope="session")
def networks(load_script: Callable[[Path], ModuleType]) -> ModuleType:
    """The reference host's networks, without the host."""
    return load_script(REFERENCE_HOST / "models" / "networks.py")


@pytest.fixture
def make_generator() -> Callable[..., nn.Module]:
    def make(channels: int = 3) -> nn.Module:
        return nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, 8, 3),
            nn.InstanceNorm2d(8),
            nn.ReLU(True),
            nn.Conv2d(8, 3, 3, padding=1),
            nn.Tanh(),
        )

    return make


@pytest.fixture
def make_discriminator() -> Callable[..., nn.Module]:
    """A PatchGAN of five convolutions; each activation overwrites its norm's output in place."""

    def make(channels: int = 3) -> nn.Module:
        layers: list[nn.Module] = [nn.Conv2d(channels, 8, 4, 2, 1), nn.LeakyReLU(0.2, True)]
        for width, stride in ((8, 2), (12, 2), (16, 1)):
            previous = 8 if width == 8 else width - 4
            layers += [nn.Conv2d(previous, width, 4, stride, 1), nn.InstanceNorm2d(width), nn.LeakyReLU(0.2, True)]
        return nn.Sequential(*layers, nn.Conv2d(16, 1, 4, 1, 1))

    return make


class ToyTraining:
    """One pair trained the LSGAN way: G's update with D frozen, then D's on real and detached fake."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.g_optimizer = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
        self.d_optimizer = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))

    def step(self, source: Tensor, target: Tensor) -> Tensor:
        self.discriminator.requires_grad_(False)
        fake = self.generator(source)
        self.g_optimizer.zero_grad()
        (self.discriminator(fake) - 1).pow(2).mean().backward()
        self.g_optimizer.step()
        self.discriminator.requires_grad_(True)
        self.d_optimizer.zero_grad()
        loss = (self.discriminator(target) - 1).pow(2).mean() + self.discriminator(fake.detach()).pow(2).mean()
        loss.backward()
        self.d_optimizer.step()
        return fake


@pytest.fixture
def toy_training() -> type[ToyTraining]:
    return ToyTraining


@pytest.fixture
def same_state() -> Callable[[nn.Module, nn.Module], bool]:
    """Whether two networks have bit-equal weights under the same keys."""

    def same(one: nn.Module, other: nn.Module) -> bool:
        left, right = one.state_dict(), other.state_dict()
        return list(left) == list(right) and all(torch.equal(left[key], right[key]) for key in left)

    return same


def _noise_image(path: Path, size: tuple[int, int], seed: int, mode: str = "RGB") -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.fixture
def noise_image() -> Callable[..., None]:
    return _noise_image


@pytest.fixture
def unpaired(tmp_path: Path) -> Path:
    """Three images a domain, 40 x 36 pixels."""
    root = tmp_path / "unpaired"
    for number, (split, index) in enumerate(itertools.product(("trainA", "trainB", "testA", "testB"), range(3))):
        _noise_image(root / split / f"{index}.png", (40, 36), number)
    return root


@pytest.fixture
def paired(tmp_path: Path) -> Path:
    """Three side-by-side images, halves of 40 x 36 pixels."""
    root = tmp_path / "paired"
    for number, (split, index) in enumerate(itertools.product(("train", "test"), range(3))):
        _noise_image(root / split / f"{index}.png", (80, 36), number)
    return root


@pytest.fixture
def in_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Forget a host's packages when called and at the end, so that hosts do not mix; work in a fresh folder."""
    ours = "guidegan_plugin.hosts.junyanz.datasets."  # their classes derive from a host's

    def forget() -> None:
        for name in [name for name in sys.modules if name.split(".")[0] in HOST_PACKAGES or name.startswith(ours)]:
            del sys.modules[name]

    monkeypatch.chdir(tmp_path)
    forget()
    yield forget
    forget()


@pytest.fixture
def run_host(in_host: Callable[[], None]) -> Callable[..., None]:
    """Run a script of the reference host through the launcher: ``run_host("train.py", "--model", ...)``."""
    from guidegan_plugin.cli.console import show_facts
    from guidegan_plugin.hosts import launcher

    def call(script: str, *arguments: object, dry_run: bool = False) -> None:
        in_host()
        options = [str(argument) for argument in arguments]
        if dry_run:
            show_facts(launcher.dry_run(REFERENCE_HOST / script, options))
        else:
            launcher.run(REFERENCE_HOST / script, options)

    return call


@pytest.fixture
def guidegan(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int | str]:
    """Run the command in this process; its exit code, or the one line it ends with."""

    from guidegan_plugin import cli

    def call(*arguments: object) -> int | str:
        monkeypatch.setattr(sys, "argv", ["guidegan", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0

    return call


@pytest.fixture
def fitting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For the doctor: torch, torchvision and CUDA as on a healthy machine, without asking them; no weights."""
    from guidegan_plugin.diagnosis import diagnose
    from guidegan_plugin.plugins.check import Check

    checks = [Check(name, "ok", "fits") for name in ("torch", "torchvision", "CUDA")]
    monkeypatch.setattr(diagnose, "check_torch", lambda meanwhile: meanwhile() or checks)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))


@pytest.fixture
def small() -> Callable[[str, Path], list[str]]:
    """Options that train a model of the host within a second or two an epoch; U-Nets need 128 pixels."""

    def options(model: str, dataroot: Path) -> list[str]:
        unet = "pix2pix" in model
        size, load = (128, 140) if unet else (32, 36)
        nets = ["--netG", "unet_128"] if unet else ["--netG", "resnet_6blocks"]
        text = f"--ngf 4 --ndf 4 --load_size {load} --crop_size {size} --num_threads 0 --seed 1"
        return ["--dataroot", str(dataroot), "--model", model, "--name", "run", *nets, *text.split()]

    return options


@pytest.fixture
def one_epoch() -> list[str]:
    text = "--n_epochs 1 --n_epochs_decay 0 --display_freq 2 --update_html_freq 2 --print_freq 2"
    return text.split()


@pytest.fixture
def read_weights() -> Callable[[Path], dict[str, dict[str, Tensor]]]:
    """All networks of a checkpoint folder's newest set."""

    def read(folder: Path) -> dict[str, dict[str, Tensor]]:
        return {
            path.name: torch.load(path, map_location="cpu", weights_only=True)
            for path in sorted(folder.glob("latest_net_*.pth"))
        }

    return read
