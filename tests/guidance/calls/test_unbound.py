"""A generator that is trained though nothing was bound is no silence: it is said once, or refused."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from guidegan_plugin import GuideConfig, GuideError, attach
from guidegan_plugin.guidance.calls.unbound import PATIENCE


def networks() -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(3, 3, 1), nn.Sequential(nn.Conv2d(3, 4, 4, 2), nn.ReLU(), nn.Conv2d(4, 1, 4))


def test_a_training_that_never_binds_is_told_once_what_to_call(caplog: pytest.LogCaptureFixture) -> None:
    G, D = networks()
    with attach(G, D, GuideConfig(layer=1)), caplog.at_level(logging.WARNING):
        for _ in range(3 * PATIENCE):
            D(G(torch.rand(1, 3, 32, 32))).mean().backward()
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("pair A is not guided") and "call bind(images, keys)" in said


def test_where_guidance_is_strict_a_training_that_never_binds_is_refused() -> None:
    G, D = networks()
    with attach(G, D, GuideConfig(layer=1, strict=True)):
        for _ in range(PATIENCE - 1):
            G(torch.rand(1, 3, 32, 32))
        with pytest.raises(GuideError, match="no batch was bound; call bind"):
            G(torch.rand(1, 3, 32, 32))


def test_tests_before_the_first_batch_need_no_batch(caplog: pytest.LogCaptureFixture) -> None:
    G, D = networks()
    with attach(G, D, GuideConfig(layer=1, strict=True)), caplog.at_level(logging.WARNING):
        for _ in range(PATIENCE):
            with torch.no_grad():
                G(torch.rand(1, 3, 32, 32))
        G.eval()
        for _ in range(PATIENCE):
            G(torch.rand(1, 3, 32, 32))
    assert not caplog.records


def test_a_batch_that_was_bound_in_time_ends_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    G, D = networks()
    with attach(G, D, GuideConfig(layer=1)) as guide, caplog.at_level(logging.WARNING):
        for _ in range(PATIENCE - 1):
            G(torch.rand(1, 3, 32, 32))
        for _ in range(PATIENCE):
            guide.bind(images := torch.rand(1, 3, 32, 32), keys=["a"])
            D(G(images)).mean().backward()
    assert not caplog.records
