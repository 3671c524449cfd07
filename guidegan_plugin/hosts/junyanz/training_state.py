"""What the host forgets when it saves: optimizers, schedulers, image pools, random states and the epoch."""

from __future__ import annotations

import logging
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from guidegan_plugin.errors import StoreError
from guidegan_plugin.fast.fused_step import set_step_flags, step_flags
from guidegan_plugin.guidance.memory.digests import networks_digest
from guidegan_plugin.hosts.junyanz.checkpoints import other_checkpoint
from guidegan_plugin.hosts.junyanz.host_types import HostModel
from guidegan_plugin.hosts.junyanz.torch_file import load_tensors
from guidegan_plugin.hosts.junyanz.training_state_check import check_by_itself, check_for, known_of

_log = logging.getLogger(__name__)

ENDING = "_guide_state.pth"
"""What the file of a training's state has after its epoch."""


def capture(model: HostModel, epochs: int, step_is_due: bool = False) -> dict[str, Any]:
    """Everything a resumed run needs besides weights and maps; tensors, numbers, strings, lists and dicts only.

    Args:
        model: The host's model, in training.
        epochs: Epochs completed.
        step_is_due: Whether the host has yet to step its schedules for the last of them.
    """
    return {
        "epochs": epochs,
        "step_is_due": step_is_due,
        "optimizers": [optimizer.state_dict() for optimizer in model.optimizers],
        "schedulers": [_plain(scheduler.state_dict()) for scheduler in model.schedulers],
        "pools": {name: vars(pool) for name, pool in _pools(model).items()},
        "weights": _weights(model),
        **random_states(),
    }


def _weights(model: HostModel) -> dict[str, str]:
    """Fingerprints of the networks that are saved beside the state: a save without the option leaves an older one."""
    return {name: networks_digest({name: getattr(model, f"net{name}")}) for name in model.model_names}


def random_states() -> dict[str, Any]:
    """The states of all generators of random numbers, as :func:`capture` keeps them."""
    _, numpy_keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    version, python_keys, gauss = random.getstate()
    return {
        "python": [version, list(python_keys), gauss],
        "numpy": [torch.from_numpy(np.asarray(numpy_keys).astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def load(path: Path) -> dict[str, Any]:
    """Read what :func:`capture` returned.

    Raises:
        StoreError: If the file is missing, torn or not one of ours.
    """
    cure = "leave out --guide_full_state to go on without optimizers, pools and random states, or "
    cure += other_checkpoint(path)
    try:
        state = load_tensors(path, "no training state", cure)
    except FileNotFoundError as error:
        raise StoreError(f"no training state {path}; {cure}") from error
    try:
        return check_by_itself(state)
    except StoreError as error:
        raise StoreError(f"{path} is no training state, {error}; {cure}") from error


def restore(model: HostModel, state: dict[str, Any]) -> None:
    """Put a training back where it was, in all or, where that cannot be, in nothing.

    To be called last, because everything before may draw random numbers.

    Args:
        model: The host's model after its setup, built with ``epoch_count`` at the epoch that comes next.
        state: As :func:`capture` returned it.

    Raises:
        StoreError: If it was saved with other weights than the model has, or is of optimizers with other parameters, as
            before a network of the guidance was added.
    """
    saved_with = state.get("weights", {})  # an earlier version does not say it
    if others := [name for name, digest in _weights(model).items() if saved_with.get(name, digest) != digest]:
        raise StoreError(
            f"the training state was saved with other weights of {', '.join(others)} than those loaded (they were "
            "saved later, without --guide_full_state, or copied); leave out --guide_full_state, or change --epoch"
        )
    cure = "change --guide_* back, or leave out --guide_full_state"
    try:
        check_for(model, state, _pools(model))
    except StoreError as error:
        raise StoreError(f"the training state is of other networks or another training ({error}); {cure}") from error
    try:
        for optimizer, saved in zip(model.optimizers, state["optimizers"], strict=True):
            flags = step_flags(optimizer)
            optimizer.load_state_dict(saved)
            set_step_flags(optimizer, flags)
    except ValueError as error:
        raise StoreError(f"the training state is of other networks ({error}); {cure}") from error
    for scheduler, saved in zip(model.schedulers, state["schedulers"], strict=True):
        if not isinstance(scheduler, torch.optim.lr_scheduler.LambdaLR):
            scheduler.load_state_dict(known_of(scheduler, saved))
            if state.get("step_is_due"):
                _step(scheduler, model)
            continue
        # The linear schedule adds epoch_count to its own count: restored too, it would decay twice. Its rate is made
        # anew, because the options may say a longer training than the one that was saved.
        for group, base, factor in zip(
            scheduler.optimizer.param_groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True
        ):
            group["lr"] = base * factor(scheduler.last_epoch)
    for name, pool in _pools(model).items():
        _refill(pool, state["pools"].get(name, {"pool_size": 0}), name, model)
    restore_random_states(state)


def restore_random_states(state: dict[str, Any]) -> None:
    """Set all generators of random numbers as they were.

    Args:
        state: As :func:`capture` or :func:`random_states` returned it.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return  # one rank's random states would make all ranks draw alike
    version, python_keys, gauss = state["python"]
    random.setstate((version, tuple(python_keys), gauss))
    numpy_keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state(("MT19937", numpy_keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


def _step(scheduler: Any, model: HostModel) -> None:
    """Step a schedule as the host was about to when it saved."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch misses the optimizer's step, which was before the save
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step(getattr(model, "metric", 0))
        else:
            scheduler.step()


def _refill(pool: Any, saved: dict[str, Any], name: str, model: HostModel) -> None:
    """Give a pool back the images it held; how many it may hold is what the options say now."""
    size, before = getattr(pool, "pool_size", None), saved.get("pool_size")
    images = [image.to(model.device) for image in saved.get("images", ())]
    vars(pool).update({key: value for key, value in saved.items() if key != "pool_size"})
    pool.images = images if size is None else images[:size]
    if hasattr(pool, "num_imgs"):
        pool.num_imgs = len(pool.images)
    if size != before:
        _log.warning(
            "%s held up to %s images when the training was saved, and --pool_size is %s now: the option wins, and %d "
            "of %d images are kept; change --pool_size back to go on as before",
            name,
            before,
            size,
            len(pool.images),
            len(images),
        )


def _pools(model: HostModel) -> dict[str, Any]:
    """The model's image pools that hold images, by attribute; one of size 0 may have no list of them."""
    return {name: value for name, value in vars(model).items() if hasattr(value, "query") and hasattr(value, "images")}


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """A scheduler's state without the functions in it, which could not be loaded safely."""
    return {name: value for name, value in state.items() if name != "lr_lambdas"}
