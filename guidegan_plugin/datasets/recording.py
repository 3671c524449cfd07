"""Which files are opened as images, and what becomes of these images, while an item is made."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import PurePath
from threading import Lock, current_thread, get_ident, main_thread
from typing import Any

import torch
from torch import Tensor

from guidegan_plugin.datasets.image_moves import Moves, files_shown, followed
from guidegan_plugin.utils.replaced import replaced

# Functions that open an image, by their modules. A module that nobody imported opens nothing.
_OPENERS = {
    "PIL.Image": ("open",),
    "cv2": ("imread",),
    "imageio": ("imread",),
    "imageio.v2": ("imread",),
    "imageio.v3": ("imread",),
    "numpy": ("load",),
    "skimage.io": ("imread",),
    "tifffile": ("imread",),
    "torchvision.io": ("read_image", "decode_image"),
}


def key_of_file(path: str) -> str:
    """The key of a file: its path without what leads above or to the root, so that a key stays below any root."""
    pure = PurePath(path)
    return "/".join(part for part in pure.parts if part not in ("..", pure.anchor))


class Recording:
    """Files that are opened while it lasts, as a context manager's target.

    Attributes:
        keys: Of the files, each once.
        moves: What became of their images.
    """

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.moves = Moves()

    def opened(self, found: object, image: object) -> None:
        """A file, given by its path or open already, was opened as an image."""
        path = getattr(found, "name", None) if hasattr(found, "read") else found
        if isinstance(path, (str, PurePath)):
            key = key_of_file(str(path))
            if key not in self.keys:
                self.keys.append(key)
            self.moves.opened(image, self.keys.index(key))

    def views(self, item: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Tensor]:
        """Where the pixels of an item's tensors lie in their files, as far as it was observed.

        Args:
            item: What was made.
            fields: Of its tensors ``(C, H, W)``.

        Returns:
            ``(2, 3)``, float32, by field; none where one of them shows nothing that was followed.
        """
        images = [(name, item[name]) for name in fields if isinstance(item.get(name), Tensor) and item[name].dim() == 3]
        shown = files_shown(images, self.moves)
        return {one.path: torch.tensor(one.theta, device="cpu").view(2, 3) for one in shown or ()}

    @contextmanager
    def lasting(self) -> Iterator[Recording]:
        """While it lasts, images that this thread opens are noted, and what becomes of them."""
        with _UNDER_WAY.with_one_more(self):
            yield self


class _UnderWay:
    """The recordings of this process. What they replace is the process's, so all of them share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_thread: dict[int, list[Recording]] = {}
        self._replaced = ExitStack()

    @contextmanager
    def with_one_more(self, recording: Recording) -> Iterator[None]:
        """While it lasts, a recording notes what this thread does."""
        thread = get_ident()
        with self._lock:
            if not self._by_thread:
                self._replaced.enter_context(_watched(self.here))
            self._by_thread.setdefault(thread, []).append(recording)
        try:
            yield
        finally:
            with self._lock:
                self._by_thread[thread].remove(recording)
                self._leave_only(kept for kept, own in self._by_thread.items() if own)

    def here(self) -> Sequence[Recording]:
        """Those that note what this thread does."""
        if (own := self._by_thread.get(get_ident())) is not None:
            return own
        # Threads of a pool read for the one item that is made. The main thread may go about something else meanwhile.
        others = list(self._by_thread.values())
        return others[0] if len(others) == 1 and current_thread() is not main_thread() else ()

    def forked(self) -> None:
        """This is a new process, in which no other thread goes on."""
        self._lock = Lock()
        self._leave_only([get_ident()])

    def _leave_only(self, threads: Iterable[int]) -> None:
        kept = set(threads)
        self._by_thread = {thread: own for thread, own in self._by_thread.items() if thread in kept}
        if not self._by_thread:
            self._replaced.close()


_UNDER_WAY = _UnderWay()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_UNDER_WAY.forked)


@contextmanager
def _watched(recordings: Callable[[], Sequence[Recording]]) -> Iterator[None]:
    """While it lasts, recordings hear of every image that is opened or made of another one."""

    def noting(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            image = function(*args, **kwargs)
            for recording in recordings():
                recording.opened(next(iter((*args, *kwargs.values())), None), image)
            return image

        return call

    with ExitStack() as stack:
        for name, functions in _OPENERS.items():
            module = sys.modules.get(name)
            for function in functions if module is not None else ():
                if callable(getattr(module, function, None)):
                    stack.enter_context(replaced(module, function, noting))
        stack.enter_context(followed(lambda: [recording.moves for recording in recordings()]))
        yield
