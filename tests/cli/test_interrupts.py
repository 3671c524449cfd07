"""Ctrl-C at any moment from the command's first line on: exit code 130, nothing printed, nothing half written.

Moments are told in what the interpreter does (imports, files opened, folders made), so that they are the same on a slow
machine and on a fast one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.slow

AT = """
import os, signal, sys
from guidegan_plugin.__main__ import main
moment, events = float(sys.argv[1]), sys.argv[2].split(",")
del sys.argv[1:3]
happened = 0
def note(event, arguments):
    global happened
    happened += event in events
    if happened == moment:
        happened += 1
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(note)
try:
    main()
finally:
    print(happened, file=open("happened", "w"))
"""
WRITES = "open,os.rename,os.mkdir,shutil.rmtree"


class Ended:
    """What an interrupted command left: its exit code, what it printed, and the files under its folder."""

    def __init__(self, folder: Path, moment: float, events: str, *command: str) -> None:
        folder.mkdir()
        call = [sys.executable, "-c", AT, str(moment), events, *command]
        self._ended = subprocess.run(call, cwd=folder, capture_output=True, text=True, timeout=300)
        self.code, self.stderr = self._ended.returncode, self._ended.stderr
        happened = folder / "happened"
        self.happened = int(happened.read_text() or 0) if happened.exists() else 0
        happened.unlink(missing_ok=True)
        self.files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def moments(total: int, count: int) -> list[int]:
    """So many moments, the first and nearly the last among them."""
    return [1 + round((total - 2) * number / (count - 1)) for number in range(count)]


@pytest.mark.parametrize(
    ("command", "events", "code"), [(["presets"], "import", 0), (["doctor", "."], "import,open", 1)], ids=str
)
def test_while_a_command_is_imported_and_at_work(tmp_path: Path, command: list[str], events: str, code: int) -> None:
    whole = Ended(tmp_path / "whole", -1, events, *command)
    assert whole.code == code and whole.happened > 500
    for moment in moments(whole.happened, 4):
        ended = Ended(tmp_path / str(moment), moment, events, *command)
        assert (ended.code, ended.stderr, ended.files) == (130, "", set()), f"at {moment} of {whole.happened}"


@pytest.mark.parametrize("kind", ["data", "gallery"])
def test_while_a_command_writes_its_result_is_whole_or_not_there(tmp_path: Path, kind: str) -> None:
    images = tmp_path / "run" / "images"
    images.mkdir(parents=True)
    for visual in ("real_A", "fake_B"):
        Image.new("RGB", (4, 4)).save(images / f"one_{visual}.png")
    command = ["data", "shapes", "new", "--size", "32", "--count", "2", "--workers", "1"]
    if kind == "gallery":
        command = ["gallery", str(tmp_path / "run"), "--out", "page"]
    whole = Ended(tmp_path / "whole", -1, WRITES, *command)
    assert whole.code == 0 and len(whole.files) > 2
    for moment in moments(whole.happened, 4):
        ended = Ended(tmp_path / str(moment), moment, WRITES, *command)
        assert (ended.code, ended.stderr) == (130, ""), f"at {moment} of {whole.happened}"
        # What an interruption leaves of its own unfinished work is hidden, and swept by the next save.
        files = {name for name in ended.files if not name.startswith(".guide-")}
        assert files in (set(), whole.files), f"at {moment} of {whole.happened}"


def test_whoever_ignores_ctrl_c_for_the_command_is_not_overruled(tmp_path: Path) -> None:
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + AT
    call = [sys.executable, "-c", ignoring, "300", "import", "plugins"]
    ended = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0 and "guidegan_plugin" in ended.stdout


@pytest.mark.parametrize("seconds", [0.8])
def test_by_the_clock(tmp_path: Path, seconds: float) -> None:
    call = [sys.executable, "-c", "from guidegan_plugin.__main__ import main; print(flush=True); main()", "doctor", "."]
    with subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "\n"
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGINT)
        stderr = process.communicate(timeout=300)[1]
    assert process.returncode in (130, 1) and stderr == ""  # 1: the doctor was faster
