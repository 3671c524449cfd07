"""Looks at all of a saved training state before any of it is taken."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from guidegan_plugin.errors import StoreError
from guidegan_plugin.hosts.junyanz.host_types import HostModel
from guidegan_plugin.utils.text import short

_NUMBERS = (bool, int, float)


def check_by_itself(state: object) -> dict[str, Any]:
    """Refuse what cannot be a training state, whatever the model.

    Returns:
        The same.

    Raises:
        StoreError: If a part is missing, of another type, or a random state is none.
    """
    wanted: dict[str, type] = {"epochs": int, "optimizers": list, "schedulers": list, "pools": dict}
    wanted |= {"python": list, "numpy": list, "torch": Tensor, "cuda": list}
    if not isinstance(state, dict) or not set(wanted) <= set(state):
        missing = set(wanted) - set(state if isinstance(state, dict) else ())
        raise StoreError(f"it lacks {', '.join(sorted(missing))}")
    for name, kind in wanted.items():
        if not isinstance(state[name], kind):
            raise StoreError(f"its {name} are {short(state[name])}")
    if not isinstance(state.get("weights", {}), dict):
        raise StoreError(f"its weights are {short(state['weights'])}")
    if not 0 <= state["epochs"] < 10**9 or not isinstance(state.get("step_is_due", False), bool):
        raise StoreError(f"its epochs are {short(state['epochs'])}")
    try:
        _try_random_states(state)
    except Exception as error:  # three generators, and what each makes of another's state
        raise StoreError(f"its random states are none ({short(str(error))})") from error
    return state


def check_for(model: HostModel, state: Mapping[str, Any], pools: Mapping[str, Any]) -> None:
    """Refuse what does not fit a model.

    Args:
        model: The host's model, set up.
        state: As :func:`check_by_itself` let it pass.
        pools: The model's image pools.

    Raises:
        StoreError: If it does not.
    """
    for kind, own in (("optimizers", model.optimizers), ("schedulers", model.schedulers)):
        if len(state[kind]) != len(own):
            raise StoreError(f"it has {len(state[kind])} {kind}, the training {len(own)}")
    for optimizer, saved in zip(model.optimizers, state["optimizers"], strict=True):
        _check_optimizer(optimizer, saved)
    for scheduler, saved in zip(model.schedulers, state["schedulers"], strict=True):
        _check_values(scheduler.state_dict(), known_of(scheduler, saved), "a schedule")
    for name, pool in pools.items():
        _check_pool(name, pool, state["pools"].get(name, {}))


def known_of(scheduler: Any, saved: object) -> dict[str, Any]:
    """What a schedule knows of a saved state: other versions of torch have other entries, and a file may have any.

    Raises:
        StoreError: If it is no state of a schedule.
    """
    if not isinstance(saved, dict):
        raise StoreError(f"a schedule's state is {short(saved)}")
    return {name: value for name, value in saved.items() if name in scheduler.state_dict()}


def _check_pool(name: str, pool: object, saved: object) -> None:
    images = saved.get("images", []) if isinstance(saved, dict) else None
    if not isinstance(images, list) or not all(isinstance(image, Tensor) for image in images):
        raise StoreError(f"what it has of {name} are no images")
    own = {"pool_size": 0, "num_imgs": 0, **vars(pool)}
    others = {key: value for key, value in saved.items() if key != "images"} if isinstance(saved, dict) else {}
    unknown = [key for key in others if key not in own]
    if unknown:
        raise StoreError(f"{name} has no {short(unknown[0])}")
    _check_values(own, others, f"a pool {name}")


def _check_optimizer(optimizer: Optimizer, saved: object) -> None:
    own = optimizer.state_dict()
    if not isinstance(saved, dict) or not isinstance(saved.get("state"), dict):
        raise StoreError(f"an optimizer's state is {short(saved)}")
    groups = saved.get("param_groups")
    sizes = [len(group["params"]) for group in own["param_groups"]]
    if not isinstance(groups, list) or [_size(group) for group in groups] != sizes:
        raise StoreError("it is of optimizers with other parameters")
    for group, before in zip(groups, own["param_groups"], strict=True):
        if group["params"] != before["params"]:
            raise StoreError("it is of optimizers with other parameters")
        _check_values(before, {name: value for name, value in group.items() if name in before}, "a group of parameters")
    shapes = [parameter.shape for group in optimizer.param_groups for parameter in group["params"]]
    for place, kept in saved["state"].items():
        known = type(place) is int and 0 <= place < len(shapes) and isinstance(kept, dict)
        if not known or not all(_fits(value, shapes[place]) for value in kept.values()):
            raise StoreError(f"what it has of parameter {short(place)} is of another shape")


def _size(group: object) -> int:
    params = group.get("params") if isinstance(group, dict) else None
    return len(params) if isinstance(params, list) else -1


def _fits(value: object, shape: torch.Size) -> bool:
    return value.dim() == 0 or value.shape == shape if isinstance(value, Tensor) else isinstance(value, _NUMBERS)


def _check_values(own: Mapping[str, object], saved: Mapping[str, object], what: str) -> None:
    """Refuse values of other types than those they take the place of."""
    for name, value in saved.items():
        if not _same_kind(own[name], value):
            raise StoreError(f"{what} has {short(name)} {short(value)}")


def _same_kind(own: object, value: object) -> bool:
    if own is None or value is None:
        return value is None or isinstance(value, (*_NUMBERS, str))
    if isinstance(own, (*_NUMBERS, Tensor)):
        return isinstance(value, _NUMBERS) or (isinstance(value, Tensor) and value.dim() == 0)
    if isinstance(own, (list, tuple)):
        if not isinstance(value, (list, tuple)) or (isinstance(own, tuple) and len(own) != len(value)):
            return False
        sample = own[0] if own else None
        return sample is None or all(_same_kind(sample, one) for one in value)
    if isinstance(own, dict):
        return isinstance(value, dict)
    return type(value) is type(own)


def _try_random_states(state: Mapping[str, Any]) -> None:
    """Set generators of our own, which refuse what is no state of theirs."""
    version, python_keys, gauss = state["python"]
    random.Random(0).setstate((version, tuple(python_keys), gauss))
    numpy_keys, position, has_gauss, cached = state["numpy"]
    if type(position) is not int or not 0 <= position <= 624:  # NumPy itself would read beyond its state
        raise ValueError(f"position {position}")
    keys = numpy_keys.numpy().astype(np.uint32)
    np.random.RandomState(0).set_state(("MT19937", keys, position, int(has_gauss), float(cached)))
    torch.Generator().set_state(state["torch"])
    if not all(isinstance(one, Tensor) and one.dtype is torch.uint8 and one.dim() == 1 for one in state["cuda"]):
        raise ValueError("cuda")
