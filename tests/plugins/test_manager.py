from __future__ import annotations

import importlib
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from guidegan_plugin import GuideConfig, hookimpl
from guidegan_plugin.attaching.factory import GuideFactory
from guidegan_plugin.errors import PluginError
from guidegan_plugin.guidance.concatenation.residual_hadamard import ResidualHadamard
from guidegan_plugin.guidance.reports import EpochReport
from guidegan_plugin.plugins.listeners import Listeners
from guidegan_plugin.plugins.manager import collect, create_manager, resolve


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Install a distribution with one entry point and the source behind it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, source: str) -> None:
        (tmp_path / f"{name}_plugin_module.py").write_text(source)
        info = tmp_path / f"{name}_dist-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[guidegan]\n{name} = {name}_plugin_module\n")
        sys.modules.pop(f"{name}_plugin_module", None)
        importlib.invalidate_caches()

    return write


CONCATENATION = """
from guidegan_plugin import hookimpl
from guidegan_plugin.guidance.concatenation.residual_hadamard import ResidualHadamard

class Halved(ResidualHadamard):
    name = "{name}"

@hookimpl
def guidegan_register_concatenation():
    return [Halved]
"""


def test_our_own_features_come_through_the_hooks() -> None:
    manager = create_manager()
    assert set(collect(manager, "attention")) == {"pha", "tam", "shuffled"}
    assert set(collect(manager, "concatenation")) == {"rhp", "alpha", "gradient"}
    assert set(collect(manager, "transfer")) == {"bilinear", "conv"}
    assert set(collect(manager, "host")) == {"junyanz", "stargan", "munit", "pix2pixhd", "pytorch_gan"}
    assert set(collect(manager, "monitor")) == {"visdom", "tensorboard", "wandb"}


def test_every_manager_is_its_own() -> None:
    plugin = SimpleNamespace()
    one = create_manager([plugin])
    assert one.is_registered(plugin) and not create_manager().is_registered(plugin)


