"""What ``scipy.misc`` did with images, with Pillow: rescaling to bytes, saving, reading and resizing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from guidegan_plugin.errors import HostError
from guidegan_plugin.hosts.legacy.stand_in import Dropped

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "cubic": Image.Resampling.BICUBIC,
}


def bytescale(data: Any, cmin: float | None = None, cmax: float | None = None, high: int = 255, low: int = 0) -> Any:
    """Bytes as they are; anything else rescaled to bytes.

    Args:
        data: An array.
        cmin: What becomes ``low``; by default the least value.
        cmax: What becomes ``high``; by default the greatest value.
        high: 0 to 255.
        low: 0 to ``high``.

    Returns:
        An array of bytes.
    """
    data = np.asarray(data)
    if data.dtype == np.uint8:
        return data
    start = data.min() if cmin is None else cmin
    width = (data.max() if cmax is None else cmax) - start
    scaled = (data - start) * ((high - low) / float(width or 1)) + low
    return (scaled.clip(low, high) + 0.5).astype(np.uint8)


def toimage(
    arr: Any,
    high: int = 255,
    low: int = 0,
    cmin: float | None = None,
    cmax: float | None = None,
    mode: str | None = None,
) -> Image.Image:
    """An image of an array, its values rescaled as :func:`bytescale` does.

    Args:
        arr: (H, W), or with an axis of 3 or 4 channels anywhere.
        high: As in bytescale.
        low: As in bytescale.
        cmin: As in bytescale.
        cmax: As in bytescale.
        mode: None, ``L``, ``RGB`` or ``RGBA``, as the array's axes are.

    Raises:
        HostError: If the array is no such image, or for another mode.
    """
    pixels: NDArray[np.uint8] = bytescale(arr, cmin, cmax, high, low)
    if pixels.ndim == 3:
        axis = next((pixels.shape.index(count) for count in (3, 4) if count in pixels.shape), None)
        pixels = pixels if axis is None else np.moveaxis(pixels, axis, -1)
    image = Image.fromarray(np.ascontiguousarray(pixels)) if _is_image(pixels) else None
    if image is None or mode not in (None, image.mode):
        raise HostError(
            f"scipy.misc is asked for an image of mode {mode} of an array of shape {np.shape(arr)}, and --legacy knows "
            "L, RGB and RGBA; replace the call in the host"
        )
    return image


def _is_image(pixels: NDArray[np.uint8]) -> bool:
    return pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in (3, 4))


def imresize(arr: Any, size: Any, interp: str = "bilinear", mode: str | None = None) -> NDArray[np.uint8]:
    """An array resized as an image.

    Args:
        arr: As in toimage.
        size: A whole number of per cent, a float as a factor, or (height, width).
        interp: ``nearest``, ``lanczos``, ``bilinear``, ``bicubic`` or ``cubic``.
        mode: As in toimage.
    """
    image = toimage(arr, mode=mode)
    if isinstance(size, int | np.integer):
        width, height = (int(side * (size / 100.0)) for side in image.size)
    elif isinstance(size, float | np.floating):
        width, height = (int(side * size) for side in image.size)
    else:
        height, width = size
    return np.array(image.resize((int(width), int(height)), _FILTERS[interp]))


def imread(name: Any, flatten: bool = False, mode: str | None = None) -> NDArray[Any]:
    """An image's pixels.

    Args:
        name: Of the file.
        flatten: To one channel of float32.
        mode: To convert the image to, before; palettes become their colours.
    """
    with Image.open(name) as opened:
        image: Image.Image = opened.convert(mode) if mode else opened
        if image.mode == "P":
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        if flatten:
            image = image.convert("F")
        return np.array(image.convert("L") if image.mode == "1" else image)


def imsave(name: Any, arr: Any, format: str | None = None) -> None:
    """Save an array as an image.

    Args:
        name: Of the file.
        arr: As in toimage.
        format: By default as the file's name says.
    """
    toimage(arr).save(name, format)


_FUNCTIONS = {function.__name__: function for function in (bytescale, imread, imresize, imsave, toimage)}

SCIPY_MISC = Dropped(
    "scipy.misc.imresize",
    "is gone since SciPy 1.3",
    "the same by Pillow; `imread`, `imsave`, `toimage` and `bytescale` alike",
    ("AttentionGAN", "pix2pixHD"),
    tuple(f"scipy.misc.{name}" for name in _FUNCTIONS),
    "scipy.misc",
    lambda: _FUNCTIONS,
)
