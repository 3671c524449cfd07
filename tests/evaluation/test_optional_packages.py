"""Packages that only scoring needs."""

from __future__ import annotations

import importlib.metadata

import pytest
import torch

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.evaluation.optional_packages import optional, versions


def test_a_package_that_is_there_is_imported() -> None:
    assert optional("torch.nn") is torch.nn


def test_one_that_is_missing_is_named_with_what_to_install() -> None:
    with pytest.raises(ConfigError, match=r'scoring needs not_there .*pip install "guidegan_plugin\[eval\]"'):
        optional("not_there.inside")


def test_versions_leave_out_what_is_no_distribution() -> None:
    found = versions("torchvision", "not-there")
    assert found["torchvision"] == importlib.metadata.version("torchvision")
    assert set(found) <= {"guidegan_plugin", "torch", "numpy", "pillow", "torchvision"}
