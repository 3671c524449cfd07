from __future__ import annotations

import numpy as np
import torch

from guidegan_plugin.guidance.transfer import BilinearTransfer


def numpy_bilinear(row: np.ndarray, size: int) -> np.ndarray:
    """One dimension, pixel centres, ends continued."""
    position = np.clip((np.arange(size) + 0.5) * len(row) / size - 0.5, 0, len(row) - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, len(row) - 1)
    return row[low] * (1 - (position - low)) + row[high] * (position - low)


def test_it_agrees_with_numpy() -> None:
    maps = torch.rand(1, 1, 7, 5)
    rows = np.stack([numpy_bilinear(row, 24) for row in maps[0, 0].numpy()])
    expected = np.stack([numpy_bilinear(column, 32) for column in rows.T]).T
    assert np.abs(BilinearTransfer()(maps, (32, 24))[0, 0].numpy() - expected).max() < 1e-6


def test_ones_stay_ones_and_a_full_size_map_is_left_alone() -> None:
    transfer, full = BilinearTransfer(), torch.rand(2, 1, 8, 8)
    assert (transfer(torch.ones(2, 1, 1, 1), (16, 12)) == 1).all()
    assert transfer(full, (8, 8)) is full


def test_it_has_nothing_to_train() -> None:
    assert not list(BilinearTransfer().parameters())
