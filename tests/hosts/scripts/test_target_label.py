"""Keys of generators that are told a target domain."""

from __future__ import annotations

import pytest
import torch

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.rows import SourceCall
from guidegan_plugin.hosts.scripts.target_label import LabelledKey

IMAGES = torch.zeros(2, 3, 8, 8)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), ["a#101", "a#001"]),
        (torch.tensor([[True, False], [True, True]]), ["a#10", "a#11"]),
        (torch.tensor([3, 12]), ["a#3", "a#12"]),
        (torch.tensor([[0.5, 1.0], [-1.0, 0.0]]), ["a#0.5,1", "a#-1,0"]),
    ],
)
def test_a_key_is_the_images_with_the_target_behind_it(labels: torch.Tensor, expected: list[str]) -> None:
    key_of = LabelledKey()
    assert [key_of("a", SourceCall((IMAGES, labels), {}, row)) for row in range(2)] == expected


def test_labels_that_were_changed_in_place_or_are_others_are_read_anew() -> None:
    key_of, labels = LabelledKey(), torch.tensor([[1.0, 0.0]])
    assert key_of("a", SourceCall((IMAGES[:1], labels), {}, 0)) == "a#10"
    labels[0, 1] = 1
    assert key_of("a", SourceCall((IMAGES[:1], labels), {}, 0)) == "a#11"
    assert key_of("a", SourceCall((IMAGES[:1], torch.tensor([[0.0, 0.0]])), {}, 0)) == "a#00"


@pytest.mark.parametrize("label", [[], [None], [torch.tensor(1.0)], [torch.zeros(1, 5)]])
def test_a_generator_without_a_label_an_image_is_refused(label: list[torch.Tensor]) -> None:
    with pytest.raises(ConfigError, match="argument 2 of the generator: expected a label for each image, found"):
        LabelledKey()("a", SourceCall((IMAGES, *label), {}, 1))
