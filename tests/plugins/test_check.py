from __future__ import annotations

from guidegan_plugin.errors import HostError
from guidegan_plugin.plugins.check import Check, failed


def test_an_errors_last_part_is_the_cure() -> None:
    assert failed("host", HostError("a is torn; b too; repair it")) == Check(
        "host", "failure", "a is torn; b too", "repair it"
    )
    assert failed("host", HostError("no cure")) == Check("host", "failure", "no cure", "")


def test_a_check_is_four_words_in_json() -> None:
    assert Check("a", "ok", "b").as_dict() == {"name": "a", "status": "ok", "found": "b", "cure": ""}
