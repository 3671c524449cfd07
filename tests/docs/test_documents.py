"""What the README tells a user to type works, and what the documents point to is there."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import re
import shlex
import shutil
import subprocess
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from guidegan_plugin import ConfigError, GuideConfig, attach
from guidegan_plugin.attaching.mechanism_options import add_guide_options, build
from guidegan_plugin.hosts.junyanz.datasets.checks import MIXED_MODES
from guidegan_plugin.plugins.listeners import add_monitor_options
from guidegan_plugin.plugins.manager import collect, create_manager

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE_HOST = ROOT / "examples" / "reference_host"
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands(first: str) -> list[list[str]]:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words[:1] == [first]]


def test_every_bash_line_is_of_a_kind_that_is_tested_here() -> None:
    lines = [line for block in blocks("bash") for line in block.splitlines() if line.strip()]
    assert {line.split()[0] for line in lines} == {"make", "cd", "pip", "guidegan"}


def test_the_script_and_the_class_train_and_the_plugin_registers() -> None:
    script, decorated, plugin = blocks("python")
    names: dict[str, Any] = {}
    exec(script, names)
    assert names["visited"].tolist() == [True]
    exec(decorated, names)
    translator = names["MyTranslator"]()
    for batch in names["loader"]:
        translator.training_step(batch)
    assert translator.guides["A"].statistics()["visits"] == 4
    module = types.ModuleType("readme_plugin")
    exec(plugin, module.__dict__)
    assert "half_rhp" in collect(create_manager([module]), "concatenation")


@pytest.fixture
def hooks_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[types.ModuleType]:
    """The plugins on the page, each a module."""
    monkeypatch.syspath_prepend(str(tmp_path))
    sources = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "hooks.md").read_text(), re.DOTALL)
    names = [f"hooks_page_{tmp_path.name}_{number}" for number in range(len(sources))]
    for name, source in zip(names, sources, strict=True):
        (tmp_path / f"{name}.py").write_text(source)
    return list(map(importlib.import_module, names))


@pytest.mark.parametrize(
    ("kind", "name", "option"), [("attention", "sharp", "power"), ("concatenation", "weak_rhp", "strength")]
)
def test_plugins_on_the_page_of_hooks_are_built_and_refuse_what_cannot_work(
    hooks_page: list[types.ModuleType], kind: str, name: str, option: str
) -> None:
    mechanism = collect(create_manager(hooks_page), kind)[name]
    assert build(mechanism, GuideConfig(options={f"{name}_{option}": 3.0})).name == name  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=f"{option} must be above 0, found 0.0; change --guide_{name}_{option}"):
        build(mechanism, GuideConfig(options={f"{name}_{option}": 0.0}))


def test_the_page_of_hooks_takes_the_map_of_pha_to_a_power(hooks_page: list[types.ModuleType]) -> None:
    torch.manual_seed(0)
    G, D = nn.Conv2d(3, 3, 1), nn.Sequential(nn.Conv2d(3, 4, 4, 2), nn.ReLU(), nn.Conv2d(4, 1, 4))
    images, found = torch.rand(1, 3, 32, 32), {}
    for name, options in (("pha", {}), ("sharp", {"sharp_power": 3.0})):
        config = GuideConfig(attention=name, layer=1, store_dtype="float32", options=options)
        with attach(G, D, config, plugins=hooks_page) as guide:
            guide.bind(images, keys=["a"])
            D(G(images)).mean().backward()
            found[name] = guide.maps(["a"])[0]
    assert torch.allclose(found["pha"] ** 3, found["sharp"]) and found["sharp"].max() == 1


def test_make_knows_its_targets() -> None:
    text = README + (ROOT / "CONTRIBUTING.md").read_text()
    targets = set(re.findall(r"`make (\w+)`", text)) | {words[1] for words in commands("make")}
    assert {"demo", "test", "check", "docs", "lint"} <= targets
    for target in targets:
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_pip_lines_name_extras_there_are() -> None:
    extras = importlib.metadata.metadata("guidegan_plugin").get_all("Provides-Extra")
    assert {"visdom", "eval", "dev", "all"} <= set(extras or [])
    pages = [README, *(page.read_text() for page in (ROOT / "docs").glob("*.md"))]
    named = re.findall(r"pip install -e \"\.\[([\w,]+)\]\"", "".join(pages))
    assert named and {extra for names in named for extra in names.split(",")} <= set(extras or [])


def test_visdom_is_built_under_constraints_and_nothing_else_needs_them() -> None:
    page = (ROOT / "docs" / "monitors.md").read_text()
    block = next(block for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) if "[visdom]" in block)
    assert block.startswith("export PIP_CONSTRAINT=$PWD/constraints.txt PIP_BUILD_CONSTRAINT=$PWD/constraints.txt\n")
    assert "setuptools<82" in (ROOT / "constraints.txt").read_text()
    assert "CONSTRAINT" not in README


def test_every_guidegan_line_runs_in_a_host(
    in_host: Callable[[], None], guidegan: Callable[..., int | str], unpaired: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    host = shutil.copytree(REFERENCE_HOST, tmp_path / "host", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(unpaired, host / "datasets" / "horse2zebra")
    (host / "features_of_mine.py").write_text("def colours(images): return images.mean((2, 3))\n")
    monkeypatch.chdir(host)
    nets = [
        "--netG",
        "resnet_6blocks",
        "--ngf",
        4,
        "--ndf",
        4,
        "--num_threads",
        0,
        "--load_size",
        36,
        "--crop_size",
        32,
    ]
    more = {
        "train.py": [*nets, "--n_epochs", 1, "--n_epochs_decay", 0, "--save_epoch_freq", 1],
        "test.py": nets,
        "kid": ["--features", "features_of_mine:colours"],  # Inception's weights are not on every machine
    }
    lines = commands("guidegan")
    assert len(lines) == 6
    for _, *arguments in lines:
        in_host()
        if "train.py" in arguments or "test.py" in arguments:
            monkeypatch.syspath_prepend(str(host))
        added = next((options for word, options in more.items() if word in arguments), [])
        assert guidegan(*arguments, *added) == 0, arguments
    for page in ("results/zebra/test_latest/gallery", "checkpoints/zebra/gallery"):
        assert (host / page / "index.html").exists()


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^):\s]+)\)", page.read_text()):
        target, _, anchor = link.partition("#")
        there = page.parent / target if target else page
        assert there.exists(), link
        assert not anchor or anchor in anchors(there.read_text()), link


def anchors(text: str) -> set[str]:
    """What links to a page's headings end with; GitHub's rules, without those for two headings of one name."""
    headings = re.findall(
        r"^#+ (.+?) *$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )
    shown = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in shown}


def test_anchors_are_what_github_makes_of_headings() -> None:
    text = "# Where D looks: `--guide_layer`, [a page](b.md)\n```bash\n# a comment\n```\n### Of `x_y` & z\n"
    assert anchors(text) == {"where-d-looks---guide_layer-a-page", "of-x_y--z"}


def test_the_page_of_options_explains_every_option_there_is() -> None:
    page = (ROOT / "docs" / "options.md").read_text()
    known = {MIXED_MODES.removeprefix("guide_")}
    source = "".join(path.read_text() for path in (ROOT / "guidegan_plugin" / "hosts" / "junyanz").rglob("*.py"))
    known |= set(re.findall(r'add_argument\(\s*"--guide_(\w+)"', source))
    parser, manager = argparse.ArgumentParser(), create_manager()
    add_guide_options(manager, parser)
    add_monitor_options(manager, parser, True)
    known |= {name.removeprefix("guide_") for name in vars(parser.parse_args([]))}
    assert set(re.findall(r"^\| `--guide_(\w+)` \|", page, re.MULTILINE)) == known
