"""Calls that Python, PyYAML, NumPy, Pillow, torch and torchvision have dropped; each computes what it once did."""

from __future__ import annotations

import collections.abc
import inspect
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NoReturn

from torch.utils.data.dataloader import _BaseDataLoaderIter

from guidegan_plugin.errors import HostError
from guidegan_plugin.hosts.legacy.stand_in import Dropped, StandIn, replace
from guidegan_plugin.utils.packages import is_installed

_ABSTRACT = tuple(name for name in collections.abc.__all__ if name != "Buffer")  # Buffer came later
_NUMPY = {"bool": bool, "complex": complex, "float": float, "int": int, "object": object, "str": str}
_FILTERS = {"ANTIALIAS": "LANCZOS", "CUBIC": "BICUBIC", "LINEAR": "BILINEAR"}
_TRANSFORMS = {"RandomSizedCrop": "RandomResizedCrop", "Scale": "Resize"}


def gcd(a: Any, b: Any) -> Any:
    """The greatest common divisor; it has the sign of ``b``, or of ``a`` where ``b`` is 0.

    Args:
        a: A number.
        b: A number.
    """
    while b:
        a, b = b, a % b
    return a


def load_lua(filename: object, *args: object, **options: object) -> NoReturn:
    """Refuse a file of Lua torch: it can be imported, as hosts do that never call it, and nothing reads such a file.

    Args:
        filename: Of the file.
        args: Whatever else a host gives.
        options: Whatever else a host gives.

    Raises:
        HostError: Always.
    """
    raise HostError(
        f"{filename} is a file of Lua torch, which torch does not read since 1.0; put vgg16.weight, PyTorch's file of "
        "the same weights, beside it, or set vgg_w: 0 in the file of --config"
    )


def _collections() -> Mapping[str, object]:
    return {name: getattr(collections.abc, name) for name in _ABSTRACT}


def _filters() -> Mapping[str, object]:
    from PIL import Image

    return {old: getattr(Image.Resampling, new) for old, new in _FILTERS.items()}


def _transforms() -> Mapping[str, object]:
    from torchvision import transforms

    return {old: getattr(transforms, new) for old, new in _TRANSFORMS.items()}


@dataclass(frozen=True)
class YamlLoad(StandIn):
    """``yaml.load`` without a loader."""

    errors = (TypeError,)

    def lacking(self) -> Sequence[str]:
        if not is_installed("yaml"):
            return ()
        import yaml

        loader = inspect.signature(yaml.load).parameters["Loader"]
        return self.calls if loader.default is inspect.Parameter.empty else ()

    def put(self, run: ExitStack) -> None:
        if not self.lacking():
            return
        import yaml

        load = yaml.load

        def load_safely(stream: Any, Loader: Any = yaml.SafeLoader) -> Any:
            return load(stream, Loader)

        replace(run, yaml, "load", load_safely)


@dataclass(frozen=True)
class NextOfLoader(StandIn):
    """``.next()`` of a data loader's iterator."""

    errors = (AttributeError,)

    def lacking(self) -> Sequence[str]:
        return () if hasattr(_BaseDataLoaderIter, "next") else self.calls

    def put(self, run: ExitStack) -> None:
        if self.lacking():
            replace(run, _BaseDataLoaderIter, "next", lambda iterator: next(iterator))


DROPPED = (
    Dropped(
        "fractions.gcd",
        "is gone since Python 3.9",
        "Euclid's algorithm, with its signs",
        ("pix2pixHD",),
        ("fractions.gcd",),
        "fractions",
        lambda: {"gcd": gcd},
    ),
    Dropped(
        "collections.Mapping",
        "is gone since Python 3.10",
        "`collections.abc.Mapping`; the other abstract classes alike",
        (),
        tuple(f"collections.{name}" for name in _ABSTRACT),
        "collections",
        _collections,
    ),
    YamlLoad(
        "yaml.load(stream)",
        "wants a loader since PyYAML 6",
        "the safe loader, which makes no objects",
        ("MUNIT", "UNIT"),
        ("yaml.load(stream)",),
    ),
    Dropped(
        "numpy.int",
        "is gone since NumPy 1.24",
        "Python's `int`; `float`, `bool`, `complex`, `object` and `str` alike",
        (),
        tuple(f"numpy.{name}" for name in _NUMPY),
        "numpy",
        lambda: _NUMPY,
    ),
    Dropped(
        "PIL.Image.ANTIALIAS",
        "is gone since Pillow 10",
        "`LANCZOS`; `BILINEAR` for `LINEAR` and `BICUBIC` for `CUBIC`",
        (),
        tuple(f"PIL.Image.{name}" for name in _FILTERS),
        "PIL.Image",
        _filters,
    ),
    Dropped(
        "torchvision.transforms.Scale",
        "is gone since torchvision 0.12",
        "`Resize`; `RandomResizedCrop` for `RandomSizedCrop`",
        ("pix2pixHD",),
        tuple(f"torchvision.transforms.{name}" for name in _TRANSFORMS),
        "torchvision.transforms",
        _transforms,
    ),
    Dropped(
        "torch.utils.serialization.load_lua",
        "is gone since torch 1.0",
        "can be imported; a call is refused and says what to do",
        ("MUNIT", "UNIT"),
        ("torch.utils.serialization.load_lua",),
        "torch.utils.serialization",
        lambda: {"load_lua": load_lua},
    ),
    NextOfLoader(".next()", "of a data loader's iterator is gone since torch 1.13", "`next(...)`", (), (".next()",)),
)
