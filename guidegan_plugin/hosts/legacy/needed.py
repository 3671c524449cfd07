"""Which stand-ins a codebase needs here: said by the doctor, at the start of a run, and after a run that failed."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from guidegan_plugin.errors import HostError
from guidegan_plugin.hosts.legacy.old_calls import Call, calls_of
from guidegan_plugin.hosts.legacy.stand_in import StandIn
from guidegan_plugin.hosts.legacy.stand_ins import STAND_INS, rows_for, stand_ins
from guidegan_plugin.hosts.legacy.without_gpu import WithoutGpu
from guidegan_plugin.plugins.check import Check

_log = logging.getLogger(__name__)

FLAG = "guidegan run --legacy SCRIPT"


@dataclass(frozen=True)
class Needed:
    """A stand-in that a codebase needs.

    Attributes:
        stand_in: Which.
        calls: The calls that fail without it.
    """

    stand_in: StandIn
    calls: tuple[Call, ...]


def needed(root: Path, cpu_option: str | None = None) -> list[Needed]:
    """The stand-ins without which calls of a codebase fail here, in the order of the table.

    Read are the Python files in the folder, and those of every folder in there that they import from; a file that is no
    Python is passed over. A call behind a question for a GPU, such as ``if cuda:``, is the host's own care.

    Args:
        root: The codebase's folder, or a script's.
        cpu_option: As in :func:`~guidegan_plugin.hosts.legacy.stand_ins.rows_for`.
    """
    calls = [call for call in _calls_in(root) if not call.guarded]
    return [need for need in _needed(calls, rows_for(cpu_option)) if need.stand_in.always]


@contextmanager
def run_with_stand_ins(root: Path, cpu_option: str | None = None) -> Iterator[None]:
    """A run with the stand-ins, which says at its start which of them the codebase needs.

    Args:
        root: The codebase's folder.
        cpu_option: As in :func:`needed`.
    """
    names = ", ".join(need.stand_in.name for need in needed(root, cpu_option))
    _log.info("--legacy: %s", f"stand-ins for {names}" if names else "nothing of this codebase needs a stand-in here")
    with stand_ins(cpu_option):
        yield


def check_old_calls(root: Path, cpu_option: str | None = None) -> list[Check]:
    """For the doctor: a failure for each import that fails without ``--legacy``, a warning for each other call.

    Args:
        root: The codebase's folder.
        cpu_option: As in :func:`needed`.
    """
    checks = []
    for need in needed(root, cpu_option):
        first = next((call for call in need.calls if call.imported), need.calls[0])
        where = first.path.relative_to(root)
        if first.imported:
            found = f"{where} imports {first.name}, which {need.stand_in.why}"
            checks.append(Check("host's imports", "failure", found, FLAG))
        else:
            found = f"{where} line {first.line} asks for {first.name}, which {need.stand_in.why}"
            checks.append(Check("host's calls", "warning", found, FLAG))
    return checks


def lacks_stand_in(error: BaseException, root: Path, cpu_option: str | None = None, legacy: bool = False) -> str | None:
    """What a script failed with, in one line, where a stand-in or the CPU would have helped; None otherwise.

    Args:
        error: What the script failed with.
        root: The codebase's folder.
        cpu_option: As in :func:`needed`.
        legacy: Whether the script ran with stand-ins.
    """
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(root) and "site-packages" not in path.parts:
            here = [call for call in _calls(path) if call.line <= line <= call.last]
            failed = [need for need in _needed(here, STAND_INS) if need.stand_in.explains(error)]
            cures = [_cure(need, cpu_option, legacy) for need in failed]
            if not any(cures):
                return None
            what = f"asks for {failed[0].calls[0].name}, which {failed[0].stand_in.why}"
            return f"{path.relative_to(root)} line {line} {what}; {cures[0]}"
    return None


def refused_checkpoint(error: BaseException) -> str | None:
    """The same for a checkpoint of more than tensors, which no flag of ours makes torch unpickle; None if it is none.

    Args:
        error: What the script failed with.
    """
    if type(error).__name__ != "UnpicklingError":  # torch's refusal
        return None
    return (
        "a checkpoint holds more than tensors, which can run code when it is loaded, so torch refuses it since 2.6, "
        "with --legacy, too; save the networks' state_dict() again where the checkpoint was made"
    )


def _cure(need: Needed, cpu_option: str | None, legacy: bool) -> str:
    if cpu_option is not None and isinstance(need.stand_in, WithoutGpu):
        return cpu_option and f"add {cpu_option} to ARGS"
    return "" if legacy else f"{FLAG} puts a stand-in there"


def _needed(calls: Iterable[Call], rows: Iterable[StandIn]) -> list[Needed]:
    named: dict[str, list[Call]] = {}
    for call in calls:
        named.setdefault(call.name, []).append(call)
    found = [(row, tuple(call for name in row.lacking() for call in named.get(name, ()))) for row in rows]
    return [Needed(row, those) for row, those in found if those]


def _calls_in(root: Path) -> list[Call]:
    """Of the files in a folder, and of those in its folders that they import from, directly or not."""
    files, folders = sorted(root.glob("*.py")), {path.name for path in root.iterdir() if path.is_dir()}
    calls: list[Call] = []
    while files:
        new = [call for path in files for call in _calls(path)]
        used = {call.name.partition(".")[0] for call in new} & folders
        folders -= used
        files = [path for folder in sorted(used) for path in sorted((root / folder).rglob("*.py"))]
        calls += new
    return calls


def _calls(path: Path) -> list[Call]:
    try:
        return calls_of(path)
    except HostError:  # a side file of another Python, or of none; the host's scripts are parsed where that matters
        return []
