"""View: one visit's crop and flip of an image, as an affine map; two of them composed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from guidegan_plugin.errors import ConfigError


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
        if self.theta.dim() != 3 or self.theta.shape[1:] != (2, 3):
            raise ConfigError(f"view: expected theta of shape (N, 2, 3), found {tuple(self.theta.shape)}; change view=")
        theta = self.theta.detach().to("cpu", torch.float32)
        area = theta[:, 0, 0] * theta[:, 1, 1] - theta[:, 0, 1] * theta[:, 1, 0]
        if not bool(((area != 0) & theta.isfinite().flatten(1).all(1)).all()):
            raise ConfigError(f"view: expected a crop with an area, found theta {theta.tolist()}; change view=")
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
    def join(cls, thetas: Sequence[Tensor | None]) -> View | None:
        """Rows of checked views put together.

        Args:
            thetas: ``(2, 3)`` each, None where unknown.

        Returns:
            N views, the whole image where one is unknown; None where all are.
        """
        known = [theta for theta in thetas if theta is not None]
        if not known:
            return None
        if len(known) < len(thetas):
            whole = torch.eye(3)[:2]
            known = [whole if theta is None else theta for theta in thetas]
        return cls.trusted(torch.stack(known))

    @classmethod
    def identity(cls, count: int = 1) -> View:
        """The whole image, unflipped, ``count`` times."""
        return cls(torch.eye(3)[:2].repeat(count, 1, 1))

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
        return cls(torch.tensor([[[-scale_x if flip else scale_x, 0.0, shift_x], [0.0, scale_y, shift_y]]]))

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
        old, new = _square(torch.cat([self.theta, other.theta])).chunk(2)
        composed: Tensor = torch.linalg.inv(old) @ new
        return composed[:, :2]


def _square(theta: Tensor) -> Tensor:
    last_row = torch.tensor([0.0, 0.0, 1.0]).expand(len(theta), 1, 3)
    return torch.cat([theta, last_row], dim=1)


def resample(maps: Tensor, theta: Tensor) -> Tensor:
    """Move maps into another frame; what the old frame did not show continues its border.

    Args:
        maps: ``(N, 1, h, w)``, floating point.
        theta: ``(N, 2, 3)`` from the new frame to the old one.

    Returns:
        ``(N, 1, h, w)``, the dtype of ``maps``; values stay within the range of ``maps``.
    """
    theta = theta.to(maps.device, maps.dtype, non_blocking=True)
    grid = F.affine_grid(theta, list(maps.shape), align_corners=False)
    moved: Tensor = F.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return moved
