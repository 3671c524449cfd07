from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.memory.digests import networks_digest
from guidegan_plugin.guidance.memory.storage import Rows, Slab
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import load_facts, load_stores, load_visits, save_stores


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    store = AttentionStore()
    store.write(["a", "b"], torch.rand(2, 1, 7, 7))
    path = tmp_path / "latest_guide.safetensors"
    save_stores(path, {"A": store.state(), "B": AttentionStore().state()}, {"step": "7"})
    return path


def test_a_file_gives_back_every_pair_and_fact(saved: Path) -> None:
    states, facts = load_stores(saved)
    assert set(states) == {"A", "B"} and facts["step"] == "7"
    assert states["A"]["maps.7x7"].shape == (2, 1, 7, 7) and states["B"]["visits"].shape == (0,)


def test_every_truncation_is_refused_by_name(saved: Path) -> None:
    content = saved.read_bytes()
    for length in range(0, len(content), 97):
        saved.write_bytes(content[:length])
        with pytest.raises(StoreError, match="latest_guide"):
            load_stores(saved)


def test_every_flipped_bit_is_refused_by_name(saved: Path) -> None:
    content = saved.read_bytes()
    for position in range(0, len(content), 41):
        flipped = bytearray(content)
        flipped[position] ^= 1 << (position % 8)
        saved.write_bytes(flipped)
        with pytest.raises(StoreError, match="latest_guide"):
            load_stores(saved)


def test_a_foreign_file_and_a_missing_one_are_refused_by_name(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"weight": torch.ones(2)}, foreign)
    with pytest.raises(StoreError, match=r"foreign.*format None"):
        load_stores(foreign)
    with pytest.raises(StoreError, match="missing"):
        load_stores(tmp_path / "missing.safetensors")


def test_a_failing_rename_leaves_the_old_file_and_nothing_else(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StoreError, match=r"No space left on device; free space or change path="):
        save_stores(saved, {}, {})
    assert saved.read_bytes() == before and list(saved.parent.iterdir()) == [saved]


def test_a_digest_follows_weights_and_not_wrappers() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    digest = networks_digest({"G": net})
    assert networks_digest({"G": nn.DataParallel(net)}) == digest
    with torch.no_grad():
        net[0].weight[0, 0] += 1e-6
    assert networks_digest({"G": net}) != digest


def test_a_file_that_is_not_there_is_not_called_torn(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no store .*missing.safetensors; change path="):
        load_stores(tmp_path / "missing.safetensors")


def test_a_store_of_a_newer_version_is_not_called_torn(saved: Path) -> None:
    states, facts = load_stores(saved)
    tensors = {f"{pair}.{name}": tensor for pair, state in states.items() for name, tensor in state.items()}
    safetensors.torch.save_file(tensors, saved, {**facts, "format": "guidegan-store-3"})
    for read in (load_stores, load_facts, load_visits):
        with pytest.raises(StoreError, match=r"guidegan-store-3.*newer version.*; upgrade guidegan_plugin, or this$"):
            read(saved, "this")


def test_visits_are_read_by_pair_and_image_without_the_maps(tmp_path: Path) -> None:
    stores = {name: AttentionStore() for name in ("A", "B")}
    for name, sizes in (("A", (3, 2, 3)), ("B", (2,))):
        for index, size in enumerate(sizes):
            stores[name].write([f"{index % 2}.png"], torch.full((1, 1, size, size), 0.2))
    path = tmp_path / "1_guide.safetensors"
    save_stores(path, {name: store.state() for name, store in stores.items()}, {})
    path.write_bytes(path.read_bytes().replace(bytes([51] * 4), bytes([52] * 4)))  # maps that the checksum denies
    with pytest.raises(StoreError, match="was altered"):
        load_stores(path)
    assert load_visits(path) == {"A": {"0.png": 2, "1.png": 1}, "B": {"0.png": 1}}


@pytest.mark.parametrize("content", [b"", b"torn"])
def test_visits_of_a_torn_store_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "1_guide.safetensors").write_bytes(content)
    with pytest.raises(StoreError, match=r"1_guide\.safetensors is torn"):
        load_visits(tmp_path / "1_guide.safetensors")


