"""Observes a running script at the doors of PyTorch: loaders, calls of networks, weights, optimizers, saving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import DataLoader

from guidegan_plugin.datasets.opened_files import iterate
from guidegan_plugin.hosts.scripts.saved_weights import Checkpoints
from guidegan_plugin.hosts.scripts.session import Session
from guidegan_plugin.utils.replaced import replaced


class _Batches:
    """A loader's iterator, as a script sees it."""

    def __init__(self, own: Iterator[Any], loader: object, session: Session) -> None:
        self._own, self._loader, self._session = own, loader, session

    def __iter__(self) -> _Batches:
        return self

    def __next__(self) -> Any:
        try:
            batch = next(self._own)
        except StopIteration:
            with self._session.lasting():
                self._session.ends(self._loader)
            raise
        with self._session.lasting():
            return self._session.yields(self._loader, batch)

    def __len__(self) -> int:
        return len(self._own)  # type: ignore[arg-type]  # a loader's iterator has one

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._own, name)
        return self.__next__ if name == "next" else found  # Python 2's, where somebody put that back


@contextmanager
def observing(session: Session, checkpoints: Checkpoints, writes: bool = True) -> Iterator[None]:
    """While it lasts, a session is told what the script does.

    Args:
        session: The run's guidance.
        checkpoints: Told what the script saves and loads.
        writes: Whether what the script saves is to be known.
    """
    with ExitStack() as stack:

        def iterating(own: Callable[..., Any]) -> Callable[..., Any]:
            def __iter__(loader: DataLoader[Any]) -> _Batches:
                with session.lasting():
                    session.ends(loader)
                return _Batches(iterate(loader, own), loader, session)

            return __iter__

        def loading(own: Callable[..., Any]) -> Callable[..., Any]:
            def load_state_dict(network: nn.Module, state: Any, *args: Any, **kwargs: Any) -> Any:
                with session.lasting():
                    session.calls(network)
                    checkpoints.offered(network, state)
                try:
                    result = own(network, state, *args, **kwargs)
                except Exception as error:
                    with session.lasting():
                        checkpoints.refused(network, state, error)
                    raise
                with session.lasting():
                    checkpoints.given(network, state)
                return result

            return load_state_dict

        def restoring(own: Callable[..., Any]) -> Callable[..., Any]:
            def load_state_dict(optimizer: Optimizer, state: Any) -> Any:
                with session.lasting():
                    session.restores(optimizer)
                try:
                    return own(optimizer, state)
                except ValueError as error:
                    with session.lasting():
                        checkpoints.refused_state(optimizer, state, error)
                    raise

            return load_state_dict

        def scattering(own: Callable[..., Any]) -> Callable[..., Any]:
            def scatter(wrapper: nn.DataParallel[nn.Module], inputs: Any, kwargs: Any, devices: Any) -> Any:
                parts = own(wrapper, inputs, kwargs, devices)
                with session.lasting():
                    session.scattered(wrapper, (inputs, kwargs), parts)
                return parts

            return scatter

        stack.enter_context(replaced(DataLoader, "__iter__", iterating))
        stack.enter_context(replaced(nn.DataParallel, "scatter", scattering))
        stack.enter_context(replaced(nn.Module, "load_state_dict", loading))
        stack.enter_context(replaced(Optimizer, "load_state_dict", restoring))

        def called(network: nn.Module, _: object) -> None:
            if session.guides:
                handle.remove()
            else:
                with session.lasting():
                    session.calls(network)

        handle = register_module_forward_pre_hook(called)
        stack.callback(handle.remove)

        def stepping(optimizer: Optimizer, *_: object) -> None:
            with session.lasting():
                session.steps(optimizer)

        stack.callback(register_optimizer_step_pre_hook(stepping).remove)
        stack.enter_context(replaced(torch, "load", checkpoints.reading))
        if writes:
            stack.enter_context(replaced(torch, "save", checkpoints.saving))
        yield
