from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from guidegan_plugin.attaching.pairs import NamedPair, parse_pairs
from guidegan_plugin.attaching.places import follow_path, read_places
from guidegan_plugin.errors import ConfigError


def test_pairs_are_read_from_one_line() -> None:
    assert parse_pairs("netG_A:netD_A:real_A:A_paths, netG_B:netD_B:real_B:B_paths:my_views") == (
        NamedPair("netG_A", "netD_A", "real_A", "A_paths"),
        NamedPair("netG_B", "netD_B", "real_B", "B_paths", "my_views"),
    )


@pytest.mark.parametrize(
    ("pair", "name", "views"),
    [
        (NamedPair("netG_A", "netD_A", "real_A", "A_paths"), "A", "A_guide_view"),
        (NamedPair("netG", "netD", "real_A", "A_paths"), "A", "A_guide_view"),
        (NamedPair("netG", "netD", "real", "paths", "crops"), "real", "crops"),
    ],
)
def test_names_and_view_fields_follow_the_familys_habit(pair: NamedPair, name: str, views: str) -> None:
    assert pair.name == name and pair.view_field == views


@pytest.mark.parametrize("text", ["", "netG:netD", "a:b:c:d:e:f", "netG::real_A:A_paths"])
def test_what_cannot_be_read_is_refused_showing_how_to_write_it(text: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read; .*netG:netD:real_A:A_paths.*--guide_pairs"):
        parse_pairs(text)


def test_a_pair_in_words_says_entry_exit_methods_and_several_judges() -> None:
    text = (
        "source=real_A keys=A_paths generator=gen_a:encode..gen_b:decode discriminator=netD+netD2, "
        "generator=netG:translate discriminator=nets.D:judge source=x keys=k views=crops name=other"
    )
    first, other = parse_pairs(text)
    assert first == NamedPair("gen_a:encode..gen_b:decode", "netD+netD2", "real_A", "A_paths", name="gen_a")
    assert first.stages == (("gen_a", "encode"), ("gen_b", "decode")) and first.judges == (("netD", ""), ("netD2", ""))
    assert other.stages == (("netG", "translate"),) and other.judges == (("nets.D", "judge"),)
    assert (other.view_field, other.name) == ("crops", "other")


def test_the_short_form_may_name_several_judges_too() -> None:
    assert [place.path for place in parse_pairs("netG:netD+netD2:real_A:A_paths")[0].judges] == ["netD", "netD2"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("generator=G discriminator=D source=x", "keys= is missing"),
        ("genrator=G discriminator=D source=x keys=k", "'genrator=G' is none of generator=, discriminator=, source="),
        ("generator=G discriminator=D source=x keys=k loss", "'loss' is none of"),
        ("generator=G generator=F discriminator=D source=x keys=k", "expected one value behind generator="),
        ("generator= discriminator=D source=x keys=k", "expected one value behind generator="),
        ("generator=a..b..c discriminator=D source=x keys=k", r"names 3 stages, expected one or two \(entry..exit\)"),
        ("generator=a:encode.. discriminator=D source=x keys=k", "expected network or network:method"),
        ("generator=a: discriminator=D source=x keys=k", "expected network or network:method"),
        ("generator=a:b:c discriminator=D source=x keys=k", "expected network or network:method"),
        ("generator=G discriminator=D+ source=x keys=k", "expected network or network:method"),
    ],
)
def test_a_word_that_cannot_be_read_is_refused_in_one_line_with_an_example(text: str, reason: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"cannot be read; .*{reason}.*generator=gen_a:encode..gen_b:decode"
    ) as error:
        parse_pairs(text)
    assert "\n" not in str(error.value) and "--guide_pairs" in str(error.value)


def test_keys_of_a_dictionary_may_hold_what_stands_between_places_elsewhere() -> None:
    assert read_places("nets['a+b:c']:encode", "+") == (("nets['a+b:c']", "encode"),)


HELD: dict[str, Any] = {
    "nets": {"G": 1, "a.b": 2, 0: 3, "1": 4, "x-y": 5},
    "listed": [6, [7, 8]],
    "modules": nn.ModuleDict({"G": nn.Identity(), "0": nn.Identity()}),
    "inner": SimpleNamespace(nets=[{"a[0]": 9}]),
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        *[("nets.G", 1), ("nets['G']", 1), ('nets["G"]', 1), ("nets[G]", 1), ("nets['a.b']", 2), ('nets["a.b"]', 2)],
        *[("nets[0]", 3), ("nets.0", 3), ("nets[1]", 4), ("nets['1']", 4), ("nets['0']", None), ("nets['x-y']", 5)],
        *[("listed[0]", 6), ("listed[-1][1]", 8), ("listed.1.0", 7), ("listed[5]", None), ("listed['0']", None)],
        *[("modules.G", HELD["modules"]["G"]), ("modules[0]", HELD["modules"]["0"]), ("modules.F", None)],
        *[("inner.nets[0]['a[0]']", 9), ("inner.other", None), ("nets['G", None), ("nets[G", None)],
    ],
)
def test_a_path_is_followed_as_python_would_read_it(path: str, found: object) -> None:
    assert follow_path(SimpleNamespace(**HELD), path) is found


def test_two_pairs_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 pairs are named 'A'"):
        parse_pairs("netG_A:netD:x:A_paths,netG_A:netD:y:A_paths")
