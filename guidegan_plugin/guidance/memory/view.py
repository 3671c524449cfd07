"""View: one visit's crop and flip of an image, as an affine map; two of them composed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from guidegan_plugin.errors import ConfigError

# Of the affine maps of the plane, as 3 x 3 matrices: the first two rows of the identity, and the last row of all.
_WHOLE, _LAST_ROW = torch.eye(3, dtype=torch.float32, device="cpu").split([2, 1])


@dataclass(frozen=True, eq=False)
class View:
    """Where the pixels of a batch of visits lie in their images.

    Attributes:
        theta: ``(N, 2, 3)``, float32 on the CPU: ``affine_grid``'s matrix from the visit's frame to the image's own
            (resized) frame, in normalised coordinates with ``align_corners=False``. It stays on the CPU, where two
            views are composed without waiting for a device.

    Raises:
        ConfigError: If ``theta`` has another shape, is not finite, or shows nothing (a crop without area).
    """

    theta: Tensor

    def __post_init__(self) -> None:
        if not isinstance(self.theta, Tensor) or self.theta.dim() != 3 or self.theta.shape[1:] != (2, 3):
            found = tuple(self.theta.shape) if isinstance(self.theta, Tensor) else f"a {type(self.theta).__name__}"
            raise ConfigError(f"view: expected a tensor (N, 2, 3), found {found}; change view=")
        theta = self.theta.detach().to("cpu", torch.float32)
        rows = theta.tolist()
        if not all(map(_has_area, rows)):
            raise ConfigError(f"view: expected a crop with an area, found theta {rows}; change view=")
        object.__setattr__(self, "theta", theta)

    def __len__(self) -> int:
        return len(self.theta)

    @classmethod
    def trusted(cls, theta: Tensor) -> View:
        """A view of what was cut out of checked views, which is not checked again.

        Args:
            theta: ``(N, 2, 3)``, float32 on the CPU.
        """
        view = object.__new__(cls)
        object.__setattr__(view, "theta", theta)
        return view

    @classmethod
    def known(cls, theta: Tensor) -> View | None:
        """A view of what a data set says, None where it does not know one of the visits.

        Args:
            theta: ``(N, 2, 3)``, NaN where unknown.

        Raises:
            ConfigError: As the class.
        """
        numbers = theta.detach().flatten().tolist()
        return None if any(map(math.isnan, numbers)) else cls(theta)

    @classmethod
    def join(cls, thetas: npt.NDArray[np.float32]) -> View | None:
        """A view of rows of checked views, as a memory keeps them.

        Args:
            thetas: ``(N, 2, 3)``, NaN where unknown. It is the view's own from then on.

        Returns:
            N views, the whole image where one is unknown; None where all are.
        """
        unknown = np.isnan(thetas[:, 0, 0])
        if count := np.count_nonzero(unknown):
            if count == len(thetas):
                return None
            thetas[unknown] = _WHOLE.numpy()
        return cls.trusted(torch.from_numpy(thetas)) if len(thetas) else None

    @classmethod
    def identity(cls, count: int = 1) -> View:
        """The whole image, unflipped, ``count`` times."""
        return cls.trusted(_WHOLE.repeat(count, 1, 1))

    @classmethod
    def crop(
        cls,
        position: tuple[int, int],
        size: tuple[int, int],
        image_size: tuple[int, int],
        flip: bool = False,
    ) -> View:
        """One visit that cropped its (resized) image and then perhaps mirrored it.

        Args:
            position: Left and top edge of the crop in pixels.
            size: Width and height of the crop in pixels.
            image_size: Width and height of the resized image in pixels.
            flip: Whether the crop was mirrored left to right.

        Returns:
            A view of one visit, ``theta`` ``(1, 2, 3)``.

        Raises:
            ConfigError: If the crop or the image has no area.
        """
        (x, y), (w, h), (width, height) = position, size, image_size
        if min(w, h, width, height) <= 0:
            raise ConfigError(
                f"view: expected sizes in pixels, found a crop of {w} x {h} in an image of {width} x {height}; change "
                "size= or image_size="
            )
        scale_x, scale_y = w / width, h / height
        shift_x, shift_y = (2 * x + w) / width - 1, (2 * y + h) / height - 1
        theta = [[[-scale_x if flip else scale_x, 0.0, shift_x], [0.0, scale_y, shift_y]]]
        return cls(torch.tensor(theta, device="cpu"))

    @classmethod
    def stack(cls, views: Sequence[View]) -> View:
        """The visits of several views, one after another."""
        return cls.trusted(torch.cat([view.theta for view in views]))

    def seen_from(self, other: View) -> Tensor:
        """``theta`` that resamples something in this view's frame into another view's frame of the same images.

        Args:
            other: The view to move to, as many visits as this one.

        Returns:
            ``(N, 2, 3)``, float32: the inverse of this view after the other, for ``affine_grid``.
        """
        both = torch.cat([self.theta, other.theta])
        old, new = torch.cat([both, _LAST_ROW.expand(len(both), 1, 3)], dim=1).chunk(2)
        # Every view has an area, so an inverse; looking whether there is one would take more operations.
        composed: Tensor = torch.linalg.inv_ex(old).inverse @ new
        return composed[:, :2]


def _has_area(theta: Sequence[Sequence[float]]) -> bool:
    (a, b, _), (c, d, _) = theta
    finite = all(map(math.isfinite, itertools.chain.from_iterable(theta)))
    return finite and abs(a * d - b * c) >= torch.finfo(torch.float32).tiny


class Resampler:
    """Moves maps into other frames; where the cells of a map lie is computed once."""

    def __init__(self) -> None:
        self._cells: Tensor | None = None
        self._made_for: tuple[object, ...] = ()

    def __call__(self, maps: Tensor, theta: Tensor) -> Tensor:
        """Move maps into another frame; what the old frame did not show continues its border.

        Args:
            maps: ``(N, 1, h, w)``, floating point.
            theta: ``(N, 2, 3)`` from the new frame to the old one.

        Returns:
            ``(N, 1, h, w)``, the dtype of ``maps``; values stay within the range of ``maps``.
        """
        count, _, height, width = maps.shape
        theta = theta.to(maps.device, maps.dtype, non_blocking=True)
        cells = self._cells_of(maps).expand(count, -1, -1)
        # What affine_grid computes, too; but affine_grid makes the cells anew, with ten operations. Autocast would
        # round the places to eight bits.
        with _no_autocast(maps.device.type):
            grid = torch.bmm(cells, theta.transpose(1, 2)).view(count, height, width, 2)
        moved: Tensor = F.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return moved

    def _cells_of(self, maps: Tensor) -> Tensor:
        """Centres of cells as homogeneous coordinates, ``(1, h * w, 3)``."""
        wanted = maps.shape[-2:], maps.dtype, maps.device
        if self._cells is None or self._made_for != wanted:
            with _no_autocast("cpu"):
                centres = F.affine_grid(_WHOLE[None].to(maps.dtype), [1, *maps.shape[1:]], align_corners=False)
            cells = F.pad(centres.flatten(1, 2), (0, 1), value=1.0)
            self._cells, self._made_for = cells.to(maps.device, non_blocking=True), wanted
        return self._cells


def _no_autocast(device_type: str) -> AbstractContextManager[object]:
    known = torch.amp.is_autocast_available(device_type)
    return torch.autocast(device_type, enabled=False) if known else nullcontext()


def resample(maps: Tensor, theta: Tensor) -> Tensor:
    """As :class:`Resampler`, once."""
    return Resampler()(maps, theta)
