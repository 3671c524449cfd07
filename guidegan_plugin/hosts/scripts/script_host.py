"""A codebase whose scripts hold the networks, in variables or in an object: its host names them."""

from __future__ import annotations

import ast
import difflib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from guidegan_plugin.attaching.mechanism_options import config_from
from guidegan_plugin.attaching.pairs import Pair, parse_pairs
from guidegan_plugin.errors import ConfigError, HostError
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.hosts.guide_arguments import PAIRS, ForeignParserHost
from guidegan_plugin.hosts.missing_packages import check_packages, imported_from
from guidegan_plugin.hosts.script_end import is_good
from guidegan_plugin.hosts.scripts.observing import observing
from guidegan_plugin.hosts.scripts.saved_weights import Checkpoints
from guidegan_plugin.hosts.scripts.session import Session
from guidegan_plugin.plugins.check import Check
from guidegan_plugin.plugins.listeners import monitors_for
from guidegan_plugin.plugins.manager import create_manager
from guidegan_plugin.plugins.sample import INPUT, Run
from guidegan_plugin.utils.keys import place_of
from guidegan_plugin.utils.options import PREFIX
from guidegan_plugin.utils.python_files import parse_python

_log = logging.getLogger(__name__)


class ScriptHost(ForeignParserHost):
    """A codebase whose scripts are observed while they run: nothing of them needs to be called.

    The networks are guided as soon as the script has made them. A batch is bound when the generator is called with
    images that a loader yielded, in training mode and with gradient; every other call is a test. Keys are the files
    that the data set opened, unless a pair names a field of the batch. The memory is written beside the checkpoint when
    the script saves the generator, and read when the script loads the generator.

    Attributes:
        pairs: What to guide. Networks are named as the script's variables, or attributes of them; ``source`` is the
            field of a loaded batch, "" for any images that are loaded.
        holds: What makes a folder one of the family: files, each with classes or variables defined there.
        defaults: Of ``--guide_*``, where the codebase needs other ones, by the options' names.
        modes: What of the codebase can be guided, in words for the doctor.
    """

    pairs: ClassVar[tuple[Pair, ...]] = ()
    holds: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    defaults: ClassVar[Mapping[str, object]] = {}
    modes: str = ""

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if cls.holds and "looks_for" not in vars(cls):
            cls.looks_for = " and ".join(f"{', '.join(names)} in {file}" for file, names in cls.holds.items())

    @classmethod
    def recognise(cls, root: Path) -> ScriptHost | None:
        """An adapter if the folder's files define what the family's do.

        Raises:
            HostError: If such a file is not Python.
        """
        held = all(set(names) <= defined(root / file) for file, names in cls.holds.items())
        return cls(root) if cls.holds and held else None

    def script_arguments(self, arguments: Sequence[str]) -> list[str]:
        """As the base; what is misspelt is answered with what is near."""
        own = super().script_arguments(arguments)
        _misspelt(own, self._options)
        return own

    def checks(self) -> Sequence[Check]:
        """What of the codebase can be guided, packages it lacks, and its calls that modern packages have dropped."""
        from guidegan_plugin.hosts.legacy.needed import check_old_calls  # lazily, because it imports torch
        from guidegan_plugin.hosts.legacy.stand_ins import STAND_INS

        files = imported_from(self.root, self.scripts)
        packages = check_packages(self.root, files, apart=[row.name for row in STAND_INS])
        guided = [Check("guided", "ok", self.modes)] if self.modes else []
        return [*guided, *packages, *check_old_calls(self.root, self.cpu_option)]

    @contextmanager
    def guided(self) -> Iterator[None]:
        """While it lasts, a script that runs is guided."""
        manager = create_manager()
        config = config_from(manager, self._options)
        if config.anneal_span is not None:
            raise ConfigError("--guide_anneal needs to know how long the training is, and scripts do not tell; drop it")
        monitors = {} if self._dry else monitors_for(manager, self._options, self._run)
        session = Session(self.pairs_to_guide(), config, monitors.values(), self._dry)
        checkpoints = Checkpoints(session.guides, config)
        session.before_bind += [checkpoints.before_bind] if self._dry else [_say_begun, checkpoints.before_bind]
        with observing(session, checkpoints, writes=not self._dry), self.watched(session):
            try:
                yield
                session.finish()
            except SystemExit as ended:
                if is_good(ended, self.good_ends):
                    session.finish()
                raise
            finally:
                _say_over(() if self._dry else session.guides.values())
                session.detach()

    @classmethod
    def read_run(cls, run: Path) -> Run:
        """What a training remembers; images where their files lie as seen from here."""
        from guidegan_plugin.plugins.stored_run import read_stores  # lazily, because it imports torch

        found = read_stores(run, cls.file_of)
        if found.samples and not any(INPUT in sample.pictures for sample in found.samples):
            _log.warning(
                "no image that the memory names is found below %s, such as %s, so maps are shown alone; run this where "
                "the training was started (links that lead out of there are not followed)",
                Path.cwd(),
                found.samples[0].name,
            )
        return found

    @classmethod
    def file_of(cls, key: str) -> Path | None:
        """Where the file of a key lies, as seen from here; None where it does not."""
        return place_of(Path(), key)

    @contextmanager
    def watched(self, session: Session) -> Iterator[None]:
        """While it lasts, the family's own code is watched where loaders and networks do not tell enough."""
        yield

    def default_options(self, arguments: Sequence[str]) -> Mapping[str, object]:
        """``defaults`` of the class."""
        return self.defaults

    def pairs_to_guide(self) -> tuple[Pair, ...]:
        """Those of ``--guide_pairs``, else the family's."""
        text = self._options.get(PAIRS)
        return parse_pairs(str(text), keyless=True) if text else self.pairs


