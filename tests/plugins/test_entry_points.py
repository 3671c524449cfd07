"""Whatever a plugin does at load is said with package, entry point, cause and cure; two of one name are an error."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from guidegan_plugin.errors import HostError, PluginError
from guidegan_plugin.plugins.find_host import find_host, recognise
from guidegan_plugin.plugins.manager import collect, create_manager

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution: its name, its entry points, and the source of its module, into a folder of `sys.path`."""

    def write(name: str, entry_points: str, source: str = "", folder: str = "site") -> Path:
        site = tmp_path / folder
        info = site / f"{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[guidegan]\n{entry_points}\n")
        (site / f"{name}_module.py").write_text(source)
        sys.modules.pop(f"{name}_module", None)
        monkeypatch.syspath_prepend(str(site))
        importlib.invalidate_caches()
        return site

    return write


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("raise SystemExit", "SystemExit:"),
        ("raise GeneratorExit('gone')", "GeneratorExit: gone"),
        ("class Own(BaseException): pass\nraise Own('two\\nlines')", "Own: two lines"),
        ("assert False", "AssertionError:"),
        ("def (:", "SyntaxError:"),
        (
            "from guidegan_plugin import ConfigError\nraise ConfigError('no licence; buy one')",
            "ConfigError: no licence",
        ),
        ("import does.not_exist", "ModuleNotFoundError: No module named 'does'"),
        ("from guidegan_plugin import hookimpl\n@hookimpl\ndef guidegan_nothing(): pass", "unknown hook"),
    ],
)
def test_whatever_a_plugin_raises_at_load_is_named(install: Install, source: str, cause: str) -> None:
    install("bad", "mine = bad_module", source)
    with pytest.raises(PluginError) as caught:
        create_manager()
    message = str(caught.value)
    assert message.startswith("plugin 'mine' of bad 1.2 (bad_module) could not be ")
    assert cause in message and "\n" not in message
    assert message.endswith("; set GUIDEGAN_DISABLE_PLUGINS=mine to go on without it")


