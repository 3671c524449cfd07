"""The readers of the package, each with a file that it reads."""

from __future__ import annotations

import contextlib
import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from mutations import Mutate, bytes_changed, maps_changed, store_changed, text_changed
from PIL import Image
from torch import nn

from guidegan_plugin.attaching.guides_file import load_networks, save_networks
from guidegan_plugin.datasets.bdd100k import read_frames
from guidegan_plugin.datasets.preparation import prepare
from guidegan_plugin.datasets.splits import plan_split
from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.evaluation.map_sources import maps_in_store
from guidegan_plugin.evaluation.palette_file import load_palette
from guidegan_plugin.guidance.memory.disk_state import DiskState
from guidegan_plugin.guidance.memory.disk_store import DiskStore
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import load_stores, load_visits, save_stores
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.guidance.test_time.map_predictor import MapPredictor
from guidegan_plugin.guidance.test_time.predictor_file import (
    Prediction,
    load_predictors,
    predictor_path,
    save_predictors,
)
from guidegan_plugin.hosts.junyanz import training_state
from guidegan_plugin.hosts.junyanz.baking import bake
from guidegan_plugin.hosts.junyanz.training_folder import read_memories
from guidegan_plugin.hosts.junyanz.weights_file import load_weights
from guidegan_plugin.monitors.visdom.log import curves_in
from guidegan_plugin.monitors.visdom.replay import read_log
from guidegan_plugin.plugins.find_host import recognise
from guidegan_plugin.prediction.examples import Group
from guidegan_plugin.prediction.learning import Learning
from guidegan_plugin.prediction.unfinished import Unfinished
from guidegan_plugin.reports.result_files import read_results
from guidegan_plugin.utils.images import open_image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Act:
    """Reads a file, whatever is in it by then."""

    path: Path
    read: Callable[[], object]

    def __call__(self) -> None:
        self.read()


@dataclass(frozen=True)
class Reader:
    """A reader of the package.

    Attributes:
        name: Of the reader.
        prepare: Writes a right file into a folder.
        mutate: Spoils the file.
    """

    name: str
    prepare: Callable[[Path], Act]
    mutate: Mutate


def _fill(store: AttentionStore, keys: list[str], size: int) -> None:
    view = View.stack([View.crop((1, 0), (4, 4), (9, 8), flip=bool(place % 2)) for place in range(len(keys))])
    store.write(keys, torch.rand(len(keys), 1, size, size), view)
    store.write(keys[:1], torch.rand(1, 1, size + 1, size))


def _write_store(path: Path) -> Path:
    torch.manual_seed(0)
    states = {}
    for pair, dtype in (("A", "uint8"), ("B", "float16")):
        store = AttentionStore(dtype=dtype)
        _fill(store, [f"train{pair}/{number}.png" for number in range(4)], 5)
        states[pair] = store.state()
    config = json.dumps({"concat": "rhp", "transfer": "bilinear", "layer": 4, "dropout": 0.0})
    facts = {"A.digest": "a" * 64, "A.steps": "8", "A.visits": "8", "B.steps": "8"}
    save_stores(path, states, {"config": config, **facts, "A.image": "3x40x40", "A.cells": "5x5"})
    return path


class HalfLoaded(Exception):
    """A memory that was refused, and changed all the same."""


def _store(folder: Path, exact: bool = True) -> Act:
    path = _write_store(folder / "latest_guide.safetensors")
    right = _sorted(*load_stores(path))
    memory = AttentionStore()
    _fill(memory, ["mine", "yours"], 3)
    mine = memory.state()

    def read() -> None:
        memory.load_state(mine, CPU)
        before = memory.state()
        try:
            states, facts = load_stores(path)
            if exact and _sorted(states, facts) != right:
                raise WrongContent
            for state in states.values():
                memory.load_state(state, CPU)
                memory.recall(list(memory)[:3])
                before = memory.state()
        finally:
            after = memory.state()
            if before.keys() != after.keys() or not all(
                torch.equal(before[name].nan_to_num(9), after[name].nan_to_num(9)) for name in before
            ):
                raise HalfLoaded

    return Act(path, read)


