"""Training against test: dropped visits and fading maps, the same from the seed whatever the order or a resume."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach, hookimpl
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.concatenation.schedule import Schedule, is_dropped, weight_of_ones, with_ones
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.reports import StepReport

Make = Callable[..., nn.Module]
Networks = tuple[nn.Module, nn.Module]
HALF = GuideConfig(dropout=0.5)
FADE = GuideConfig(anneal="0:1", store_dtype="float32")


@pytest.fixture
def pair(make_generator: Make, make_discriminator: Make) -> Networks:
    return make_generator(), make_discriminator()


class Recorder:
    """What was blended, visit by visit."""

    def __init__(self) -> None:
        self.reports: list[StepReport] = []
        self.held: Tensor | None = None  # a visit whose fake is gone is not reported

    @hookimpl
    def guidegan_step_end(self, report: StepReport) -> None:
        self.reports.append(report)

    def is_placeholder(self) -> list[list[bool]]:
        return [(report.blended == 1).flatten(1).all(1).tolist() for report in self.reports]


def visit(guide: Guide, pair: Networks, keys: list[str], images: Tensor | None = None) -> Tensor:
    """One visit with its judgement; the fake."""
    source = torch.full((len(keys), 3, 64, 64), 0.5) if images is None else images.clone()
    guide.bind(source, keys)
    fake: Tensor = pair[0](source)
    pair[1](fake)
    return fake


def test_the_share_of_dropped_visits_is_near_the_probability_for_images_and_for_visits() -> None:
    for probability in (0.1, 0.5, 0.9):
        images = [is_dropped(f"{number}.png", 3, probability, 0) for number in range(4000)]
        visits = [is_dropped("a.png", number, probability, 0) for number in range(4000)]
        for dropped in (images, visits):
            assert abs(sum(dropped) / 4000 - probability) < 0.03
    assert not any(is_dropped(str(number), 0, 0.0, 0) for number in range(999))
    assert all(is_dropped(str(number), 0, 1.0, 0) for number in range(999))


def test_another_seed_drops_other_visits() -> None:
    one, other = ([is_dropped("a", number, 0.5, seed) for number in range(200)] for seed in (0, 1))
    assert one != other and one == [is_dropped("a", number, 0.5, 0) for number in range(200)]


@pytest.mark.parametrize(
    ("progress", "weight"), [(0, 0), (0.25, 0), (0.375, 0.25), (0.5, 0.5), (0.75, 1), (0.9, 1), (1.2, 1)]
)
def test_maps_fade_between_start_and_end(progress: float, weight: float) -> None:
    assert weight_of_ones(progress, 0.25, 0.75) == weight


def test_at_weight_one_only_the_placeholder_is_left_and_at_zero_the_very_maps() -> None:
    maps = torch.rand(3, 1, 5, 5)
    assert torch.equal(with_ones(maps, [False] * 3, 1), torch.ones(3, 1, 5, 5))
    assert with_ones(maps, [False] * 3, 0) is maps
    half = with_ones(maps, [False, True, False], 0.5)
    assert torch.allclose(half[0], (maps[0] + 1) / 2) and (half[1] == 1).all() and maps.max() < 1


def test_dropped_visits_do_not_depend_on_order_or_on_the_rest_of_the_batch(pair: Networks) -> None:
    dropped: list[dict[str, list[bool]]] = []
    orders = ([["a", "b", "c", "d"]], [["d", "a"], ["c", "b"]], [["b"], ["d"], ["a"], ["c"]])
    for batches in orders:
        recorder = Recorder()
        with attach(*pair, GuideConfig(dropout=0.5, seed=4), [recorder]) as guide:
            for _ in range(8):
                for keys in batches:
                    recorder.held = visit(guide, pair, keys)
            guide.bind(torch.zeros(1, 3, 64, 64), ["end"])
        found: dict[str, list[bool]] = {key: [] for key in "abcd"}
        for report, ones in zip(recorder.reports, recorder.is_placeholder(), strict=True):
            for key, one in zip(report.keys, ones, strict=True):
                found[key].append(one)
        dropped.append(found)
    assert dropped[0] == dropped[1] == dropped[2]
    expected = {key: [turn == 0 or is_dropped(key, turn, 0.5, 4) for turn in range(8)] for key in "abcd"}
    assert dropped[0] == expected and len({tuple(turns) for turns in expected.values()}) > 1


def test_an_image_twice_in_a_batch_is_two_visits() -> None:
    maps = torch.zeros(6, 1, 2, 2)
    together = Schedule(0.5).apply(maps, ["a"] * 6, [3] * 6).flatten(1).amax(1).bool().tolist()
    assert together == [is_dropped("a", 3 + turn, 0.5, 0) for turn in range(6)]


def test_a_training_that_drops_and_fades_repeats_bit_for_bit_and_leaves_the_hosts_draws_alone(
    make_generator: Make, make_discriminator: Make, toy_training: Any, same_state: Any
) -> None:
    start, images = (make_generator(), make_discriminator()), torch.rand(2, 2, 3, 64, 64) * 2 - 1
    ends = []
    for seed in (0, 0, 1):
        training = toy_training(*copy.deepcopy(start))
        config = GuideConfig(dropout=0.5, anneal="0.2:0.9", seed=seed)
        guide = attach(training.generator, training.discriminator, config, total_steps=8)
        state = torch.get_rng_state()
        for _ in range(8):
            source = images[0].clone()
            guide.bind(source, ["a", "b"])
            training.step(source, images[1])
        assert torch.equal(state, torch.get_rng_state())
        ends.append(training.generator)
    assert same_state(ends[0], ends[1]) and not same_state(ends[0], ends[2])


def test_off_is_bit_equal_to_the_literal_paper(pair: Networks) -> None:
    """Dropout 0 and a fade that has not begun blend the very maps of the store."""
    fakes = []
    for config in (GuideConfig(), GuideConfig(dropout=0), GuideConfig(anneal="0.9:1", seed=3)):
        with attach(*pair, config, total_steps=1000) as guide:
            fakes.append([visit(guide, pair, ["a", "b"]).detach() for _ in range(3)])
    assert all(torch.equal(one, other) for fake in fakes[1:] for one, other in zip(fakes[0], fake, strict=True))


def test_a_fading_training_ends_on_the_placeholder_and_reports_what_was_blended(pair: Networks) -> None:
    recorder = Recorder()
    guide = attach(*pair, GuideConfig(anneal="0.25:0.75", store_dtype="float32"), [recorder], total_steps=8)
    before = []
    for _ in range(10):
        before.append(guide.maps(["a"])[0])
        recorder.held = visit(guide, pair, ["a"])
    guide.bind(torch.zeros(1, 3, 64, 64), ["end"])
    for step, (report, remembered) in enumerate(zip(recorder.reports, before, strict=True), 1):
        weight = weight_of_ones(step / 8, 0.25, 0.75)
        assert torch.equal(report.blended, remembered if weight == 0 else (1 - weight) * remembered + weight)
    assert recorder.is_placeholder() == [[True]] + [[False]] * 4 + [[True]] * 5
    assert guide.maps(["a"])[0].min() == 0, "what is remembered does not fade"


def test_a_resumed_script_goes_on_where_it_was(pair: Networks, tmp_path: Path) -> None:
    config = GuideConfig(dropout=0.4, anneal="0:1", store_dtype="float32")
    with attach(*pair, config, total_steps=12) as guide:
        whole = [visit(guide, pair, ["a", "b"]).detach() for _ in range(12)]
    with attach(*pair, config, total_steps=12) as guide:
        halves = [visit(guide, pair, ["a", "b"]).detach() for _ in range(5)]
        guide.save(tmp_path / "guide.safetensors")
    with attach(*pair, config, total_steps=12) as guide:
        guide.load(tmp_path / "guide.safetensors")
        halves += [visit(guide, pair, ["a", "b"]).detach() for _ in range(7)]
    assert all(torch.equal(one, other) for one, other in zip(whole, halves, strict=True))
    assert not torch.equal(whole[1], whole[-1])


def test_a_resumed_script_reports_the_steps_an_uninterrupted_one_would(pair: Networks, tmp_path: Path) -> None:
    recorder = Recorder()
    for path in (None, tmp_path / "guide.safetensors"):
        with attach(*pair, GuideConfig(), [recorder]) as guide:
            if path is not None:
                guide.load(path)
            for _ in range(4):
                recorder.held = visit(guide, pair, ["a"])
                guide.bind(torch.zeros(1, 3, 64, 64), ["b"])  # a batch that nobody judges is bound, but no step
            recorder.held = visit(guide, pair, ["a"])
            guide.save(tmp_path / "guide.safetensors")  # the visit under way is not reported any more
    assert [report.step for report in recorder.reports] == [1, 2, 3, 4, 6, 7, 8, 9]


def test_a_report_names_the_concatenation(pair: Networks) -> None:
    recorder = Recorder()
    for concat in ("rhp", "alpha"):
        with attach(*pair, GuideConfig(concat=concat), [recorder]) as guide:
            recorder.held = visit(guide, pair, ["a"])
            guide.bind(torch.zeros(1, 3, 64, 64), ["b"])
    assert [report.concat for report in recorder.reports] == ["rhp", "alpha"]


def test_other_passes_test_time_and_copies_know_nothing_of_it(pair: Networks) -> None:
    images = torch.rand(1, 3, 64, 64)

    def outputs(config: GuideConfig) -> list[Tensor]:
        with attach(*pair, config, total_steps=10) as guide, torch.no_grad():
            source = images.clone()
            guide.bind(source, ["a"])
            other = [pair[0](images), copy.deepcopy(pair[0])(source), pair[0].eval()(source)]
            pair[0].train()
            return other

    plain = outputs(GuideConfig(cycle="off"))
    scheduled = outputs(GuideConfig(cycle="off", dropout=0.7, anneal="0:0.1"))
    assert all(torch.equal(one, other) for one, other in zip(plain, scheduled, strict=True))


def test_without_keys_rows_and_batches_are_dropped_and_maps_fade_too(pair: Networks) -> None:
    recorder = Recorder()
    guide = attach(*pair, HALF, [recorder], memory="batch")
    images = torch.rand(2, 3, 64, 64)
    for _ in range(6):
        recorder.held = visit(guide, pair, [], images)
    guide.bind(images)
    expected = [[is_dropped(str(row), step, 0.5, 0) for row in range(2)] for step in range(1, 7)]
    assert recorder.is_placeholder() == expected
    guide.detach()
    with attach(*pair, FADE, [recorder], memory="batch", total_steps=1) as guide:
        recorder.held = visit(guide, pair, [], images)
        guide.bind(images)
        assert recorder.is_placeholder()[-1] == [True, True]


def test_fading_over_a_training_of_unknown_length_is_refused_and_leaves_no_hook(pair: Networks) -> None:
    with pytest.raises(ConfigError, match=r"total_steps=.*--guide_anneal"):
        attach(*pair, FADE)
    with pytest.raises(ConfigError, match=r"total_steps: expected .* from 1, found 0"):
        attach(*pair, FADE, total_steps=0)
    assert not any(m._forward_hooks or m._forward_pre_hooks for net in pair for m in net.modules())
