"""Models. `--model NAME` is the class `NameModel` of `models/NAME_model.py`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from util.util import find_class, get_rank

from .base_model import BaseModel


def find_model_using_name(model_name: str) -> type[BaseModel]:
    """Return the model class that `--model` names."""
    return find_class("models", model_name, "model", BaseModel)


def get_option_setter(model_name: str) -> Callable[[argparse.ArgumentParser, bool], argparse.ArgumentParser]:
    """Return the function with which a model adds its options."""
    return find_model_using_name(model_name).modify_commandline_options


def create_model(opt: argparse.Namespace) -> BaseModel:
    """Make the model that the options name."""
    model = find_model_using_name(opt.model)(opt)
    if get_rank() == 0:
        print(f"model {type(model).__name__} on {model.device}", flush=True)
    return model
