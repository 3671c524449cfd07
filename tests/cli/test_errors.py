"""How the command ends: one line, an exit code, and a traceback for whoever asks."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from guidegan_plugin.errors import GuideError

REFERENCE_HOST = Path(__file__).resolve().parents[2] / "examples" / "reference_host"

Command = Callable[..., int | str]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Let ``guidegan presets`` fail."""

    def fail_with(error: BaseException) -> None:
        def fail(_: object) -> None:
            raise error

        monkeypatch.setattr("guidegan_plugin.hosts.junyanz.presets.values_by_option", fail)

    return fail_with


@pytest.fixture
def host(tmp_path: Path) -> Path:
    return Path(shutil.copytree(REFERENCE_HOST, tmp_path / "host", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "out.json"),
            "out.json: No space left on device; free space there, or name another place",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "out"),
            "out: Permission denied; change its permissions, or name another place",
        ),
        (
            OSError(errno.EIO, "Input/output error"),
            "Input/output error; guidegan --debug before the command's name shows where",
        ),
        (
            ValueError("two\nlines"),
            "ValueError: two lines; this should not happen, guidegan --debug before the command's name shows where",
        ),
    ],
)
def test_what_nobody_foresaw_is_one_line_with_a_cure(
    guidegan: Command, failing: Callable[[BaseException], None], error: Exception, line: str
) -> None:
    failing(error)
    assert guidegan("presets") == f"guidegan: error: {line}"


def test_debug_gives_the_traceback(
    guidegan: Command, failing: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(ValueError("seen"))
    with pytest.raises(ValueError, match="seen"):
        guidegan("--debug", "presets")


@pytest.mark.slow
def test_debug_shows_where_an_error_of_ours_was_raised(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "guidegan_plugin", "--debug", "run", "nothing.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Traceback") and "launcher.py" in ended.stderr
    assert "nothing.py does not exist; change SCRIPT" in ended.stderr.splitlines()[-1]


def test_options_before_the_script_are_said_to_stand_behind_it(guidegan: Command) -> None:
    assert str(guidegan("run", "--guide_layer", "1", "train.py")) == (
        "guidegan: error: expected SCRIPT first, found --guide_layer; options of the training stand behind SCRIPT"
    )


def test_ctrl_c_is_exit_code_130(guidegan: Command, failing: Callable[[BaseException], None]) -> None:
    failing(KeyboardInterrupt())
    assert guidegan("presets") == 130


@pytest.mark.slow
def test_ctrl_c_in_a_hosts_script_ends_without_a_traceback(host: Path) -> None:
    (host / "train.py").write_text("import time\nprint('under way', flush=True)\ntime.sleep(600)\n")
    command = [sys.executable, "-m", "guidegan_plugin", "run", str(host / "train.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "under way\n"
        process.send_signal(signal.SIGINT)
        stderr = process.communicate(timeout=300)[1]
    assert process.returncode == 130 and "Traceback" not in stderr


def test_a_failure_of_the_hosts_own_keeps_its_traceback(
    guidegan: Command, host: Path, capsys: pytest.CaptureFixture[str], in_host: Callable[[], None]
) -> None:
    (host / "train.py").write_text("raise FileNotFoundError('the host looked for it')\n")
    assert guidegan("run", host / "train.py") == 1
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback") and f'{host / "train.py"}", line 1' in printed


def test_wrong_usage_is_exit_code_2(guidegan: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert guidegan("doctor", "--nonsense") == 2
    assert "No such option: --nonsense" in capsys.readouterr().err


def test_bash_is_given_a_completion_that_knows_the_commands(
    guidegan: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without it typer asks which shell runs the tests.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    assert guidegan("--show-completion", "bash") == 0
    script = capsys.readouterr().out
    assert "_GUIDEGAN_COMPLETE=complete_bash" in script and "complete -o" in script
    for name, value in {"_GUIDEGAN_COMPLETE": "complete_bash", "COMP_WORDS": "guidegan d", "COMP_CWORD": "1"}.items():
        monkeypatch.setenv(name, value)
    guidegan()
    assert {"data", "doctor"} <= set(capsys.readouterr().out.split())


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "guidegan_plugin", "presets"]
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert ended.returncode in (0, 1) and "Traceback" not in ended.stderr


def test_line_breaks_in_a_name_hide_nothing_of_the_line(guidegan: Command, tmp_path: Path) -> None:
    line = guidegan("report", tmp_path / "first\nsecond")
    assert line == f"guidegan: error: {tmp_path}/first second does not exist; change DIR"


def test_an_error_out_of_a_data_loaders_worker_is_its_message_alone(guidegan: Command, failing: object) -> None:
    error = GuideError("Caught GuideError in worker 0.\nTraceback:\nguidegan_plugin.errors.GuideError: a\nb is bad")
    failing(error)  # type: ignore[operator]
    assert guidegan("presets") == "guidegan: error: a b is bad"


@pytest.mark.parametrize("out", [".", "/", "", "nowhere/out.json"])
def test_a_json_that_cannot_be_written_is_refused_before_the_work(guidegan: Command, tmp_path: Path, out: str) -> None:
    # The folders do not exist either, which the work would say first.
    line = str(guidegan("evaluate", "attention", "--maps", "none", "--regions", "none", "--json", out))
    assert line.startswith("guidegan: error: cannot write ") and line.endswith("change --json")


def test_too_little_memory_is_said_in_plain_words(guidegan: Command, failing: Callable[[Exception], None]) -> None:
    failing(MemoryError())
    assert str(guidegan("presets")).startswith("guidegan: error: out of memory; ask for less")


def test_a_folder_that_is_gone_is_said_before_anything_is_imported_there(
    guidegan: Callable[..., int | str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert guidegan("doctor") == "guidegan: error: the folder this was started in is gone; cd to one that is there"