def _sorted(states: Any, facts: Any) -> str:
    return repr(sorted(facts.items())) + repr([(pair, sorted(state.items())) for pair, state in sorted(states.items())])


class WrongContent(Exception):
    """A file with a checksum that was read, and says something else than was written."""


def _file_of_maps(folder: Path, exact: bool = True) -> Act:
    """As a training reads it, image by image, and as a whole."""
    torch.manual_seed(0)
    entry, keys = folder / "latest_guide.safetensors", [f"trainA/{number}.png" for number in range(12)]
    store = DiskStore()
    _fill(store, keys, 9)
    state = store.save(folder, "A", entry, "path=")
    save_stores(entry, {"A": state}, {})
    right, recalled = _sorted({"A": state.whole()}, {}), {key: store.recall([key]).maps for key in keys}
    del store
    content = state.path.read_bytes()  # once it is closed, without a log beside it

    def read() -> None:
        state = load_stores(entry)[0]["A"]
        memory = DiskStore()
        memory.load_state(state, CPU)
        for key, maps in recalled.items():
            found = memory.recall([key])  # an image that cannot be found is new
            if exact and found.visited[0] and not torch.equal(found.maps, maps):
                raise WrongContent
        assert isinstance(state, DiskState)
        if exact and _sorted({"A": state.whole()}, {}) != right:
            raise WrongContent
        list(state.images())

    state.path.write_bytes(content)
    return Act(state.path, read)


def _visits(folder: Path) -> Act:
    path = _write_store(folder / "latest_guide.safetensors")
    return Act(path, lambda: load_visits(path))


def _memories(folder: Path) -> Act:
    """As the gallery reads them: two epochs, the second is spoilt."""
    _write_store(folder / "1_guide.safetensors")
    path = _write_store(folder / "2_guide.safetensors")
    return Act(path, lambda: read_memories(folder))


def _evaluated(folder: Path) -> Act:
    path = _write_store(folder / "latest_guide.safetensors")
    return Act(path, lambda: maps_in_store(path, "A"))


def _options(folder: Path) -> Act:
    _write_store(folder / "2_guide.safetensors")
    path = folder / "train_opt.txt"
    path.write_text("--- Options ---\n  dataroot: ./data   [default: None]\n direction: BtoA\n dataset_mode: aligned\n")
    return Act(path, lambda: read_memories(folder))


class _Pool:
    def __init__(self) -> None:
        self.pool_size, self.num_imgs, self.images = 4, 2, [torch.rand(1, 3, 4, 4) for _ in range(2)]

    def query(self, images: torch.Tensor) -> torch.Tensor:
        return images


def _model() -> Any:
    network = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    schedulers: list[Any] = [torch.optim.lr_scheduler.StepLR(optimizer, 5)]
    schedulers += [torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))]
    networks = {"model_names": ["G"], "netG": nn.Linear(2, 2)}
    return SimpleNamespace(optimizers=[optimizer], schedulers=schedulers, fake_pool=_Pool(), device=CPU, **networks)


def _training_state(folder: Path) -> Act:
    path, model = folder / "latest_guide_state.pth", _model()
    torch.save(training_state.capture(model, 3), path)
    right = repr(training_state.load(path))

    def read() -> None:
        loaded = training_state.load(path)
        if repr(loaded) != right:
            raise WrongContent
        try:
            training_state.restore(model, loaded)
        except StoreError as error:  # it is handed over without its name
            raise StoreError(f"{path.name}: {error}") from error
        model.optimizers[0].step()
        model.schedulers[0].step()
        random.random(), np.random.rand(), torch.rand(1)

    return Act(path, read)


def _weights(folder: Path) -> Act:
    path, network = folder / "latest_net_T.pth", nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    torch.save(network.state_dict(), path)
    right = repr(network.state_dict())

    def read() -> None:
        load_weights(path, network, "change --epoch")
        if repr(network.state_dict()) != right:
            raise WrongContent

    return Act(path, read)


def _own_networks(folder: Path) -> Act:
    path, network = folder / "G_3_guide_networks.safetensors", nn.Conv2d(1, 2, 3)
    guide: Any = SimpleNamespace(networks=lambda: {"T": network})
    save_networks(path, {"A": guide})
    right = repr(network.state_dict())

    def read() -> None:
        load_networks(path, guide)
        if repr(network.state_dict()) != right:
            raise WrongContent

    return Act(path, read)


