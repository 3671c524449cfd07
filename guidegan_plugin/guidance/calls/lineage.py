"""Lineage: which rows of the bound batches a tensor shows, though the tensor is another object than the one bound.

A training loop wraps (``Variable(x)``), cuts (``x[0:half]``), joins (``torch.cat([x, y])``), mirrors, casts and moves
its batch before the generator is called. A cut shares the batch's storage, which tells the rows. A copy shares nothing,
and the batch has no autograd graph that would tell; so copies are seen when they are made, from the binding to the
generator's call.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

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


_Lies = tuple[torch.Size, tuple[int, ...], int, torch.dtype]
"""How a tensor lies in its storage: its shape and strides, where it starts, and its type."""


class _Known(NamedTuple):
    """A tensor that shows rows of bound batches; neither it nor its memory is held."""

    tensor: weakref.ReferenceType[Tensor]
    memory: weakref.ReferenceType[torch.UntypedStorage]
    lies: _Lies
    shown: Shown
    bound: bool


class Lineage:
    """Tensors that show rows of bound batches, and copies of these tensors while they are made.

    Attributes:
        watching: Whether copies are noted at the moment.
        storages: Addresses of the storages that known tensors are in: whatever lies elsewhere is a stranger.
        rewritten: Whether a bound tensor may show something else by now than what it was bound as.
    """

    def __init__(self) -> None:
        self._known: list[_Known] = []
        self.storages: list[int] = []
        self._mode = _Watching(self)
        self.watching = self.rewritten = False
        self._thread = 0

    def begin(self, images: Tensor, shown: Shown) -> None:
        """A batch is bound; from now on copies of the batch are noted.

        Args:
            images: ``(N, C, H, W)``.
            shown: N rows.
        """
        self.note(images, shown, bound=True)
        self.watching, self.rewritten, self._thread = True, False, threading.get_ident()
        self._mode.switch(on=True)

    def forget(self, visit: object) -> None:
        """A visit is over: no tensor shows its images any more."""
        for place in range(len(self._known) - 1, -1, -1):
            if self._known[place].memory() is None or self._known[place].shown.visit is visit:
                del self._known[place], self.storages[place]

    def pause(self) -> None:
        """A network is called: copies are no longer noted, so that neither its layers nor a compiled graph notice."""
        if self._thread == threading.get_ident():  # a sampler in another thread ends nothing
            self.watching = False
            self._mode.switch(on=False)

    def note(self, tensor: Tensor, shown: Shown, bound: bool = False) -> None:
        """A tensor shows these rows."""
        storage = tensor.untyped_storage()
        lies = tensor.shape, tensor.stride(), int(tensor.storage_offset()), tensor.dtype
        self.storages.append(storage._cdata)
        self._known.append(_Known(weakref.ref(tensor), weakref.ref(storage), lies, shown, bound))

    def write_over(self, tensor: Tensor, shown: Sequence[Shown]) -> None:
        """A tensor was written over, and shows this instead; what was bound is believed where that is nothing."""
        for place in range(len(self._known) - 1, -1, -1):
            if self._known[place].tensor() is tensor and (shown or not self._known[place].bound):
                self.rewritten |= self._known[place].bound
                del self._known[place], self.storages[place]
        for one in shown:
            self.note(tensor, one)

    def follow(self, tensor: Tensor, result: Tensor) -> None:
        """A tensor ``(N, C, H, W)`` was made of another, row by row: it shows the same rows, with all its channels."""
        for shown in self.shown(tensor):
            self.note(result, replace(shown, channels=(0, result.shape[1])))

    def shown(self, tensor: Tensor) -> list[Shown]:
        """What a tensor shows of bound batches; nothing for a stranger, several where pairs have bound the same images.

        Args:
            tensor: ``(N, C, H, W)``.
        """
        try:
            storage = tensor.untyped_storage()
        except NotImplementedError:  # within torch.func (vmap, grad), or sparse
            return []
        same, alias = [], []
        for known in reversed(self._known):
            if known.memory() is not storage:
                continue
            if known.tensor() is tensor and known.lies[0] == tensor.shape:
                same.append(known.shown)
            elif (rows := _rows_at(_lies(tensor), known.lies)) is not None:
                alias.append(known.shown.part(rows))
        return same or alias


def has_memory(tensor: Tensor) -> bool:
    """Whether a tensor has a storage: not within ``torch.func`` (vmap, grad), and not where it is sparse."""
    try:
        tensor.untyped_storage()
    except NotImplementedError:
        return False
    return True


def is_part(tensor: Tensor, whole: Tensor) -> bool:
    """Whether a tensor is another one, or shows rows of it in the same memory."""
    if tensor is whole or not (has_memory(tensor) and has_memory(whole)):
        return tensor is whole
    together = tensor.untyped_storage() is whole.untyped_storage()
    return together and _rows_at(_lies(tensor), _lies(whole)) is not None


def _lies(tensor: Tensor) -> _Lies:
    return tensor.shape, tensor.stride(), int(tensor.storage_offset()), tensor.dtype


def _rows_at(lies: _Lies, known: _Lies) -> list[int | None] | None:
    """For each row of a tensor, the row of a known tensor at the same place in their memory; None for a stranger."""
    (shape, strides, start, dtype), (known_shape, known_strides, known_start, known_dtype) = lies, known
    if shape[1:] != known_shape[1:] or strides[1:] != known_strides[1:] or dtype != known_dtype or not strides:
        return None
    # Rows of a batch that was expanded all lie in one place.
    count, step, apart = known_shape[0], known_strides[0] if known_shape[0] > 1 else 0, strides[0]
    found: list[int | None] = []
    for place in range(shape[0]):
        row, off = (
            divmod(start + apart * place - known_start, step) if step else (0, start + apart * place - known_start)
        )
        found.append(None if off or not 0 <= row < count else row)
    return found if any(row is not None for row in found) else None


class _Watching(TorchFunctionMode):
    """Notes copies of known tensors while they are made; in the thread that bound the batch.

    Modes are a stack of the whole thread, and the end of a ``with`` takes off whatever is on top of it. So ours, one a
    training that watches, lie below all others, and are taken out from wherever they lie by then.
    """

    def __init__(self, lineage: Lineage) -> None:
        super().__init__()
        self._lineage = weakref.ref(lineage)

    def switch(self, on: bool) -> None:
        """Begin to note, or stop to."""
        modes: list[TorchFunctionMode] = []
        while (top := torch.overrides._get_current_function_mode()) is not None:
            TorchFunctionMode.__exit__(top, None, None, None)
            if top is not self and not (isinstance(top, _Watching) and top.lineage is None):
                modes.insert(0, top)
        if on:  # torch refuses to change the default device unless what torch.set_default_device left lies lowest
            modes.insert(bool(modes) and hasattr(modes[0], "old_device"), self)
        for mode in modes:
            TorchFunctionMode.__enter__(mode)

    @property
    def lineage(self) -> Lineage | None:
        """Whose copies are noted; None where nobody's are any more."""
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
        # A graph is traced through this handler, and has no use for what it would note.
        if not torch.compiler.is_compiling() and isinstance(result, Tensor) and result.dim() == 4:
            self._note(getattr(func, "__name__", ""), args, kwargs or {}, result)
        return result

    def _note(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Tensor) -> None:
        lineage = self.lineage
        if lineage is None:
            return
        whole = args[0] if args else kwargs.get("input")
        if name in _JOINS:
            tensors = list(args[0] if args else kwargs["tensors"])
            axis = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis", 0))
            for shown in _shown_in_join(lineage, tensors, axis % result.dim()):
                lineage.note(result, shown)
        elif not isinstance(whole, Tensor):
            pass
        elif name in _COPIES and result is not whole:
            for shown in lineage.shown(whole):
                lineage.note(result, shown)
        elif name == "copy_":  # into a buffer, which showed something else before
            source = args[1] if len(args) > 1 else kwargs.get("other")
            written = isinstance(source, Tensor) and source.shape == result.shape
            lineage.write_over(result, lineage.shown(source) if isinstance(source, Tensor) and written else ())
        elif name in _FLIPS:
            axes = _FLIPS[name] or _axes(args[1:], kwargs)
            for shown in lineage.shown(whole):
                lineage.note(result, replace(shown, rows=flipped(shown.rows, axes, result.dim())))


def _shown_in_join(lineage: Lineage, tensors: Sequence[Tensor], axis: int) -> list[Shown]:
    """What tensors joined along their rows, or their channels, show together of each visit."""
    tensors = [one for one in tensors if one.dim() == 4]  # torch joins an empty one of one dimension to anything
    parts = [lineage.shown(one) for one in tensors]
    found = []
    for visit in {id(one.visit): one.visit for part in parts for one in part}.values() if axis < 2 else ():
        chosen = [next((one for one in part if one.visit is visit), next(iter(part), None)) for part in parts]
        place, own = next((place, one) for place, one in enumerate(chosen) if one is not None and one.visit is visit)
        if axis == 0:
            rows = [
                (None,) * len(one) if made is None else made.rows for one, made in zip(tensors, chosen, strict=True)
            ]
            found.append(replace(own, rows=joined(rows)))
        else:
            before = sum(one.shape[1] for one in tensors[:place])
            found.append(replace(own, channels=(before + own.channels[0], before + own.channels[1])))
    return found


def _axes(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, ...]:
    dims = kwargs.get("dims", args[0] if len(args) == 1 and not isinstance(args[0], int) else args)
    return tuple(dims) if not isinstance(dims, int) else (dims,)