def test_ctrl_c_stays_ctrl_c(install: Install) -> None:
    install("bad", "mine = bad_module", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        create_manager()


def test_the_doctor_goes_on_with_the_others(install: Install) -> None:
    install("bad", "mine = bad_module", "import sys; sys.exit()")
    install("good", "yours = good_module")
    broken: list[PluginError] = []
    names = [name for name, _ in create_manager(broken=broken).list_name_plugin()]
    assert "yours" in names and "mine" not in names and len(broken) == 1


EXITING = """
from guidegan_plugin import hookimpl
@hookimpl
def guidegan_register_attention():
    raise SystemExit(3)
"""


def test_a_hook_that_exits_is_named(install: Install) -> None:
    install("bad", "mine = bad_module", EXITING)
    with pytest.raises(PluginError, match=r"'mine' failed in guidegan_register_attention: SystemExit: 3; set GUIDEGAN"):
        collect(create_manager(), "attention")


def test_two_distributions_with_one_entry_point_are_refused_naming_both(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("one", "mine = one_module")
    install("two", "mine = two_module")
    named = (
        r"plugin 'mine' of (one|two) 1.2 \(\w+_module\) and plugin 'mine' of (one|two) 1.2 .* have one name; uninstall"
    )
    with pytest.raises(PluginError, match=named):
        create_manager()
    broken: list[PluginError] = []
    assert "mine" not in [name for name, _ in create_manager(broken=broken).list_name_plugin()] and len(broken) == 1
    monkeypatch.setenv("GUIDEGAN_DISABLE_PLUGINS", "mine")
    create_manager()


def test_one_named_like_the_built_in_ones_is_refused_naming_both(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("one", "guidegan_plugin = one_module")
    with pytest.raises(PluginError, match=r"of one 1.2 .* has the name of the built-in plugins of guidegan_plugin"):
        create_manager()
    monkeypatch.setenv("GUIDEGAN_DISABLE_PLUGINS", "guidegan_plugin")
    assert "rhp" in collect(create_manager(), "concatenation"), "ours are never left out"


def test_one_distribution_at_two_places_is_the_first_one(install: Install) -> None:
    install("one", "mine = one_module", "", "below")
    install("one", "mine = one_module", "", "above")
    manager = create_manager()
    assert str(manager.get_plugin("mine").__file__).endswith("above/one_module.py")


def test_a_distribution_without_plugins_hides_an_older_one_of_its_name_behind_it(install: Install) -> None:
    install("one", "mine = one_module", "", "below")
    site = install("One", "mine = one_module", "", "above")
    (site / "One-1.2.dist-info" / "entry_points.txt").write_text("[console_scripts]\none = one_module:main\n")
    assert not create_manager().has_plugin("mine")


def test_distributions_without_plugins_are_not_parsed(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    metadata: property = importlib.metadata.Distribution.metadata  # type: ignore[assignment]

    def watched(distribution: importlib.metadata.Distribution) -> object:
        parsed.append(metadata.fget(distribution)["Name"])  # type: ignore[misc]
        return metadata.fget(distribution)  # type: ignore[misc]

    monkeypatch.setattr(importlib.metadata.Distribution, "metadata", property(watched))
    create_manager()
    assert not parsed
    install("one", "mine = one_module")
    assert create_manager().has_plugin("mine") and set(parsed) == {"one"}


def test_entry_points_that_cannot_be_read_are_named_and_those_of_others_do_not_matter(install: Install) -> None:
    site = install("one", "a line that is none")
    with pytest.raises(PluginError, match=r"entry points of one cannot be read .*; install it anew"):
        create_manager()
    (site / "one-1.2.dist-info" / "entry_points.txt").write_text("[other]\na line that is none\n")
    create_manager()
    (site / "one-1.2.dist-info" / "entry_points.txt").write_bytes(b"\xff")
    create_manager()


def test_a_name_that_cannot_be_read_matters_where_it_is_a_plugins(install: Install) -> None:
    install("one", "mine = one_module")
    metadata = install("two", "yours = two_module") / "two-1.2.dist-info" / "METADATA"
    metadata.write_bytes(b"Name: two\nAuthor: J\xfcrgen\n")
    with pytest.raises(PluginError, match=r"entry points of a distribution in .* cannot be read \(.*UTF-8\); install"):
        create_manager()
    metadata.with_name("entry_points.txt").unlink()
    assert create_manager().has_plugin("mine")


def test_a_name_to_be_left_out_that_no_plugin_has_is_told(
    install: Install,
    guidegan: Callable[..., int | str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install("one", "mine = one_module")
    monkeypatch.setenv("GUIDEGAN_DISABLE_PLUGINS", "mine, mime,")
    assert guidegan("plugins") == 0
    told = capsys.readouterr().out
    assert "left out by GUIDEGAN_DISABLE_PLUGINS: mime, mine\n" in told
    assert "of these no installed plugin is called mime\n" in told


def rows(text: str) -> dict[str, list[str]]:
    cells = [re.split(r"\s*│\s*", line)[1:-1] for line in text.splitlines() if "│" in line]
    return {row[0]: row for row in cells}


def test_plugins_are_listed_with_the_distribution_their_code_really_comes_from(
    install: Install,
    guidegan: Callable[..., int | str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    site = install("one", "mine = one_module")
    install("two", "yours = two_module", "", "other")
    (site / "two_module.py").touch()  # as a folder on PYTHONPATH does
    monkeypatch.syspath_prepend(str(site))
    edited = tmp_path / "edited"
    edited.mkdir()
    (edited / "three_module.py").touch()
    info = install("three", "theirs = three_module", "", "editable") / "three-1.2.dist-info"
    (info.parent / "three_module.py").unlink()
    (info / "direct_url.json").write_text(f'{{"url": "file://{edited}", "dir_info": {{"editable": true}}}}')
    monkeypatch.syspath_prepend(str(edited))
    monkeypatch.setenv("COLUMNS", "400")
    assert guidegan("plugins") == 0
    found = rows(capsys.readouterr().out)
    assert found["mine"][1:3] == ["1.2", "one"]
    assert found["theirs"][1:3] == ["1.2", "three"]
    assert found["yours"][1:3] == ["1.2", f"two (its code is {site / 'two_module.py'})"]


BROKEN_HOST = """
from guidegan_plugin import hookimpl
from guidegan_plugin.plugins.host import Host
class Broken(Host):
    name = "broken"
    looks_for = "nothing"
    @classmethod
    def recognise(cls, root):
        raise SystemExit(1)
    def guided(self): pass
@hookimpl
def guidegan_register_host():
    return [Broken]
"""


def test_a_plugins_host_that_fails_is_named(install: Install, tmp_path: Path) -> None:
    install("bad", "mine = bad_module", BROKEN_HOST)
    with pytest.raises(PluginError, match=r"^host 'broken' \(bad_module\) failed: SystemExit: 1; set GUIDEGAN_DISABLE"):
        find_host(tmp_path, create_manager())
    assert not issubclass(PluginError, HostError)


def test_a_plugins_host_that_does_not_say_what_it_looks_for_is_named(install: Install, tmp_path: Path) -> None:
    install(
        "bad",
        "mine = bad_module",
        BROKEN_HOST.replace('looks_for = "nothing"', "").replace("raise SystemExit(1)", "return None"),
    )
    with pytest.raises(
        PluginError, match=r"^host 'broken' \(bad_module\) failed: AttributeError: .*looks_for.*; set GUI"
    ):
        recognise(tmp_path, create_manager())


def test_what_a_host_may_not_read_is_the_users_to_permit(install: Install, tmp_path: Path) -> None:
    raising = "raise PermissionError(13, 'Permission denied', str(root / 'x.py'))"
    install("bad", "mine = bad_module", BROKEN_HOST.replace("raise SystemExit(1)", raising))
    with pytest.raises(HostError, match=r"x\.py cannot be read \(Permission denied\); change its permissions$"):
        find_host(tmp_path, create_manager())
