"""Ways to spoil a file."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from guidegan_plugin.guidance.memory.digests import checksum

Mutate = Callable[[random.Random, bytes], bytes]

_TOKENS: tuple[bytes, ...] = (
    b"null",
    b"-1",
    b"1e999",
    b"NaN",
    b"[]",
    b"{}",
    b'""',
    b"true",
    b"0",
    b"9" * 400,
    b"[" * 3000,
    b"\x00",
    b"\xff\xfe",
)
_TOKENS += (
    b"\n" * 50,
    b": ",
    b",",
    b'"',
    b"../../etc/passwd",
    b"/etc/passwd",
    b"<script>",
    b"\x1b[31m",
    b"- ",
    b"&a [*a]",
    b"\\ud800",
)
_JUNK = (
    "",
    "null",
    "[]",
    "[1]",
    "{}",
    '{"a": []}',
    "[" * 3000,
    '["A", "A"]',
    '["A.b"]',
    "x" * 5000,
    "-1",
    "9" * 30,
    "\x1b",
)


def bytes_changed(rng: random.Random, content: bytes) -> bytes:
    """Bits flipped, bytes overwritten, parts cut out, doubled, moved, or the end missing."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        if not found:
            break
        place, length = rng.randrange(len(found)), rng.choice((1, 2, 4, 8, rng.randrange(1, 200)))
        way = rng.randrange(7)
        if way == 0:
            found[place] ^= 1 << rng.randrange(8)
        elif way == 1:
            found[place : place + length] = rng.randbytes(min(length, len(found) - place))
        elif way == 2:
            del found[place : place + length]
        elif way == 3:
            found[place:place] = found[place : place + length]
        elif way == 4:
            del found[place:]
        elif way == 5:
            found[place : place + length] = rng.choice((b"\x00", b"\xff", b"\x7f")) * length
        else:
            other = rng.randrange(len(found))
            found[place : place + length] = found[other : other + length]
    return bytes(found)


def text_changed(rng: random.Random, content: bytes) -> bytes:
    """As :func:`bytes_changed`, or words of a text replaced by what nobody expects there."""
    if rng.random() < 0.4:
        return bytes_changed(rng, content)
    found = content
    for _ in range(rng.choice((1, 1, 2, 3))):
        words = found.split(rng.choice((b" ", b"\n", b",", b":", b'"')))
        place = rng.randrange(len(words))
        separator = found[len(words[0]) : len(words[0]) + 1] or b" "
        words[place] = rng.choice(_TOKENS)
        found = separator.join(words)
    return found


def store_changed(rng: random.Random, content: bytes) -> bytes:
    """A store with other tensors or facts in it, under a checksum that is right again."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    facts: dict[str, str] = header["__metadata__"]
    tensors = safetensors.torch.load(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if rng.random() < 0.25:
            facts[rng.choice([*facts, "config", "A.steps"])] = rng.choice(_JUNK)
        else:
            _change_tensor(rng, tensors)
    facts.pop("sha256", None)
    facts["sha256"] = checksum(tensors, facts)
    return safetensors.torch.save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata=facts)


def _change_tensor(rng: random.Random, tensors: dict[str, Tensor]) -> None:
    if not tensors:
        return
    name = rng.choice(sorted(tensors))
    tensor, way = tensors[name], rng.randrange(9)
    if way == 0:
        del tensors[name]
    elif way == 1:
        tensors[rng.choice((f"{name}x", "A.maps.0x0", "A.maps.9x9", "A.maps.-1x2", "C.keys", "x", ""))] = tensor.clone()
    elif way == 2:
        dtypes = (torch.uint8, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64, torch.bool)
        tensors[name] = tensor.to(rng.choice((*dtypes, torch.bfloat16)))
    elif way == 3 and tensor.dim():
        tensors[name] = rng.choice(
            (tensor.flatten(), tensor[None], tensor[:0], tensor[:-1], torch.cat([tensor, tensor]))
        )
    elif way == 4:
        other = rng.choice(sorted(tensors))
        tensors[name], tensors[other] = tensors[other].clone(), tensor.clone()
    elif way == 5 and tensor.numel():
        values = (float("nan"), float("inf"), -1, 2, 2**31, -(2**62), 255)
        _put(rng, tensor, name, tensors, rng.choice(values))
    elif way == 6 and tensor.dim() > 1:
        tensors[name] = tensor.transpose(0, -1).contiguous()
    elif way == 7:
        tensors[name] = torch.zeros(()).to(tensor.dtype)
    elif tensor.numel():
        tensors[name] = tensor.flatten()[torch.randperm(tensor.numel(), generator=_generator(rng))].view(tensor.shape)


def _put(rng: random.Random, tensor: Tensor, name: str, tensors: dict[str, Tensor], value: float) -> None:
    flat = tensor.clone().flatten()
    if not flat.is_floating_point():
        low, high = (0, 1) if flat.dtype is torch.bool else (torch.iinfo(flat.dtype).min, torch.iinfo(flat.dtype).max)
        value = max(low, min(high, 7 if value != value else value))
        value = high if value == float("inf") else int(value)
    flat[rng.randrange(len(flat))] = value
    tensors[name] = flat.view(tensor.shape)


def _generator(rng: random.Random) -> torch.Generator:
    return torch.Generator().manual_seed(rng.randrange(2**31))


def maps_changed(draw: random.Random, content: bytes) -> bytes:
    """A file of maps with another row, or other facts, and checksums that are right."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "maps.sqlite"
        path.write_bytes(content)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            if draw.random() < 0.3:
                name = draw.choice(["id", "save", "images", "visits", "bytes"])
                value = draw.choice([-1, 0, 7, 1 << 62, 0.5, "many", b"x"])
                db.execute("UPDATE facts SET value = ? WHERE name = ?", (value, name))
            else:
                number, key, row = draw.choice(db.execute("SELECT id, key, row FROM maps").fetchall())
                if draw.random() < 0.2:
                    key = draw.choice([b"", "text", 7, b"\xff\xfe", b"k" * 5000])
                else:
                    row = bytes_changed(draw, row) if draw.random() < 0.5 else _head_changed(draw, row)
                found = zlib.crc32(row, zlib.crc32(key)) if isinstance(key, bytes) else 0
                values = (key, row, found, number)
                db.execute("UPDATE maps SET key = ?, row = ?, checksum = ? WHERE id = ?", values)
        return path.read_bytes()


def _head_changed(draw: random.Random, row: bytes) -> bytes:
    """Sizes, type, counts and view of a row: some bytes of theirs others."""
    head = bytearray(row)
    start = draw.randrange(57)
    head[start : start + 4] = draw.choice([b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00\x00\x80\x7f", b"\x01"])
    return bytes(head)
