"""Codebases of a family: a stand-in of our own always, and real checkouts that ``GUIDEGAN_HOST_DIRS`` names.

A test module says ``FAMILY = "stargan"``, the name of a registered host, and each of its tests that takes ``codebase``
runs on ``stand_ins/stargan`` and on every checkout that the host recognises. ``FOLDERS`` names the folders of a
checkout where its scripts lie, if that is not the checkout's own folder.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from guidegan_plugin.guidance.memory.state_dict import unpack_keys
from guidegan_plugin.guidance.memory.store_file import load_stores
from guidegan_plugin.plugins.find_host import find_host
from guidegan_plugin.plugins.manager import create_manager

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CHECKOUTS = [Path(text) for text in os.environ.get("GUIDEGAN_HOST_DIRS", "").split(os.pathsep) if text]
WEIGHTS = (".pth", ".pt", ".ckpt")
Weights = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class Codebase:
    """Where the scripts lie, and whether it is a real checkout."""

    root: Path
    real: bool


@dataclass(frozen=True)
class Ended:
    """How a script ended: its exit code, and what it wrote."""

    code: int
    output: str


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "codebase" not in metafunc.fixturenames or not hasattr(metafunc.module, "FAMILY"):
        return
    manager = create_manager()

    def is_one(path: Path) -> bool:
        found = [find_host(path / folder, manager) for folder in getattr(metafunc.module, "FOLDERS", ("",))]
        return any(host is not None and host.name == metafunc.module.FAMILY for host in found)

    real = [pytest.param(path, id=path.name, marks=pytest.mark.slow) for path in CHECKOUTS if is_one(path)]
    metafunc.parametrize("codebase", [pytest.param(None, id="stand_in"), *real], indirect=True)


@pytest.fixture
def stand_in(request: pytest.FixtureRequest) -> Path:
    """The folder of the family's stand-in; a module whose stand-in has to be put together first has its own."""
    return HERE / "stand_ins" / str(request.module.FAMILY)


@pytest.fixture
def codebase(request: pytest.FixtureRequest, stand_in: Path) -> Codebase:
    return Codebase(stand_in if request.param is None else request.param, request.param is not None)


@pytest.fixture
def execute(codebase: Codebase, warm_python: str, tmp_path: Path) -> Callable[..., Ended]:
    """Run a script of the codebase in a process of its own; no file of the codebase may change.

    ``execute("main.py", "--mode", "train")`` runs it bare, with ``guide=["--guide_concat", "alpha"]`` guided, from the
    folder ``cwd``; ``legacy`` gives old calls their stand-ins, ``dry_run`` is ``guidegan run --dry-run``, ``record`` is
    where the witness writes, and ``fails`` says that the script shall not end well.
    """

    def call(
        script: str,
        *arguments: object,
        guide: list[str] | None = None,
        cwd: Path = tmp_path,
        legacy: bool = False,
        dry_run: bool = False,
        record: Path | None = None,
        fails: bool = False,
    ) -> Ended:
        way = ["legacy" if legacy else "bare"] if guide is None else ["guided"]
        flags = [*["--legacy"] * legacy, *["--dry-run"] * dry_run] if guide is not None else []
        own = [record or "-", *way, *flags, codebase.root / script, *arguments, *(guide or ())]
        before = checksum(codebase.root)
        cwd.mkdir(parents=True, exist_ok=True)
        ended = subprocess.run(
            [warm_python, str(HERE / "witness.py"), *map(str, own)],
            cwd=cwd,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "400"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        code, said = ended.returncode, ended.stdout
        assert (code != 0) == fails, said[-4000:]
        assert checksum(codebase.root) == before, "a file of the codebase changed"
        return Ended(code, said)

    return call


def checksum(root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and not {"__pycache__", ".git"} & set(path.parts):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


@pytest.fixture
def saved_weights() -> Callable[[Path], Weights]:
    """All state dicts that a script saved below a folder, by their paths in there; inner ones by joined keys."""

    def flat(value: Any, before: str = "") -> dict[str, Tensor]:
        if isinstance(value, Tensor):
            return {before: value}
        items = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
        )
        return {key: one for name, inner in items for key, one in flat(inner, f"{before}.{name}").items()}

    def read(folder: Path) -> Weights:
        files = sorted(path for path in folder.rglob("*") if path.suffix in WEIGHTS)
        return {str(path.relative_to(folder)): flat(torch.load(path, weights_only=True)) for path in files}

    return read


@pytest.fixture
def same_weights() -> Callable[[Weights, Weights], bool]:
    """Whether two runs saved bit-equal weights, and some at all."""

    def same(one: Weights, other: Weights) -> bool:
        return (
            len(one) > 0
            and list(one) == list(other)
            and all(list(one[file]) == list(other[file]) for file in one)
            and all(torch.equal(one[file][key], other[file][key]) for file in one for key in one[file])
        )

    return same


@pytest.fixture
def remembered() -> Callable[..., dict[str, tuple[Tensor, int]]]:
    """What a pair remembers in a file: by the key its map ``(h, w)`` in [0, 1], and how often it was visited."""

    def read(path: Path, pair: str) -> dict[str, tuple[Tensor, int]]:
        state = load_stores(path)[0][pair]
        maps = [one.float() / 255 for name, slab in state.items() if name.startswith("maps.") for one in slab]
        assert len(maps) == len(unpack_keys(state)), "all maps have one size"
        found = zip(maps, state["visits"].tolist(), strict=True)
        return dict(zip(unpack_keys(state), ((one.squeeze(0), visits) for one, visits in found), strict=True))

    return read
