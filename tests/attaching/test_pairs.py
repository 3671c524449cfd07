from __future__ import annotations

import pytest

from guidegan_plugin.attaching.pairs import NamedPair, parse_pairs
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


def test_two_pairs_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 pairs are named 'A'"):
        parse_pairs("netG_A:netD:x:A_paths,netG_A:netD:y:A_paths")
