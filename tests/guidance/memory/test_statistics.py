"""Facts about a memory, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import attach, hookimpl
from guidegan_plugin.guidance.memory.statistics import entropy, is_placeholder, statistics
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.reports import StepReport

Make = Callable[..., nn.Module]


def numpy_entropy(maps: Tensor) -> np.ndarray:
    cells = maps.flatten(1).double().numpy()
    shares = cells / cells.sum(1, keepdims=True)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return -(shares * logs).sum(1) / np.log(cells.shape[1])


def test_entropy_is_that_of_numpy() -> None:
    maps = torch.rand(4, 1, 5, 7)
    maps[0, 0, 0, :4] = 0
    np.testing.assert_allclose(entropy(maps), numpy_entropy(maps), atol=1e-6)


def test_entropy_is_0_for_one_cell_with_all_attention_and_1_for_constant_maps() -> None:
    peak = torch.zeros(1, 1, 4, 4)
    peak[..., 2, 1] = 1
    maps = torch.cat([peak, torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 0.3)])
    assert entropy(maps).tolist() == [0, 1, 1, 1]
    assert entropy(torch.full((1, 1, 1, 1), 0.5)).tolist() == [1], "one cell"


def test_only_a_map_of_ones_is_a_placeholder() -> None:
    maps = torch.ones(3, 1, 2, 2)
    maps[1, 0, 0, 0] = 254 / 255
    maps[2] = 0
    assert is_placeholder(maps).tolist() == [True, False, False]


def test_a_memory_says_how_old_how_complete_and_how_spread_out_its_maps_are() -> None:
    store, maps = AttentionStore(dtype="float32"), torch.rand(3, 1, 3, 3)
    store.write(["a"], maps[:1])
    store.write(["b"], torch.ones(1, 1, 3, 3))
    store.write(["c"], maps[1:2])
    store.write(["a"], maps[2:])
    found = statistics(store)
    assert (found["images"], found["visits"], found["epoch_visits"], found["never_visited"]) == (3, 4, 4, 0.75)
    assert found["age"] == pytest.approx((1 + 3 + 2) / 3) and found["collapsed"] == pytest.approx(1 / 3)
    assert found["entropy"] == pytest.approx((numpy_entropy(maps[1:]).sum() + 1) / 3, abs=1e-6)
    store.end_epoch()
    store.write(["b"], maps[:1])
    found = statistics(store)
    assert (found["visits"], found["epoch_visits"], found["never_visited"], found["collapsed"]) == (5, 1, 0, 0)


def test_an_empty_memory_has_statistics_too() -> None:
    assert not any(statistics(AttentionStore()).values())


def test_taking_in_what_other_processes_saw_makes_no_map_younger() -> None:
    first, second = AttentionStore(), AttentionStore()
    for key in "abc":
        first.write([key], torch.rand(1, 1, 2, 2))
        second.write([f"{key} of another rank"], torch.rand(1, 1, 2, 2))
    changes = [first.changes(), second.changes()]
    first.merge(changes, torch.device("cpu"))
    assert statistics(first)["age"] == 2 and statistics(first)["epoch_visits"] == 3
    assert first.recall(["a", "a of another rank", "c", "d"]).ages == (3, 3, 1, None)


class Listener:
    def __init__(self) -> None:
        self.reports: list[StepReport] = []

    @hookimpl
    def guidegan_step_end(self, report: StepReport) -> None:
        self.reports.append(report)


def test_a_step_reports_the_age_of_what_was_blended_and_ds_score(
    make_generator: Make, make_discriminator: Make, toy_training: Any
) -> None:
    listener, generator, discriminator = Listener(), make_generator(), make_discriminator()
    guide = attach(generator, discriminator, plugins=[listener])
    training, scores = toy_training(generator, discriminator), []
    discriminator.register_forward_hook(lambda module, args, output: scores.append(output.mean().item()))
    judged = []
    for keys in (["a", "b"], ["c", "a"], ["a", "b"]):
        source = torch.rand(2, 3, 64, 64)
        guide.bind(source, keys)
        scores.clear()
        fake = training.step(source, torch.rand(2, 3, 64, 64))
        judged.append(scores[0])
    guide.bind(source, keys)  # the last fake is held till here, as hosts hold theirs
    del fake
    assert [report.ages for report in listener.reports] == [(None, None), (None, 1), (1, 2)]
    assert [float(report.score) for report in listener.reports] == pytest.approx(judged)  # type: ignore[arg-type]
    assert all(report.score is not None and not report.score.requires_grad for report in listener.reports)


class Answer:
    """What no library can look into."""

    def __init__(self, prediction: Tensor) -> None:
        self.prediction = prediction


def test_an_answer_that_cannot_be_read_has_no_score_and_stops_nobody(
    make_generator: Make, make_discriminator: Make
) -> None:
    listener, generator = Listener(), make_generator()

    class Wrapping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = make_discriminator()

        def forward(self, images: Tensor) -> Answer:
            return Answer(self.inside(images))

    discriminator = Wrapping()
    guide = attach(generator, discriminator, plugins=[listener])
    for key in "ab":
        source = torch.rand(1, 3, 64, 64)
        guide.bind(source, [key])
        fake = generator(source)
        discriminator(fake).prediction.mean().backward()
    guide.bind(source, ["c"])
    assert [report.score for report in listener.reports] == [None, None] and fake.requires_grad
