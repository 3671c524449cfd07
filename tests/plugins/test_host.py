"""What a host gets that declares no more than it must, and who is asked of a folder."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from PIL import Image

from guidegan_plugin import Host, Run, Sample, hookimpl
from guidegan_plugin.errors import DataError, HostError
from guidegan_plugin.evaluation.image_folders import find_images
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import save_stores
from guidegan_plugin.plugins.find_host import host_of_run, recognise, registered_hosts
from guidegan_plugin.plugins.manager import create_manager
from guidegan_plugin.reports import gallery
from guidegan_plugin.reports.gallery import make_gallery


class Plain(Host):
    """Only what it must."""

    name, looks_for = "plain", "a file plain.py"

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def recognise(cls, root: Path) -> Plain | None:
        return cls(root) if (root / "plain.py").exists() else None

    def guided(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


class Painter(Plain):
    """It leaves runs."""

    name = "painter"
    run_holds = ("*.canvas",)
    results = r"-(sketch|oil)"

    @classmethod
    def read_run(cls, run: Path) -> Run:
        return Run([Sample("one", "", {"input": run / "one.canvas"})], title="an exhibition")


class Plugin:
    @hookimpl
    def guidegan_register_host(self) -> list[type[Host]]:
        return [Plain, Painter]


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> list[type[Host]]:
    """Ours and the two above, wherever the registered hosts are asked for."""
    found = registered_hosts(create_manager([Plugin()]))
    for module in ("guidegan_plugin.reports.gallery", "guidegan_plugin.evaluation.image_folders"):
        monkeypatch.setattr(f"{module}.registered_hosts", lambda: found)
    return found


def test_what_is_not_declared_has_a_default(tmp_path: Path) -> None:
    for name in ("plain.py", "train.py"):
        (tmp_path / name).write_text("")
    host = recognise(tmp_path, create_manager([Plugin()]))
    assert host.description == f"plain, in {tmp_path}" and host.models() == {"plain": True}
    assert host.script_arguments(["--x", "1"]) == ["--x", "1"]
    assert list(host.files_to_add()) == ["guide_train.py"] and not host.files_to_remove()
    assert not (host.checks() or host.presets() or host.patch_files() or host.is_run(tmp_path))


def test_what_it_cannot_do_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="the host plain has no dry run; leave out --dry-run"):
        Plain(tmp_path).dry_run_arguments([], tmp_path)
    with pytest.raises(HostError, match="checkpoints of the host plain cannot be baked"):
        Plain.bake(tmp_path, tmp_path / "out")


def test_the_first_host_that_knows_a_run_reads_it(tmp_path: Path, hosts: list[type[Host]]) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "one.canvas", "PNG")
    assert host_of_run(tmp_path, hosts) is Painter
    text = make_gallery(tmp_path).read_text()
    assert "<title>an exhibition" in text and text.count("<article") == 1


def test_a_plugins_host_is_asked_before_ours(tmp_path: Path, hosts: list[type[Host]]) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "one_real.png").write_bytes(b"")
    ours = host_of_run(tmp_path, hosts)
    assert ours is not None and ours.name == "junyanz"
    (tmp_path / "one.canvas").write_bytes(b"")
    assert host_of_run(tmp_path, hosts) is Painter


def test_a_folder_that_no_host_knows_says_what_each_looks_for(tmp_path: Path, hosts: list[type[Host]]) -> None:
    with pytest.raises(
        DataError, match=r"junyanz looks for images/\*_real\*.*; painter looks for \*\.canvas; "
    ) as caught:
        make_gallery(tmp_path)
    assert "plain looks for" not in str(caught.value) and str(caught.value).endswith("change RUN")


def test_a_run_that_left_nothing_to_show_says_whose_it_is(tmp_path: Path, hosts: list[type[Host]]) -> None:
    (tmp_path / "latest_net_G.pth").write_bytes(b"")
    with pytest.raises(DataError, match=r"no images of a run in .*: a run of junyanz, which left none; change RUN"):
        make_gallery(tmp_path)


def test_stores_are_shown_whoever_wrote_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = AttentionStore()
    store.write(["a.png"], torch.eye(4)[None, None])
    save_stores(tmp_path / "1_guide.safetensors", {"A": store.state()}, {})
    monkeypatch.setattr(gallery, "registered_hosts", lambda: [])
    assert make_gallery(tmp_path).read_text().count("<article") == 1


def test_results_of_any_host_are_not_mixed(tmp_path: Path, hosts: list[type[Host]]) -> None:
    for name in ("1-sketch.png", "1-oil.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"mixes a host's visuals \(-oil, -sketch\)"):
        find_images(tmp_path, "--fake", "")
    assert [path.name for path in find_images(tmp_path, "--fake", "-oil")] == ["1-oil.png"]