def _predictors(folder: Path, exact: bool = True) -> Act:
    """What a test with predicted maps reads."""
    store = folder / "latest_guide.safetensors"
    path = predictor_path(store)
    known = Prediction(3, (5, 5), (40, 40), "a" * 64, 9, 1, 0.5, 0.1)
    network = MapPredictor(3, (5, 5), (40, 40))
    save_predictors(path, {"A": (network, known)})
    right = repr(network.state_dict())

    def read() -> None:
        for found, _ in load_predictors(path, store).values():
            if exact and repr(found.state_dict()) != right:
                raise WrongContent
            found(torch.zeros(1, found.channels, 8, 8))

    return Act(path, read)


def _unfinished(folder: Path) -> Act:
    """What a training of predictors goes on from: what does not fit is left, and never an error."""
    unfinished = Unfinished(folder / "latest_guide.safetensors", {})
    group = Group(torch.zeros(2, 3, 40, 40, dtype=torch.uint8), torch.rand(2, 1, 5, 5))
    learning = Learning(MapPredictor(3, (5, 5)), 3, False)
    learning.one_pass([group])
    unfinished.write({"A": learning.state()})

    def read() -> None:
        again = Learning(MapPredictor(3, (5, 5)), 3, False)
        for state in unfinished.read().values():
            with contextlib.suppress(ValueError):
                again.restore(state)
        again.one_pass([group])

    return Act(folder / "latest_guide_predictor_unfinished.safetensors", read)


def _baked(folder: Path, spoilt: str) -> Act:
    """A generator baked beside its store."""
    _write_store(folder / "latest_guide.safetensors")
    block = {f"model.10.conv_block.{number}.weight": torch.rand(2, 2, 3, 3) for number in (1, 5)}
    torch.save(
        {"model.1.weight": torch.rand(2, 3, 7, 7), "model.1.bias": torch.rand(2), **block},
        folder / "latest_net_G_A.pth",
    )

    def read() -> None:
        out = folder / "baked.pth"
        out.unlink(missing_ok=True)
        bake(folder / "latest_net_G_A.pth", out)

    return Act(folder / spoilt, read)


def _palette(folder: Path, name: str, text: str) -> Act:
    path = folder / name
    path.write_text(text)
    return Act(path, lambda: load_palette(str(path)))


def _result(folder: Path) -> Act:
    path = folder / "result.json"
    sides = {side: {"kid_x100": 1.5, "std_x100": 0.1} for side in ("target", "source", "mean")}
    told = {"metric": "kid", "features": "inception", "labels": {"method": "rhp", "seed": "0"}, **sides, "fid": 3.0}
    path.write_text(json.dumps(told))
    return Act(path, lambda: read_results([path]))


def _preparation(folder: Path) -> Act:
    images, out = folder / "images", folder / "set"
    images.mkdir()
    for number in range(2):
        Image.new("RGB", (4, 4)).save(images / f"{number}.png")
    plan = plan_split([images])
    partial = folder / "set.partial"
    partial.mkdir()
    path = partial / "preparation.json"
    path.write_text(json.dumps(plan.identity()))

    def read() -> None:
        content = path.read_bytes()
        try:
            prepare(plan, out, workers=1)
        except Exception as error:
            if path.exists() and path.parent.name in str(error):  # the folder is what its user knows
                raise type(error)(f"{path.name}: {error}") from error
            raise
        finally:
            if out.exists():
                out.rename(partial)
            path.write_bytes(content)

    return Act(path, read)


def _bdd100k(folder: Path) -> Act:
    path = folder / "labels.json"
    box = {"category": "traffic sign", "box2d": {"x1": 1.0, "y1": 2.0, "x2": 90.0, "y2": 80.0}}
    photos = [
        {"name": f"{n}.jpg", "attributes": {"timeofday": "night"}, "labels": [box, {"category": "lane"}]}
        for n in range(3)
    ]
    path.write_text(json.dumps(photos))
    return Act(path, lambda: read_frames(path))


