"""What a training of predictors that was cut off goes on from: one file, written after each pass."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.guidance.memory.sealed_file import read_sealed, write_sealed
from guidegan_plugin.guidance.test_time.predictor_file import predictor_path
from guidegan_plugin.utils.files import os_errors_as
from guidegan_plugin.utils.reading import unreadable

_log = logging.getLogger(__name__)

_ENDING = "_unfinished.safetensors"
States = dict[str, dict[str, Tensor]]


class Unfinished:
    """The file of one store.

    Args:
        store: The store.
        made_of: What the predictors are made of: a file of something else is not gone on with.
    """

    def __init__(self, store: Path, made_of: Mapping[str, object]) -> None:
        whole = predictor_path(store)
        self._path = whole.with_name(whole.stem + _ENDING)
        self._made_of = json.dumps(made_of, sort_keys=True)

    def read(self) -> States:
        """The states of pairs by their names; none where there is no file, or one that does not fit."""
        try:
            tensors, facts = read_sealed(self._path, "no training of predictors")
        except FileNotFoundError:
            return {}
        except OSError as error:
            _log.warning("%s; predictors are made from the start", unreadable(self._path, error))
            return {}
        except StoreError:
            facts = {}
        if facts.get("made_of") != self._made_of:
            _log.warning("%s is torn or of another training, so predictors are made from the start", self._path)
            return {}
        states: States = {}
        for name, tensor in tensors.items():
            pair, _, rest = name.partition("/")
            states.setdefault(pair, {})[rest] = tensor.clone()
        return states

    def write(self, states: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Keep the states of pairs.

        Raises:
            ConfigError: If the file cannot be written.
        """
        tensors = {
            f"{pair}/{name}": tensor.detach().cpu().contiguous()
            for pair, state in states.items()
            for name, tensor in state.items()
        }
        with os_errors_as(ConfigError, f"cannot write {self._path}"):
            write_sealed(self._path, tensors, {"made_of": self._made_of})

    def remove(self) -> None:
        """It is finished."""
        self._path.unlink(missing_ok=True)
