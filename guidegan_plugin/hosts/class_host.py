"""A codebase in which one class trains: its host is declared, not programmed."""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from guidegan_plugin.attaching.decorator import guided
from guidegan_plugin.attaching.guides_file import NETWORKS_ENDING, Saved, save_guides, save_networks
from guidegan_plugin.attaching.mechanism_options import config_from, full_config
from guidegan_plugin.attaching.pairs import Pair
from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import HostError, StoreError
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.memory.store_file import STORE_ENDING
from guidegan_plugin.hosts.after_import import after_import
from guidegan_plugin.hosts.class_dry_run import describe
from guidegan_plugin.hosts.class_memory import ResumedMemory
from guidegan_plugin.hosts.failed_saves import FailedSaves
from guidegan_plugin.hosts.guide_arguments import ForeignParserHost
from guidegan_plugin.hosts.real_step import PATIENCE, is_judged, not_guided
from guidegan_plugin.hosts.script_end import when_over
from guidegan_plugin.plugins.check import Check
from guidegan_plugin.plugins.host import DryRunFinished
from guidegan_plugin.plugins.listeners import monitors_for
from guidegan_plugin.plugins.manager import create_manager
from guidegan_plugin.utils.distributed import is_first_rank
from guidegan_plugin.utils.files import os_errors_as
from guidegan_plugin.utils.locks import FolderLock
from guidegan_plugin.utils.python_files import methods_in, parse_python

_Method = Callable[..., Any]


class ClassHost(ForeignParserHost):
    """A codebase in which one class holds the networks and has a method that takes a batch.

    The class is guided as by :func:`~guidegan_plugin.attaching.decorator.guided` when a script imports it. Options
    ``--guide_*`` are taken out of the script's arguments, so the script need not know them.

    Attributes:
        trainer: The class, ``module:Class`` as the scripts import it.
        takes_batch: Its method that is called once a step, with the batch.
        pairs: What to guide, and where it is found on an instance or in the batch.
        attaches_before: Its methods by which networks must be guided, because they load weights or translate.
        ends_epoch: Its method that is called at an epoch's end. The memory is written after it, beside the checkpoints,
            as ``<epoch>_guide.safetensors``, and the guidance's own networks (T, M) as
            ``<epoch>_guide_networks.safetensors``: a number among its arguments is the epoch's, else its calls are
            counted. "" where there is none, and nothing is written.
        loads: Its method by which a training goes on from a checkpoint; networks are guided before it. The memory of
            the epoch that its arguments, its result or a file's name tell is taken up at the next batch. "" for none.
    """

    trainer: ClassVar[str]
    takes_batch: ClassVar[str]
    pairs: ClassVar[tuple[Pair, ...]]
    attaches_before: ClassVar[tuple[str, ...]] = ()
    ends_epoch: ClassVar[str] = ""
    loads: ClassVar[str] = ""

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if "trainer" in vars(cls) and "looks_for" not in vars(cls):
            module, _, name = cls.trainer.partition(":")
            cls.looks_for = f"a class {name} in {_file(module)}"

    @classmethod
    def recognise(cls, root: Path) -> ClassHost | None:
        """An adapter if the folder's file of the module has the class.

        Raises:
            HostError: If that file is not Python, or the subclass lacks a declaration.
        """
        if not hasattr(cls, "trainer"):
            raise HostError(f"the host {cls.name} declares no trainer; add it to {cls.__name__}")
        module, _, name = cls.trainer.partition(":")
        path = root / _file(module)
        body = parse_python(path).body if path.is_file() else []
        if not any(isinstance(node, ast.ClassDef) and node.name == name for node in body):
            return None
        missing = [declaration for declaration in ("takes_batch", "pairs") if not hasattr(cls, declaration)]
        if missing:
            raise HostError(f"the host {cls.name} declares no {' and no '.join(missing)}; add it to {cls.__name__}")
        return cls(root)

    def guided(self) -> AbstractContextManager[None]:
        """While it lasts, whoever imports the class gets it guided."""
        module, _, name = self.trainer.partition(":")
        return after_import(module, lambda imported: self._guide(imported, name))

    def _guide(self, module: ModuleType, name: str) -> None:
        """Mix guidance into the class; from here on its instances are guided."""
        trainer, config = getattr(module, name), config_from(create_manager(), self._options)
        self._check_methods(trainer)
        monitors = {} if self._dry else monitors_for(create_manager(), self._options, self._run)
        guided(*self.pairs, config=config, bind_in=self.takes_batch, plugins=monitors.values())(trainer)
        resumed = ResumedMemory(self._run, config)
        if not self._dry:
            for method in {*self.attaches_before, *filter(None, [self.loads])}:
                _replace(trainer, method, resumed.taken_after)
        if self.loads:
            _replace(trainer, self.loads, resumed.noted_after)
            _replace(trainer, self.takes_batch, resumed.read_before)
        for method in self.attaches_before:
            _replace(trainer, method, functools.partial(_attached_before, host=self if self._dry else None))
        if self._dry:
            _replace(trainer, self.takes_batch, functools.partial(_described_after, host=self))
        if self.ends_epoch and self._dry:
            _replace(trainer, self.ends_epoch, functools.partial(_described_before, host=self))
        elif self.ends_epoch:
            _replace(
                trainer,
                self.ends_epoch,
                functools.partial(_remembered_after, host=self, config=config, resumed=resumed),
            )
            _replace(trainer, self.takes_batch, functools.partial(_alone, host=self, config=config))

    def _check_methods(self, trainer: type) -> None:
        for name, declaration in self._named_methods():
            if not callable(getattr(trainer, name, None)):
                own = ", ".join(key for key, value in vars(trainer).items() if callable(value) and key[0] != "_")
                raise HostError(
                    f"{trainer.__name__} has no method {name!r} (it has {own}); change {declaration} of the host "
                    f"{self.name}"
                )

    def _named_methods(self) -> list[tuple[str, str]]:
        """The methods of the class that are declared, and by which declaration."""
        before = [(name, "attaches_before") for name in self.attaches_before]
        named = [(self.takes_batch, "takes_batch"), *before, (self.ends_epoch, "ends_epoch"), (self.loads, "loads")]
        return [(name, declaration) for name, declaration in named if name]

    def check_declarations(self) -> Sequence[Check]:
        """Whether the class has the methods that are declared, as far as its file tells; nothing is imported."""
        module, _, name = self.trainer.partition(":")
        methods = methods_in(parse_python(self.root / _file(module)), name)
        if methods is None:  # a base class of another file may have them
            return []
        wrong = [(method, declaration) for method, declaration in self._named_methods() if method not in methods]
        own = ", ".join(sorted(method for method in methods if method[0] != "_"))
        if not wrong:
            return [Check("class", "ok", f"{name} has the methods that are declared")]
        return [
            Check(
                "class", "failure", f"{name} has no method {method!r} (it has {own})", f"change {which} of {self.name}"
            )
            for method, which in wrong
        ]

    @property
    def _elsewhere(self) -> str:
        """What the user can type to write into another folder."""
        return f"change {self.checkpoints_option or 'the folder that the script writes into'}"

    def _described(self, guides: Mapping[str, Guide], trained: bool) -> DryRunFinished:
        causes = [not_guided(guide) for guide in guides.values() if trained and guide.attention is not None]
        facts = [("model", self.trainer), *describe(self.pairs, guides, trained)]
        return DryRunFinished(facts, next(filter(None, causes), ""))


