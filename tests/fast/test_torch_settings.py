"""Settings of the process are what they were afterwards, even if something failed."""

from __future__ import annotations

import pytest
import torch

from guidegan_plugin.fast.torch_settings import benchmark, is_tf32, tf32


def test_tf32_is_allowed_while_it_lasts() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with pytest.raises(KeyError), tf32():
        assert is_tf32() and torch.get_float32_matmul_precision() == "high"
        raise KeyError
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def test_cudnn_looks_for_its_fastest_algorithms_while_it_lasts() -> None:
    before = torch.backends.cudnn.benchmark
    with pytest.raises(KeyError), benchmark():
        assert torch.backends.cudnn.benchmark
        raise KeyError
    assert torch.backends.cudnn.benchmark == before
