"""The interpreter that tests start often behaves as Python does, as far as they look."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
CASES = {
    "arguments": ["-c", "import sys; print(sys.argv, __name__)", "a", "b c"],
    "folder and path": ["-c", "import os, sys; print(os.getcwd(), repr(sys.path[0]))"],
    "environment": ["-c", "import os; print(os.environ['GIVEN'], os.environ['PYTHONPATH'])"],
    "a module": ["-m", "calendar", "2026", "11"],
    "a script": ["{folder}/script.py", "a"],
    "unbuffered": ["-u", "-c", "import os; print('one'); os._exit(0)"],
    "streams": ["-c", "import sys; print(sys.stdin.read()); print('error', file=sys.stderr)"],
    "an exit code": ["-c", "import sys; sys.exit(7)"],
    "an exit with words": ["-c", "import sys; sys.exit('words')"],
    "at exit": ["-c", "import atexit; atexit.register(print, 'end'); raise SystemExit(3)"],
    "a thread that goes on": ["-c", "import threading; threading.Timer(0.2, print, ('late',)).start()"],
    "a hook": ["-c", "import sys; sys.excepthook = lambda *_: print('hooked'); 1 / 0"],
    "killed": ["-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
}


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
def test_it_does_what_python_does(warm_python: str, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "script.py").write_text("import sys; print(sys.argv, sys.path[0], __name__, __file__)")
    env = {**os.environ, "GIVEN": "a value", "PYTHONPATH": str(tmp_path)}
    command = [one.format(folder=tmp_path) for one in arguments]
    seen = [
        subprocess.run([python, *command], cwd=tmp_path, env=env, input="given", text=True, capture_output=True)
        for python in (sys.executable, warm_python)
    ]
    real, warm = [(one.returncode, one.stdout, one.stderr) for one in seen]
    assert warm == real


def test_torch_is_there_already_and_an_error_has_its_traceback(warm_python: str) -> None:
    ended = subprocess.run(
        [warm_python, "-c", "import sys; assert 'torch' in sys.modules; 1 / 0"], text=True, capture_output=True
    )
    assert ended.returncode == 1 and ended.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_what_it_starts_by_itself_starts_as_fast_and_what_it_does_not_know_is_the_real_ones(warm_python: str) -> None:
    source = (
        "import subprocess, sys; assert 'torch' in sys.modules; sys.exit(subprocess.call([sys.executable, *{words}]))"
    )
    for words, code in (
        (["-c", "import sys; sys.exit(5 * ('torch' in sys.modules))"], 5),
        (["-B", "-c", "exit(6)"], 6),
    ):
        ended = subprocess.run([warm_python, "-c", source.format(words=words)], text=True, capture_output=True)
        assert (ended.returncode, ended.stderr) == (code, "")


def test_signals_reach_it_and_it_ends_with_the_one_that_started_it(warm_python: str, tmp_path: Path) -> None:
    source = "import os, signal, sys, time; print(os.getpid(), flush=True); time.sleep(60)"
    for number in (signal.SIGTERM, signal.SIGKILL):
        with subprocess.Popen([warm_python, "-c", source], stdout=subprocess.PIPE, text=True) as started:
            assert started.stdout is not None
            pid = int(started.stdout.readline())
            started.send_signal(number)
            assert started.wait(30) == -number
        until = time.monotonic() + 30
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < until, "it goes on"
            time.sleep(0.01)