def _file(module: str) -> str:
    return f"{module.replace('.', '/')}.py"


def _replace(owner: type, name: str, wrapper: Callable[[_Method], _Method]) -> None:
    method = getattr(owner, name)
    setattr(owner, name, functools.wraps(method)(wrapper(method)))


def _attached_before(method: _Method, host: ClassHost | None) -> _Method:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        guides = self.guides  # attaches
        if host is not None:
            raise host._described(guides, trained=False)
        return method(self, *args, **kwargs)

    return call


def _described_after(method: _Method, host: ClassHost) -> _Method:
    """The method, and the end of the dry run once a step was guided, or several were not.

    A method that only takes the batch has nothing to show yet: the step is over when the method is called again.
    """
    steps = itertools.count()

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if next(steps) == PATIENCE:
            raise host._described(self.guides, trained=True)
        result = method(self, *args, **kwargs)
        if all(guide.attention is None or is_judged(guide) for guide in self.guides.values()):
            raise host._described(self.guides, trained=True)
        return result

    return call


def _described_before(method: _Method, host: ClassHost) -> _Method:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise host._described(self.guides, trained=True)

    return call


def _alone(method: _Method, host: ClassHost, config: GuideConfig) -> _Method:
    """The method, and once it is seen to train, no second process trains into the folder."""
    open_to_others = config.attention != "none" and is_first_rank()

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal open_to_others
        result = method(self, *args, **kwargs)
        if open_to_others and any(is_judged(guide) for guide in self.guides.values()):
            open_to_others = False
            lock = FolderLock(host._run, f"{host._elsewhere}, or wait until it is over")
            when_over(lock.release)
        return result

    return call


def _remembered_after(method: _Method, host: ClassHost, config: GuideConfig, resumed: ResumedMemory) -> _Method:
    count, failed, run = itertools.count(1), FailedSaves(), host._run
    saved: Saved | None = None

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal saved
        result, counted = method(self, *args, **kwargs), next(count)
        epoch = next((value for value in (*args, *kwargs.values()) if type(value) is int), resumed.epoch + counted)
        for guide in self.guides.values():
            guide.end_epoch()
        if config.attention != "none" and is_first_rank():
            store, elsewhere = run / f"{epoch}{STORE_ENDING}", host._elsewhere
            try:
                with os_errors_as(StoreError, f"{run} cannot be written to", elsewhere):
                    run.mkdir(parents=True, exist_ok=True)
                options = full_config(create_manager(), config)
                with os_errors_as(StoreError, f"{run} cannot be written to", elsewhere):
                    save_networks(run / f"{epoch}{NETWORKS_ENDING}", self.guides)
                saved = save_guides(store, self.guides, options, elsewhere.removeprefix("change "), saved)
                failed.made_good(store.name)
            except StoreError as error:
                failed.add(store.name, error)
        return result

    return call
