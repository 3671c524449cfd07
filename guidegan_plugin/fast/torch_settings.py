"""Settings of torch that hold for the whole process, and what they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def is_tf32() -> bool:
    """Whether float32 products and convolutions may round their factors to TF32 already.

    Raises:
        RuntimeError: As :func:`tf32`.
    """
    return torch.get_float32_matmul_precision() != "highest" and torch.backends.cudnn.allow_tf32


@contextmanager
def tf32() -> Iterator[None]:
    """While it lasts, float32 products and convolutions may round their factors to TF32 on GPUs that have it.

    Raises:
        RuntimeError: If the host sets the precision through torch's newer ``fp32_precision``, which excludes this one.
    """
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions


@contextmanager
def benchmark() -> Iterator[None]:
    """While it lasts, cuDNN tries its algorithms for each new size of images and takes the fastest."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
