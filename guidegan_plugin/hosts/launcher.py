"""The launcher: runs a host's own script with guided models and data sets within its reach."""

from __future__ import annotations

import contextlib
import io
import runpy
import shlex
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from guidegan_plugin.errors import GuideError, HostError
from guidegan_plugin.hosts.guide_arguments import PAIRS, argument
from guidegan_plugin.hosts.scratch import nothing_saved
from guidegan_plugin.hosts.script_end import whole_script
from guidegan_plugin.hosts.scripts.script_host import EXAMPLE, AnyScript
from guidegan_plugin.plugins.find_host import find_host, what_is_missing
from guidegan_plugin.plugins.host import DryRunFinished, Fact, Host, NotGuided
from guidegan_plugin.plugins.manager import create_manager


def run(script: Path, arguments: Sequence[str] = (), legacy: bool = False) -> None:
    """Run a script as ``python SCRIPT ARGS...`` would, in this process.

    Args:
        script: A host's own script.
        arguments: Its arguments.
        legacy: Whether calls that modern packages have dropped get stand-ins for the run.

    Raises:
        HostError: If the script does not exist or lies in no codebase we know.
        SystemExit: Whatever the script exits with.
    """
    script, host = _found(script, arguments)
    with _stand_ins(host, legacy):
        arguments = host.script_arguments(arguments)
        with host.guided():
            _execute(script, arguments, host)


def dry_run(script: Path, arguments: Sequence[str] = (), legacy: bool = False) -> list[Fact]:
    """Train one step on real data, or set up a model to be tested, keeping to ourselves what is printed and written.

    Random numbers of this process are as before.

    Args:
        script: A host's own script.
        arguments: Its arguments.
        legacy: As in :func:`run`.

    Returns:
        The host, what is attached where, and what was seen of each pair.

    Raises:
        NotGuided: If a pair is not guided; the error holds the facts, too.
        HostError: If the script does not exist, lies in no codebase we know, fails, or sets up no guided model.
        SystemExit: If the script ends before that, for its arguments, say.
    """
    from guidegan_plugin.utils.random_states import random_state, rewound  # lazily, because it imports torch

    script, host = _found(script, given := arguments)
    kept = rewound(random_state())
    silent = contextlib.redirect_stdout(io.StringIO())
    with tempfile.TemporaryDirectory() as scratch, silent, kept, _stand_ins(host, legacy), nothing_saved():
        arguments = host.dry_run_arguments(arguments, Path(scratch))
        try:
            with host.guided():
                _execute(script, arguments, host)
        except DryRunFinished as finished:
            facts = [("host", host.description), *finished.facts]
            if finished.not_guided:
                raise NotGuided(finished.not_guided, facts) from None
            return facts
        except GuideError as error:
            error.args = (str(error).replace(scratch, _checkpoints(host, given)),)
            raise
        except Exception as error:  # the host's own, and of any kind
            reason = cure(script, given, error, legacy) or _failure(script, error)
            raise HostError(reason.replace(scratch, _checkpoints(host, given))) from error
    scripts = " or ".join(host.scripts)
    raise HostError(f"{script} ended without setting up a guided model; change SCRIPT to the host's {scripts}")


def _checkpoints(host: Host, arguments: Sequence[str]) -> str:
    """The folder for which scratch stands in a dry run, as the user knows it."""
    return argument(host.checkpoints_option, arguments, host.checkpoints) or "."


def cure(script: Path, arguments: Sequence[str], error: Exception, legacy: bool = False) -> str | None:
    """What a script failed with, in one line, if ``--legacy`` has to do with it; None otherwise.

    Args:
        script: The script.
        arguments: Its arguments.
        error: What it failed with.
        legacy: Whether it ran with stand-ins.
    """
    from guidegan_plugin.hosts.legacy import needed  # lazily, because it imports torch

    _, host = _found(script, arguments)
    said = needed.refused_checkpoint(error) or needed.lacks_stand_in(error, host.root, host.cpu_option, legacy)
    return None if said is None else f"{script.name} fails: {said}"


def _stand_ins(host: Host, legacy: bool) -> contextlib.AbstractContextManager[None]:
    if not legacy:
        return contextlib.nullcontext()
    from guidegan_plugin.hosts.legacy.needed import run_with_stand_ins  # lazily, because it imports torch

    return run_with_stand_ins(host.root, host.cpu_option)


def _failure(script: Path, error: Exception) -> str:
    """What a script failed with, and a cure that fits: nobody can type their way out of a missing package."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, ImportError):
        doctor = f"guidegan doctor {shlex.quote(str(script.parent))}"
        return f"{script.name} imports what is not there ({reason}); {doctor} says what helps"
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    if frames[-1].startswith("guidegan_plugin."):
        return (
            f"guidegan_plugin fails in {script.name} ({reason}); please report that, with the traceback of a real run"
        )
    return f"{script.name} itself fails with these arguments ({reason}); change ARGS; guidegan --debug run shows where"


def _found(script: Path, arguments: Sequence[str]) -> tuple[Path, Host]:
    if str(script).startswith("-"):
        raise HostError(f"expected SCRIPT first, found {script}; options of the training stand behind SCRIPT")
    script = script.resolve()
    if not script.is_file():
        raise HostError(f"script {script} does not exist; change SCRIPT")
    manager = create_manager()
    host = find_host(script.parent, manager)
    if host is None and any(word.partition("=")[0] == f"--{PAIRS}" for word in arguments):
        host = AnyScript(script.parent)
    if host is None:
        raise HostError(
            f"{script.parent} {what_is_missing(manager)}; name a script in such a folder (SCRIPT), or the networks of "
            f"a script of your own, {EXAMPLE}"
        )
    return script, host


def _execute(script: Path, arguments: Sequence[str], host: Host) -> None:
    with _as_main(script, arguments), whole_script(host.good_ends):
        runpy.run_path(str(script), run_name="__main__")


@contextlib.contextmanager
def _as_main(script: Path, arguments: Sequence[str]) -> Iterator[None]:
    """``sys.argv`` and ``sys.path[0]`` as the interpreter sets them for a script."""
    argv, path = sys.argv, list(sys.path)
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.parent))
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, path
