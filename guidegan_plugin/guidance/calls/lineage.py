"""Lineage: which rows of the bound batches a tensor shows, though the tensor is another object than the one bound.

A training loop wraps (``Variable(x)``), cuts (``x[0:half]``), joins (``torch.cat([x, y])``), mirrors, casts and moves
its batch before the generator is called. A cut shares the batch's storage, which tells the rows. A copy shares nothing,
and the batch has no autograd graph that would tell; so copies are seen when they are made, from the binding to the
generator's call.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from guidegan_plugin.guidance.calls.rows import Rows, flipped, joined

# Functions and methods whose result shows the rows of their first argument, in a storage of its own.
_SAME = "clone to cuda cpu float double half bfloat16 type type_as contiguous pin_memory requires_grad_ detach"
_COPIES = frozenset(_SAME.split())
_JOINS = frozenset(("cat", "concat", "concatenate"))
_FLIPS: Mapping[str, tuple[int, ...] | None] = {"flip": None, "fliplr": (1,), "flipud": (0,)}


@dataclass(frozen=True)
class Shown:
    """What a tensor shows of bound batches.

    Attributes:
        rows: One a row of the tensor.
        channels: From which channel to which the tensor shows them: all, unless labels or noise were joined to them.
        visit: The visit whose images these are.
    """

    rows: Rows
    channels: tuple[int, int]
    visit: object = None

    def part(self, rows: Sequence[int | None]) -> Shown:
        """What some of the rows show."""
        return replace(self, rows=tuple(None if row is None else self.rows[row] for row in rows))


class Lineage:
    """Tensors that show rows of bound batches, and copies of these tensors while they are made.

    Attributes:
        watching: Whether copies are noted at the moment.
        storages: Addresses of the storages that known tensors are in: whatever lies elsewhere is a stranger.
    """

    def __init__(self) -> None:
        # Tensors are not held: each with its storage's address, by which an alias is known at a glance.
        self._known: list[tuple[weakref.ReferenceType[Tensor], int, Shown]] = []
        self.storages: list[int] = []
        self._mode = _Watching(self)
        self.watching = False

    def begin(self, images: Tensor, shown: Shown) -> None:
        """A batch is bound; from now on copies of the batch are noted.

        Args:
            images: ``(N, C, H, W)``.
            shown: N rows.
        """
        self.storages.append(images.untyped_storage()._cdata)
        self._known.append((weakref.ref(images), self.storages[-1], shown))
        self.watching = True
        self._mode.start()

    def forget(self, visit: object) -> None:
        """A visit is over: no tensor shows its images any more."""
        for place in range(len(self._known) - 1, -1, -1):
            if self._known[place][0]() is None or self._known[place][2].visit is visit:
                del self._known[place], self.storages[place]

    def pause(self) -> None:
        """A network is called: copies are no longer noted, so that neither its layers nor a compiled graph notice."""
        self.watching = False
        self._mode.stop()

    def note(self, tensor: Tensor, shown: Shown) -> None:
        """A tensor shows these rows."""
        self.storages.append(tensor.untyped_storage()._cdata)
        self._known.append((weakref.ref(tensor), self.storages[-1], shown))

    def drop(self, tensor: Tensor) -> None:
        """A tensor shows nothing of what it showed: it was written over."""
        for place in range(len(self._known) - 1, -1, -1):
            if self._known[place][0]() is tensor:
                del self._known[place], self.storages[place]

    def follow(self, tensor: Tensor, result: Tensor) -> None:
        """A tensor ``(N, C, H, W)`` was made of another, row by row: it shows the same rows, with all its channels."""
        for shown in self.shown(tensor):
            self.note(result, replace(shown, channels=(0, result.shape[1])))

    def shown(self, tensor: Tensor) -> list[Shown]:
        """What a tensor shows of bound batches; nothing for a stranger, several where pairs have bound the same images.

        Args:
            tensor: ``(N, C, H, W)``.
        """
        same, alias, storage = [], [], tensor.untyped_storage()._cdata
        for reference, place, shown in reversed(self._known):
            if place != storage or (whole := reference()) is None:
                continue
            if whole is tensor:
                same.append(shown)
            elif (rows := _rows_in_storage(tensor, whole)) is not None:
                alias.append(shown.part(rows))
        return same or alias


def is_part(tensor: Tensor, whole: Tensor) -> bool:
    """Whether a tensor is another one, or shows rows of it in the same memory."""
    return tensor is whole or _rows_in_storage(tensor, whole) is not None


def _rows_in_storage(tensor: Tensor, known: Tensor) -> list[int | None] | None:
    """For each row of a tensor, the row of a known tensor at the same place in memory; None for a stranger."""
    if (
        tensor.dim() != known.dim()
        or tensor.shape[1:] != known.shape[1:]
        or tensor.stride()[1:] != known.stride()[1:]
        or tensor.dtype != known.dtype
        or tensor.untyped_storage()._cdata != known.untyped_storage()._cdata
    ):
        return None
    step = known.stride(0)
    if len(known) <= 1 or not step:
        return [0] * len(tensor) if tensor.storage_offset() == known.storage_offset() else None
    first, off = divmod(int(tensor.storage_offset()) - int(known.storage_offset()), step)
    stride, apart = divmod(tensor.stride(0), step) if len(tensor) > 1 else (1, 0)
    if off or apart:
        return None
    places = [first + stride * row for row in range(len(tensor))]
    found: list[int | None] = [place if 0 <= place < len(known) else None for place in places]
    return found if any(place is not None for place in found) else None


class _Watching(TorchFunctionMode):
    """Notes copies of known tensors while they are made; in the thread that bound the batch.

    Modes are a stack of the whole thread, and the end of a ``with`` takes off whatever is on top of it. So ours, one a
    training that watches, lie below all others, and are taken out from wherever they lie by then.
    """

    def __init__(self, lineage: Lineage) -> None:
        super().__init__()
        self._lineage = weakref.ref(lineage)

    def start(self) -> None:
        """Begin to note."""
        others = self._others_taken_off()
        # Torch refuses to change the default device unless what torch.set_default_device left is the lowest of all.
        lowest = int(bool(others) and hasattr(others[0], "old_device"))
        _put_on(*others[:lowest], self, *others[lowest:])

    def stop(self) -> None:
        """Stop to note."""
        _put_on(*self._others_taken_off())

    def _others_taken_off(self) -> list[TorchFunctionMode]:
        """Take all modes off the thread's stack; the others among them that still do something, the lowest first."""
        others: list[TorchFunctionMode] = []
        while (top := torch.overrides._get_current_function_mode()) is not None:
            TorchFunctionMode.__exit__(top, None, None, None)  # type: ignore[no-untyped-call]  # torch has no types
            if top is not self and not (isinstance(top, _Watching) and top.lineage is None):
                others.insert(0, top)
        return others

    @property
    def lineage(self) -> Lineage | None:
        """Whose copies are noted; None where nobody's are any more, be it that another thread said so."""
        lineage = self._lineage()
        return lineage if lineage is not None and lineage.watching else None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.dim() == 4:
            self._note(getattr(func, "__name__", ""), args, kwargs or {}, result)
        return result

    def _note(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Tensor) -> None:
        lineage = self.lineage
        if lineage is None:
            return
        if name in _COPIES and isinstance(args[0], Tensor) and result is not args[0]:
            for shown in lineage.shown(args[0]):
                lineage.note(result, shown)
        elif name == "copy_":  # into a buffer, which showed something else before
            lineage.drop(result)
            for shown in (
                lineage.shown(args[1]) if isinstance(args[1], Tensor) and args[1].shape == result.shape else ()
            ):
                lineage.note(result, shown)
        elif name in _FLIPS and isinstance(args[0], Tensor):
            axes = _FLIPS[name] or _axes(args[1:], kwargs)
            for shown in lineage.shown(args[0]):
                lineage.note(result, replace(shown, rows=flipped(shown.rows, axes, result.dim())))
        elif name in _JOINS:
            tensors = list(args[0] if args else kwargs["tensors"])
            axis = (args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis", 0))) % result.dim()
            found = _shown_in_join([lineage.shown(one) if one.dim() == 4 else [] for one in tensors], tensors, axis)
            if found is not None:
                lineage.note(result, found)


def _others_taken_off() -> list[TorchFunctionMode]:
    """Take all modes off the thread's stack; those that are not ours, the lowest first."""
    others: list[TorchFunctionMode] = []
    while (top := torch.overrides._get_current_function_mode()) is not None:
        TorchFunctionMode.__exit__(top, None, None, None)  # type: ignore[no-untyped-call]
        others[:0] = [] if isinstance(top, _Watching) else [top]
    return others


def _put_on(*modes: TorchFunctionMode) -> None:
    for mode in modes:
        TorchFunctionMode.__enter__(mode)  # type: ignore[no-untyped-call]


def _shown_in_join(shown: Sequence[Sequence[Shown]], tensors: Sequence[Tensor], axis: int) -> Shown | None:
    """What tensors joined along their rows, or their channels, show together."""
    if axis > 1 or not any(shown):
        return None
    rows = [one[0].rows if one else (None,) * len(tensor) for one, tensor in zip(shown, tensors, strict=True)]
    first = next(place for place, one in enumerate(shown) if one)
    before = sum(tensor.shape[1] for tensor in tensors[:first]) if axis == 1 else 0
    start, end = shown[first][0].channels
    return Shown(joined(rows, axis), (before + start, before + end), shown[first][0].visit)


def _axes(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, ...]:
    dims = kwargs.get("dims", args[0] if len(args) == 1 and not isinstance(args[0], int) else args)
    return tuple(dims) if not isinstance(dims, int) else (dims,)
