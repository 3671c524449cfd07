"""The bytes of a safetensors file without a copy of its tensors, which may be most of what a machine's memory holds."""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from torch import Tensor

_DTYPES = {
    **{torch.uint8: "U8", torch.int8: "I8", torch.int16: "I16", torch.int32: "I32", torch.int64: "I64"},
    **{torch.bfloat16: "BF16", torch.float16: "F16", torch.float32: "F32", torch.float64: "F64", torch.bool: "BOOL"},
}


def pieces(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> list[bytes | memoryview]:
    """What ``safetensors.torch.save`` would return, cut into pieces.

    Args:
        tensors: By name, on the CPU. The pieces look into them.
        metadata: Small facts to keep with them.
    """
    # The largest elements first, so that all of them lie where their size divides the place.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    contents, start = [], 0
    for name in names:
        tensor = tensors[name].contiguous()
        end = start + tensor.nbytes
        header[name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        if end > start:
            contents.append(tensor.flatten().view(torch.uint8).numpy().data)
        start = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text, *contents]