def resaved(path: Path, pair: str = "A", **changed: torch.Tensor) -> None:
    """Change tensors of a pair in a file, under a checksum that is right again."""
    states, facts = load_stores(path)
    states[pair] |= changed
    save_stores(path, states, {name: value for name, value in facts.items() if name not in ("format", "pairs")})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"keys": torch.zeros(3, dtype=torch.uint8)}, "'offsets' do not divide the 3 bytes"),
        ({"keys": torch.full((2,), 97, dtype=torch.uint8)}, "'keys' holds an image twice"),
        ({"offsets": torch.tensor([0, 5, 2])}, "'offsets' do not divide"),
        ({"offsets": torch.empty(0, dtype=torch.int64)}, "'offsets' do not divide"),
        ({"visits": torch.tensor([1.0, 2.0])}, "'visits' is torch.float32"),
        ({"visits": torch.tensor([-1, 2])}, "'visits' holds less than none"),
        ({"visits": torch.tensor([1 << 62, 2])}, "'visits' holds more than can be counted"),
        ({"views": torch.zeros(2, 2, 3)}, "a crop without an area"),
        ({"views": torch.full((2, 2, 3), float("inf"))}, "a crop without an area, or one that is not finite"),
        ({"views": torch.zeros(2, 3)}, r"'views' is torch.float32 \(2, 3\), expected torch.float32 \(2, 2, 3\)"),
        ({"maps.7x7": torch.full((2, 1, 7, 7), float("nan"))}, r"values that are not in \[0, 1\]"),
        ({"maps.7x7": torch.zeros(2, 1, 7, 8)}, r"'maps.7x7' is .* expected maps \('n', 1, 7, 7\)"),
        ({"maps.7x7": torch.zeros(1, 1, 7, 7)}, "1 maps for 2 keys"),
        ({"maps.0x7": torch.zeros(2, 1, 0, 7)}, "A.maps.0x7, which is of none of its pairs"),
        ({"other": torch.zeros(1)}, "A.other, which is of none of its pairs"),
    ],
)
def test_wrong_content_under_a_right_checksum_is_refused_and_nothing_is_taken(
    saved: Path, changed: dict[str, torch.Tensor], said: str
) -> None:
    store = AttentionStore()
    store.write(["mine"], torch.full((1, 1, 3, 3), 0.2))
    before = store.state()
    states, _ = load_stores(saved)
    with pytest.raises(StoreError):
        store.load_state({**states["A"], **changed}, torch.device("cpu"))
    assert all(torch.equal(before[name], tensor) for name, tensor in store.state().items() if name != "views")
    resaved(saved, **changed)
    with pytest.raises(StoreError, match=rf"^\S*latest_guide.safetensors .*{said}.*; delete it to start from ones$"):
        load_stores(saved)


@pytest.mark.parametrize(
    ("fact", "value"),
    [("config", "no JSON"), ("config", "[1]"), ("config", '{"concat": []}'), ("A.steps", "many"), ("B.visits", "-1")],
)
def test_facts_that_nobody_could_have_written_are_refused(saved: Path, fact: str, value: str) -> None:
    states, facts = load_stores(saved)
    save_stores(saved, states, {**facts, fact: value})
    for read in (load_stores, load_visits):
        with pytest.raises(StoreError, match=rf"latest_guide.safetensors has (a )?{fact} "):
            read(saved)


def test_a_load_that_fails_half_way_leaves_what_was_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    store, other = AttentionStore(), AttentionStore()
    store.write(["mine"], torch.full((1, 1, 3, 3), 0.2))
    other.write(["a"], torch.rand(1, 1, 3, 3))
    other.write(["b"], torch.rand(1, 1, 4, 4))
    keep = Slab.store

    def full(self: Slab, rows: Rows, maps: torch.Tensor) -> None:
        if maps.shape[-1] == 4:
            raise MemoryError
        keep(self, rows, maps)

    monkeypatch.setattr(Slab, "store", full)
    with pytest.raises(MemoryError):
        store.load_state(other.state(), torch.device("cpu"))
    assert list(store) == ["mine"] and store.recall(["mine"]).ages == (1,)


def test_a_large_map_takes_no_room_for_others_like_it() -> None:
    store = AttentionStore()
    store.write(["a"], torch.zeros(1, 1, 3000, 3000))
    assert sum(len(maps) for maps in store.chunks()) == 1
    assert sum(slab.maps.nbytes for slab in store._slabs.values()) == 9_000_000
