from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from guidegan_plugin import Host, hookimpl
from guidegan_plugin.diagnosis import plugins_and_host
from guidegan_plugin.diagnosis.plugins_and_host import check_host, check_plugins
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.hosts.junyanz import host_checks
from guidegan_plugin.plugins.check import Check
from guidegan_plugin.plugins.manager import create_manager

REFERENCE_HOST = Path(__file__).resolve().parents[2] / "examples" / "reference_host"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    return Path(shutil.copytree(REFERENCE_HOST, tmp_path / "host", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Check]]:
    """Check a folder, with or without wandb installed; by the checks' names."""

    def check(root: Path, wandb: bool = False, required: bool = True) -> dict[str, Check]:
        monkeypatch.setattr(host_checks, "is_installed", lambda name: wandb)
        monkeypatch.setattr(host_checks, "version", lambda name: "0.1")
        return {found.name: found for found in check_host(root, create_manager(), required)[0]}

    return check


def test_a_healthy_host_is_told_with_generation_scripts_and_models(
    host: Path, look: Callable[..., dict[str, Check]]
) -> None:
    (host / "models" / "mine_model.py").write_text("")
    checks = look(host)
    assert {check.status for check in checks.values()} == {"ok"}
    assert "ddp generation" in checks["host"].found and checks["scripts"].found == "train.py, test.py"
    assert (
        checks["models"].found
        == "guide_aggan, guide_cycle_gan, guide_pix2pix, guide_test; with --guide_pairs guide_mine"
    )


def test_a_host_that_always_imports_wandb_needs_it(host: Path, look: Callable[..., dict[str, Check]]) -> None:
    visualizer = host / "util" / "visualizer.py"
    visualizer.write_text(f"import wandb\n{visualizer.read_text().replace('from __future__ import annotations', '')}")
    check = look(host)["wandb"]
    assert check.status == "failure" and "util/visualizer.py" in check.found and check.cure == "pip install wandb"
    assert look(host, wandb=True)["wandb"] == Check("wandb", "ok", "wandb 0.1")


def test_a_host_that_can_do_without_wandb_does_not_need_it(host: Path, look: Callable[..., dict[str, Check]]) -> None:
    (host / "util" / "tried.py").write_text("try:\n    import wandb\nexcept ImportError:\n    wandb = None\n")
    (host / "util" / "torn.py").write_text("import wandb\ndef (")
    assert look(host)["wandb"].status == "ok"


