"""Small helpers: images, folders, seeds, processes and class look-up."""

from __future__ import annotations

import importlib
import os
import random
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from PIL import Image


def tensor2im(image: torch.Tensor | np.ndarray) -> np.ndarray:
    """Turn the first image of a batch into an array that can be saved.

    Args:
        image: (N, 1 or 3, H, W), float, in [-1, 1]. An array is returned as it is.

    Returns:
        (H, W, 3), uint8.
    """
    if isinstance(image, np.ndarray):
        return image
    first = image[0].detach().float().cpu().clamp(-1, 1)
    if first.shape[0] == 1:
        first = first.expand(3, -1, -1)
    return ((first + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()


def save_image(image: np.ndarray, path: str | Path, aspect_ratio: float = 1.0) -> None:
    """Write an image file.

    Args:
        image: (H, W, 3), uint8.
        path: The file; its extension decides the format.
        aspect_ratio: Width over height by which a square result is stretched; never shrinks a side.
    """
    picture = Image.fromarray(image)
    width, height = picture.size
    if aspect_ratio > 1:
        picture = picture.resize((round(width * aspect_ratio), height), Image.Resampling.BICUBIC)
    elif aspect_ratio < 1:
        picture = picture.resize((width, round(height / aspect_ratio)), Image.Resampling.BICUBIC)
    picture.save(path)


def mkdirs(*folders: str | Path) -> None:
    """Make folders, and the folders above them, where they are missing."""
    for folder in folders:
        Path(folder).mkdir(parents=True, exist_ok=True)


def set_seed(seed: int) -> None:
    """Seed Python's, NumPy's and torch's generators, differently for each process of a distributed run."""
    seed += get_rank()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def get_rank() -> int:
    """Number of this process; 0 when it is the only one."""
    return dist.get_rank() if dist.is_initialized() else int(os.environ.get("RANK", "0"))


def init_ddp() -> torch.device:
    """Join the process group when torchrun started this process, and choose its device.

    Returns:
        This process's own GPU, or the CPU (where processes talk through gloo) on a machine without one.
    """
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if "LOCAL_RANK" in os.environ and not dist.is_initialized():
        dist.init_process_group(backend="nccl" if device.type == "cuda" else "gloo")
    return device


def cleanup_ddp() -> None:
    """Leave the process group, if there is one; all at once, since a rank that saves is later than the others."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def find_class(package: str, name: str, kind: str, base: type) -> type:
    """Import `<package>.<name>_<kind>` and return the class that its name promises.

    Args:
        package: "models" or "data".
        name: What the user chose, as `cycle_gan`.
        kind: "model" or "dataset".
        base: What the class has to be a subclass of.

    Returns:
        The last class of the module whose lower-cased name is `name` without underscores followed by `kind`.

    Raises:
        ValueError: There is no such module, or no such class in it.
    """
    module_name = f"{package}.{name}_{kind}"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        folder = Path(__file__).parent.parent / package
        known = sorted(path.stem.removesuffix(f"_{kind}") for path in folder.glob(f"*_{kind}.py"))
        known = [other for other in known if other != "base"]
        raise ValueError(f"there is no {kind} '{name}'; in {folder} there are: {', '.join(known)}") from error

    wanted = name.replace("_", "") + kind
    found = [
        value
        for key, value in vars(module).items()
        if key.lower() == wanted and isinstance(value, type) and issubclass(value, base)
    ]
    if not found:
        raise ValueError(f"{module_name} needs a subclass of {base.__name__} whose name in lower case is '{wanted}'")
    return found[-1]