def _say_begun(guide: Guide) -> None:
    """A pair's first batch comes."""
    if guide.binding.current(guide.name) is None:
        words = guide.pair
        _log.info("pair %s: %s guides %s", guide.name, words["discriminator"], words["generator"])


def _say_over(guides: Iterable[Guide]) -> None:
    """A script is over: what came of it."""
    for guide in guides:
        visit, facts = guide.binding.current(guide.name), guide.statistics()
        if visit is not None:
            judged = facts["judged"] + visit.judged
            _log.info("pair %s: %d batches bound, %d judged", guide.name, facts["bound"] + 1, judged)


def _misspelt(words: Sequence[str], known: Iterable[str]) -> None:
    """Say what is near to options that nobody here knows; the script refuses them itself."""
    names = [f"--{name}" for name in known]
    for word in (word.partition("=")[0] for word in words):
        if word.startswith(f"--{PREFIX}"):
            near = ", ".join(difflib.get_close_matches(word, names, 2)) or "none"
            _log.warning("%s is no option of the guidance of scripts; nearest: %s", word, near)
        elif word == "--dry-run":
            _log.warning("--dry-run stands before the script: guidegan run --dry-run SCRIPT ARGS")


class AnyScript(ScriptHost):
    """A script of no known family: the user names its networks."""

    name: ClassVar[str] = "script"
    looks_for: ClassVar[str] = "--guide_pairs with the names of the script's networks"

    def pairs_to_guide(self) -> tuple[Pair, ...]:
        """Those of ``--guide_pairs``.

        Raises:
            HostError: If there are none.
        """
        found = super().pairs_to_guide()
        if not found:
            raise HostError(f"{self.root} is no codebase we know; name the script's networks, {EXAMPLE}")
        return found


EXAMPLE = "such as --guide_pairs G_AB:D_B:A for generator, discriminator and field of the batch"


def defined(path: Path) -> set[str]:
    """Classes, functions and variables that a file defines at its top level; none where there is no file."""
    body = parse_python(path).body if path.is_file() else []
    found = {node.name for node in body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return found | {target.id for target in targets if isinstance(target, ast.Name)}