def test_an_installed_plugin_is_found_and_can_be_disabled(install, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    install("halved", CONCATENATION.format(name="halved"))
    assert "halved" in collect(create_manager(), "concatenation")
    assert GuideFactory.open(GuideConfig(concat="halved")).concatenation.name == "halved"
    monkeypatch.setenv("GUIDEGAN_DISABLE_PLUGINS", "other, halved")
    assert "halved" not in collect(create_manager(), "concatenation")


def test_an_installed_plugin_is_listed_with_its_own_distribution_and_version(
    install: Callable[[str, str], None],
    guidegan: Callable[..., int | str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install("halved", CONCATENATION.format(name="halved"))
    monkeypatch.setenv("COLUMNS", "200")
    assert guidegan("plugins") == 0
    rows = [re.split(r"\s*│\s*", line)[1:-1] for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert ["halved", "1.2", "halved-dist", "register_concatenation"] in rows


def test_an_installed_plugin_that_is_given_as_well_is_registered_once(install: Callable[[str, str], None]) -> None:
    install("halved", CONCATENATION.format(name="halved"))
    given = importlib.import_module("halved_plugin_module")
    manager = create_manager([given])
    assert "halved" in collect(manager, "concatenation") and manager.get_name(given) == "halved"


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import does_not_exist", "No module named 'does_not_exist'"),
        ("raise RuntimeError('broken')", "RuntimeError: broken"),
        (
            "from guidegan_plugin import hookimpl\n@hookimpl\ndef guidegan_register_atention():\n    return []",
            "unknown hook 'guidegan_register_atention'",
        ),
        (
            "from guidegan_plugin import hookimpl\n@hookimpl\ndef guidegan_step_end(rapport):\n    pass",
            "rapport",
        ),
    ],
)
def test_a_broken_plugin_stops_with_distribution_entry_point_cause_and_cure(install, source: str, cause: str) -> None:  # type: ignore[no-untyped-def]
    install("broken", source)
    with pytest.raises(PluginError) as caught:
        create_manager()
    message = str(caught.value)
    for part in ("broken-dist 1.2", "broken_plugin_module", cause, "GUIDEGAN_DISABLE_PLUGINS=broken"):
        assert part in message
    assert "\n" not in message


def test_two_of_one_name_are_refused_naming_both(install) -> None:  # type: ignore[no-untyped-def]
    install("twin", CONCATENATION.format(name="rhp"))
    with pytest.raises(PluginError, match=r"concatenation 'rhp' is registered by guidegan_plugin .* and by twin"):
        collect(create_manager(), "concatenation")


def test_a_class_without_a_name_and_a_hook_that_raises_are_refused_naming_the_plugin() -> None:
    class Nameless:
        @hookimpl
        def guidegan_register_attention(self) -> list[type]:
            return [int]

    class Raising:
        @hookimpl
        def guidegan_register_attention(self) -> list[type]:
            raise KeyError("x")

    for plugin, message in ((Nameless(), r"of plugin '.*Nameless' has no name"), (Raising(), "KeyError: 'x'")):
        with pytest.raises(PluginError, match=message):
            collect(create_manager([plugin]), "attention")


def test_an_unknown_name_lists_the_known_ones() -> None:
    manager = create_manager()
    assert resolve(manager, "concatenation", "rhp", "concat") is ResidualHadamard
    with pytest.raises(
        PluginError, match=r"concat 'rph' is unknown, known are: alpha, gradient, rhp; change concat \(--guide_concat\)"
    ):
        resolve(manager, "concatenation", "rph", "concat")


def test_tracing_logs_every_call(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    class Listener:
        @hookimpl
        def guidegan_epoch_end(self, report: EpochReport) -> None:
            pass

    def call_all() -> str:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            manager = create_manager([Listener()])
            collect(manager, "attention")
            told = Listeners(manager).epoch
            assert told is not None
            told(EpochReport("A", 1, {}))
        return caplog.text

    monkeypatch.setenv("GUIDEGAN_TRACE_PLUGINS", "0")
    assert not call_all()
    monkeypatch.setenv("GUIDEGAN_TRACE_PLUGINS", "1")
    traced = call_all()
    assert "guidegan_register_attention() of plugin guidegan_plugin" in traced
    assert re.search(r"guidegan_epoch_end\(report\) of plugin \S+Listener", traced)


class Foreign:
    name = "foreign"


class Odd(ResidualHadamard):
    name, Options = "odd", dict


class Own(ResidualHadamard):
    name = "own"


@pytest.mark.parametrize(
    ("registered", "message"),
    [
        (
            [SimpleNamespace(name="x")],
            r"concatenation namespace\(name='x'\) of plugin .* is no class; register the class",
        ),
        ([Foreign], r"is no subclass of guidegan_plugin\.Concatenation; make it one"),
        ([Odd], r"has Options that are no dataclass; make them one"),
        (Own, r"failed in guidegan_register_concatenation: TypeError: 'ABCMeta' object is not iterable"),
        (None, r"TypeError: 'NoneType' object is not iterable"),
        ([Own, Own], r"'own' is registered by .* and by .*; give one another name, or"),
        (
            [type("Ours", (Own,), {"name": "rhp"})],
            r"'rhp' is registered by guidegan_plugin .*; give one another name, or",
        ),
    ],
)
def test_what_is_registered_and_cannot_be_used_is_refused_with_a_cure_that_helps(
    registered: object, message: str
) -> None:
    class Registering:
        @hookimpl
        def guidegan_register_concatenation(self) -> object:
            return registered

    with pytest.raises(PluginError, match=rf"{message}.*leave it out of plugins=$"):
        collect(create_manager([Registering()]), "concatenation")


def test_what_an_installed_plugin_registers_is_left_out_by_its_name(install: Callable[[str, str], None]) -> None:
    install("twin", CONCATENATION.format(name="rhp"))
    with pytest.raises(PluginError, match=r"or set GUIDEGAN_DISABLE_PLUGINS=twin to go on without it$"):
        collect(create_manager(), "concatenation")


def test_a_wrapper_is_refused_since_plugins_are_called_one_by_one() -> None:
    class Wrapping:
        @hookimpl(wrapper=True)
        def guidegan_epoch_end(self, report: EpochReport):  # type: ignore[no-untyped-def]
            return (yield)

    with pytest.raises(PluginError, match="it wraps guidegan_epoch_end, and plugins are called one by one; leave it"):
        create_manager([Wrapping()])


def test_a_class_in_place_of_its_object_is_refused() -> None:
    class Forgotten:
        @hookimpl
        def guidegan_epoch_end(self, report: EpochReport) -> None:
            pass

    with pytest.raises(PluginError, match=r"plugins= takes objects, found the class Forgotten; make it Forgotten\(\)"):
        create_manager([Forgotten])


def test_two_plugins_of_one_class_have_names_that_tell_whose_they_are() -> None:
    class Silent:
        pass

    names = [name for name, plugin in create_manager([Silent(), Silent()]).list_name_plugin() if "Silent" in name]
    assert [name.rpartition(".")[2] for name in names] == ["Silent", "Silent#2"]