def _visdom_log(folder: Path) -> Act:
    path = folder / "visdom.log"
    trace = {"name": "A", "x": [1.0, 2.0], "y": [0.5, None], "type": "scatter"}
    message = {"win": "guide_curves_entropy", "eid": "run", "data": [trace], "layout": {}}
    path.write_text("".join(json.dumps([kind, message]) + "\n" for kind in ("events", "update", "update")))

    def read() -> None:
        read_log(path)
        curves_in(path, "run")

    return Act(path, read)


def _study(folder: Path) -> Act:
    sys.path.insert(0, str(EXAMPLES / "study"))
    from reading import read_study

    path = folder / "study.yaml"
    path.write_text((EXAMPLES / "study" / "shapes.yaml").read_text())

    def read() -> None:
        try:
            read_study(path)
        except ConfigError as error:  # it names the key instead
            raise ConfigError(f"{path.name}: {error}") from error

    return Act(path, read)


def _image(folder: Path, name: str, mode: str = "RGB") -> Act:
    path = folder / name
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return Act(path, lambda: open_image(path, "--pred").convert("RGB"))


def _host(folder: Path) -> Act:
    for name in ("models", "data", "options"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
    for name in (
        "models/base_model.py",
        "models/cycle_gan_model.py",
        "data/base_dataset.py",
        "options/base_options.py",
    ):
        (folder / name).touch()
    path = folder / "models" / "networks.py"
    path.write_text((EXAMPLES / "reference_host" / "models" / "networks.py").read_text())
    return Act(path, lambda: recognise(folder))


def _readers() -> Iterator[Reader]:
    yield Reader("store", _store, bytes_changed)
    yield Reader("store, checksum repaired", lambda folder: _store(folder, exact=False), store_changed)
    yield Reader("file of maps", _file_of_maps, bytes_changed)
    yield Reader("file of maps, repaired", lambda folder: _file_of_maps(folder, exact=False), maps_changed)
    yield Reader("visits", _visits, bytes_changed)
    yield Reader("visits, checksum repaired", _visits, store_changed)
    yield Reader("gallery of a store", _memories, bytes_changed)
    yield Reader("gallery, repaired", _memories, store_changed)
    yield Reader("evaluated store, repaired", _evaluated, store_changed)
    yield Reader("train_opt.txt", _options, text_changed)
    yield Reader("training state", _training_state, bytes_changed)
    yield Reader("network", _weights, bytes_changed)
    yield Reader("networks beside a script's", _own_networks, bytes_changed)
    yield Reader("predictors", _predictors, bytes_changed)
    yield Reader("predictors, repaired", lambda folder: _predictors(folder, exact=False), store_changed)
    yield Reader("unfinished predictors, repaired", _unfinished, store_changed)
    yield Reader("baked network", lambda folder: _baked(folder, "latest_net_G_A.pth"), bytes_changed)
    yield Reader("baked by a store, repaired", lambda folder: _baked(folder, "latest_guide.safetensors"), store_changed)
    text = "road 128 64 128\n# comment\ntraffic light 250 170 30\nignore 0 0 0\n"
    yield Reader("palette, text", lambda folder: _palette(folder, "palette.txt", text), text_changed)
    listed = [
        {"name": "road", "colour": [128, 64, 128], "ids": [7]},
        {"name": "car", "colour": [0, 0, 142], "ids": [8]},
    ]
    palette = json.dumps({"classes": listed, "ignore": [{"colour": [0, 0, 0], "ids": [0, 255]}]})
    yield Reader("palette, JSON", lambda folder: _palette(folder, "palette.json", palette), text_changed)
    yield Reader("result", _result, text_changed)
    yield Reader("preparation", _preparation, text_changed)
    yield Reader("BDD100K labels", _bdd100k, text_changed)
    yield Reader("Visdom log", _visdom_log, text_changed)
    yield Reader("study", _study, text_changed)
    for name in ("a.png", "a.jpg", "a.bmp", "a.tif", "a.webp", "a.ppm"):
        yield Reader(f"image {name[2:]}", lambda folder, name=name: _image(folder, name), bytes_changed)  # type: ignore[misc]
    yield Reader("host's networks.py", _host, text_changed)


READERS = tuple(_readers())
