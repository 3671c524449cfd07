"""Closed, full and poorly encoded outputs: one line or none, an exit code that is right, and no traceback."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guidegan_plugin.utils.streams import flush_streams, open_streams

COMMAND = f"{shlex.quote(sys.executable)} -m guidegan_plugin"
FULL = "guidegan: error: the output: No space left on device; free space there, or name another place\n"
MISSING = "guidegan: error: no folder"


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line in which G is the command."""
    line, environment = line.replace("G ", f"{COMMAND} ", 1), {**os.environ, **environment}
    return subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "code", "printed"),
    [
        ("G plugins >&-", 0, ""),
        ("G plugins <&- >&- 2>&-", 0, ""),
        ("G run nothing.py 2>&-", 1, ""),
        ("G doctor --nonsense 2>&-", 2, ""),
        ("G run nothing.py 2>/dev/full", 1, ""),
        ("G plugins >/dev/full", 1, FULL),
        ("G --version >/dev/full", 1, FULL),
        ("G plugins >/dev/full 2>/dev/full", 1, ""),
    ],
)
def test_an_output_that_takes_nothing_costs_at_most_one_line(
    tmp_path: Path, line: str, code: int, printed: str
) -> None:
    ended = shell(line, tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", printed)


@pytest.mark.slow
def test_what_is_written_to_a_closed_output_lands_in_no_file(tmp_path: Path) -> None:
    ended = shell("G data shapes new --size 32 --count 1 --workers 1 >&- 2>&-", tmp_path)
    assert ended.returncode == 0
    images = [path for path in (tmp_path / "new").rglob("*") if path.is_file() and path.suffix == ".png"]
    assert images and all(path.read_bytes().startswith(b"\x89PNG") for path in images)


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"TERM": "dumb", "COLUMNS": "10"},
        {"COLUMNS": "0"},
        {"COLUMNS": "wide"},
    ],
    ids=lambda environment: " ".join(f"{name}={value}" for name, value in environment.items()),
)
def test_a_poor_terminal_is_given_what_it_can_show(tmp_path: Path, environment: dict[str, str]) -> None:
    ended = shell("G presets", tmp_path, **environment)
    assert ended.returncode == 0 and ended.stderr == "" and len(ended.stdout.splitlines()) > 20
    ended = shell("G data check $'n\\xf6\\xff\\nwhere'", tmp_path, **environment)
    assert ended.returncode == 1 and ended.stdout == ""
    assert ended.stderr.startswith("guidegan: error: ") and ended.stderr.count("\n") == 1


@pytest.fixture
def streams() -> Iterator[None]:
    before = sys.stdin, sys.stdout, sys.stderr
    yield
    sys.stdin, sys.stdout, sys.stderr = before


@pytest.mark.usefixtures("streams")
def test_a_stream_that_was_closed_leads_nowhere_and_an_open_one_escapes_what_it_lacks() -> None:
    sys.stdout, sys.stderr = None, io.TextIOWrapper(io.BytesIO(), "ascii")  # type: ignore[assignment]
    open_streams()
    opened, sys.stdout = sys.stdout, io.StringIO()
    assert opened.fileno() == 1 and opened.writable()
    sys.stderr.write("\xe4")
    flush_streams()
    assert sys.stderr.buffer.getvalue() == b"\\xe4"  # type: ignore[attr-defined]


@pytest.mark.usefixtures("streams")
def test_what_waits_for_a_full_stream_is_given_up() -> None:
    with Path("/dev/full").open("w") as full:
        sys.stdout = full
        full.write("lost")
        flush_streams()
        assert os.path.samestat(os.fstat(full.fileno()), Path(os.devnull).stat())
