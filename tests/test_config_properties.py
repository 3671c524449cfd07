"""Every combination of options is accepted, or refused in one line that names the option."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from guidegan_plugin import ConfigError, GuideConfig, GuideError, attach
from guidegan_plugin.utils.options import options_of

FIELDS = {each.name: each for each in options_of(GuideConfig)}
WILD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["on", "off", "auto", "0:1", "1:0", "0.2:0.8", "nan:1", "4,9", "4,", "model.2", "none", "a\nb"]),
    st.just(np.eye(2)),
    st.just([1, [2]]),
    st.just({"a": "b\n"}),
)


def in_one_line(error: GuideError) -> bool:
    return len(str(error)) > 20 and "\n" not in str(error)


@settings(max_examples=200)
@given(values=st.dictionaries(st.sampled_from(sorted(FIELDS)), WILD, min_size=1, max_size=4))
def test_any_values_make_a_config_or_one_line(values: dict[str, Any]) -> None:
    try:
        config = GuideConfig(**values)
    except ConfigError as error:
        assert in_one_line(error) and any(f"--guide_{name}" in str(error) for name in values)
        return
    assert GuideConfig(**config.as_dict()) == config
    assert config.border_rings >= 0 and config.fast_pieces is not None
    assert config.anneal_span is None or 0 <= config.anneal_span[0] < config.anneal_span[1] <= 1


@settings(max_examples=100)
@given(values=st.dictionaries(st.sampled_from(sorted(set(FIELDS) - {"strict"})), st.text(max_size=6), max_size=3))
def test_any_words_on_a_command_line_make_a_config_one_line_or_a_usage(values: dict[str, str]) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    GuideConfig.add_options(parser)
    words = [f"--guide_{name}={value}" for name, value in values.items()]
    try:
        GuideConfig.from_options(vars(parser.parse_args(words)))
    except ConfigError as error:
        assert in_one_line(error)
    except argparse.ArgumentError:
        pass  # argparse's own: a choice or a type


COMBINATIONS = st.fixed_dictionaries(
    {},
    optional={
        "attention": st.sampled_from(["none", "pha", "tam", "shuffled"]),
        "signal": st.sampled_from(["activation", "gradient", "gradcam"]),
        "layer": st.sampled_from([1, 2, 4, 5, 6, 99, "4,2", "2", "2.weight", "nowhere", "", "4,4", "0"]),
        "tap": st.sampled_from(["conv", "activation"]),
        "border": st.sampled_from(["auto", 0, 1, 7]),
        "concat": st.sampled_from(["rhp", "alpha"]),
        "transfer": st.sampled_from(["bilinear", "conv"]),
        "init": st.sampled_from(["ones", "random"]),
        "cycle": st.sampled_from(["ones", "source", "off"]),
        "align": st.sampled_from(["canonical", "off"]),
        "dropout": st.sampled_from([0.0, 0.5, 1.0]),
        "anneal": st.sampled_from(["off", "0:1", "0.5:0.75"]),
        "judged": st.sampled_from(["moves", "affine"]),
        "judges": st.sampled_from(["last", "mean"]),
        "strict": st.booleans(),
        "store_device": st.sampled_from(["auto", "cpu"]),
        "store_dtype": st.sampled_from(["uint8", "float16", "float32"]),
    },
)


@pytest.mark.filterwarnings("ignore")
def test_any_combination_trains_or_is_refused_in_one_line(
    make_generator: Any, make_discriminator: Any, toy_training: Any
) -> None:
    images = torch.rand(2, 3, 32, 32)

    @settings(max_examples=30)
    @given(values=COMBINATIONS, memory=st.sampled_from(["image", "image", "batch"]), steps=st.sampled_from([None, 4]))
    def trains(values: dict[str, Any], memory: str, steps: int | None) -> None:
        training = toy_training(make_generator(), make_discriminator())
        both = training.g_optimizer, training.d_optimizer
        try:
            guide = attach(
                training.generator,
                training.discriminator,
                GuideConfig(**values),
                optimizers=both,
                memory=memory,
                total_steps=steps,
            )
        except GuideError as error:
            assert in_one_line(error)
            return
        for _ in range(2):
            source = images.clone()
            guide.bind(source, ["a", "b"])
            assert training.step(source, images).isfinite().all()
        guide.end_epoch()
        assert guide.statistics()["images"] == (2 if guide.attention is not None and memory == "image" else 0)
        guide.detach()

    trains()