def test_what_the_classic_generation_must_be_told_is_told_where_it_is_so(
    host: Path, look: Callable[..., dict[str, Check]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_checks.torch.cuda, "is_available", lambda: False)
    assert not {"GPU", "host's visdom"} & set(look(host))
    networks = host / "models" / "networks.py"
    networks.write_text(networks.read_text().replace("def define_G(", "def define_G(gpu_ids, "))
    checks = look(host)
    assert (checks["GPU"].status, checks["host's visdom"].status) == ("warning", "warning")
    assert "--gpu_ids -1" in checks["GPU"].cure and "--display_id -1" in checks["host's visdom"].cure
    monkeypatch.setattr(host_checks.torch.cuda, "is_available", lambda: True)
    assert not {"GPU", "host's visdom"} & set(look(host, wandb=True))


def test_missing_scripts_and_models_are_told(host: Path, look: Callable[..., dict[str, Check]]) -> None:
    (host / "test.py").unlink()
    for path in host.glob("models/*_model.py"):
        if path.name != "base_model.py":
            path.unlink()
    checks = look(host)
    assert checks["scripts"].status == "warning" and "no test.py in" in checks["scripts"].found
    assert checks["models"].status == "failure"


def test_a_folder_that_is_no_host_is_a_failure_only_where_one_was_asked_for(
    tmp_path: Path, look: Callable[..., dict[str, Check]]
) -> None:
    (required,) = look(tmp_path).values()
    assert required.status == "failure" and "looks for models/__init__.py" in required.found
    assert "HOST_DIR" in required.cure
    (optional,) = look(tmp_path, required=False).values()
    assert optional.status == "warning" and "script of your own" in optional.cure


def test_a_host_that_is_no_python_is_a_failure_in_any_case(host: Path, look: Callable[..., dict[str, Check]]) -> None:
    (host / "models" / "networks.py").write_text("def (")
    (check,) = look(host, required=False).values()
    assert check.status == "failure" and "cannot be read as Python" in check.found and "repair" in check.cure


def test_every_broken_plugin_is_named_with_its_cure_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    sources = {
        "first": "raise RuntimeError('torn')",
        "second": "from guidegan_plugin import hookimpl\n@hookimpl\ndef guidegan_odd():\n    pass",
        "third": "from guidegan_plugin import hookimpl\n@hookimpl\ndef guidegan_register_monitor():\n    return [int]",
        "fourth": "",
    }
    for name, source in sources.items():
        (tmp_path / f"doctors_{name}.py").write_text(source)
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[guidegan]\n{name} = doctors_{name}\n")
    checks, manager = check_plugins()
    assert {check.status for check in checks} == {"failure"}
    told = "\n".join(f"{check.found} CURE {check.cure}" for check in checks)
    for part in ("RuntimeError: torn", "guidegan_odd", "has no name"):
        assert told.count(part) == 1
    assert "CURE set GUIDEGAN_DISABLE_PLUGINS=first" in told
    assert manager.has_plugin("fourth") and not manager.has_plugin("second")
    monkeypatch.setenv("GUIDEGAN_DISABLE_PLUGINS", "first,second,third")
    (healthy,) = check_plugins()[0]
    assert healthy == Check("plugins", "ok", "guidegan_plugin, fourth")


def test_a_plugin_that_refuses_in_words_of_its_own_is_one_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unlicensed:
        @hookimpl
        def guidegan_register_transfer(self) -> list[type]:
            raise ConfigError("no licence; buy one")

    made = create_manager([Unlicensed()])
    monkeypatch.setattr(plugins_and_host, "create_manager", lambda broken: made)
    (check,) = check_plugins()[0]
    assert check.status == "failure" and "failed in guidegan_register_transfer: ConfigError: no licence" in check.found


def test_names_to_be_left_out_that_no_plugin_has_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUIDEGAN_DISABLE_PLUGINS", "gone")
    (check,) = check_plugins()[0]
    assert check.status == "warning" and check.found.startswith("GUIDEGAN_DISABLE_PLUGINS names gone, and no")


def test_a_plugins_host_that_fails_is_a_failure_and_what_it_told_before_stands(tmp_path: Path) -> None:
    class Failing(Host):
        name, looks_for = "failing", "anything"

        def __init__(self, root: Path) -> None:
            self.root = root

        @classmethod
        def recognise(cls, root: Path) -> Host | None:
            return cls(root)

        def guided(self) -> AbstractContextManager[None]:
            return nullcontext()

        def checks(self) -> Sequence[Check]:
            raise KeyError("torn")

    class Registering:
        @hookimpl
        def guidegan_register_host(self) -> list[type[Host]]:
            return [Failing]

    checks, host = check_host(tmp_path, create_manager([Registering()]))
    assert host is not None and [check.name for check in checks] == ["host", "scripts", "models", "host"]
    assert checks[-1].status == "failure" and "host 'failing'" in checks[-1].found and "KeyError" in checks[-1].found


def test_of_a_drive_full_of_folders_the_first_are_asked_and_those_above_before_those_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[..., dict[str, Check]]
) -> None:
    for name in ("a/one", "b/two", "c/three", ".hidden/four"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").touch()
    asked: list[Path] = []
    monkeypatch.setattr(plugins_and_host, "_MOST", 5)
    monkeypatch.setattr(plugins_and_host, "find_host", lambda folder, manager: asked.append(folder))
    assert look(tmp_path)["host"].status == "failure"
    assert [path.relative_to(tmp_path).as_posix() for path in asked[1:]] == ["a", "b", "c", "a/one", "b/two"]


@pytest.mark.parametrize("refused", ["is_dir", "stat"])
def test_a_folder_that_may_not_be_looked_into_holds_no_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str, look: Callable[..., dict[str, Check]]
) -> None:
    shutil.copytree(REFERENCE_HOST, tmp_path / "below" / "host")
    (tmp_path / "theirs").mkdir()
    true = getattr(Path, refused)

    def refuse(path: Path, **more: bool) -> object:
        if path == tmp_path / "theirs":
            raise PermissionError(13, "Permission denied", str(path))
        return true(path, **more)

    monkeypatch.setattr(Path, refused, refuse)
    assert "that are (HOST_DIR): below/host" in look(tmp_path)["host"].cure


def test_what_a_training_needs_of_a_fork_is_looked_for(host: Path, look: Callable[..., dict[str, Check]]) -> None:
    base = host / "models" / "base_model.py"
    base.write_text(base.read_text().replace("def update_learning_rate", "def step_schedules"))
    util = host / "util" / "util.py"
    util.write_text(util.read_text().replace("import random\n", "import random\nfrom scipy.misc import imresize\n"))
    check = look(host)["host's methods"]
    assert check.status == "failure" and "has no update_learning_rate" in check.found and "guided" in check.cure
    imports = look(host)["host's imports"]
    assert imports.status == "failure" and "util/util.py imports scipy.misc.imresize" in imports.found
    util.write_text(util.read_text().replace("from scipy.misc import imresize", "import no_such_package_here"))
    assert look(host)["host's imports"].cure == "pip install no_such_package_here"
