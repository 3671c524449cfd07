from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

REFERENCE_HOST = Path(__file__).resolve().parents[2] / "examples" / "reference_host"
SUBJECTS = ["torch", "torchvision", "CUDA", "visdom", "plugins", "host", "scripts", "models", "host's methods", "wandb"]
SUBJECTS += ["weights for KID", "write access", "free disk"]

Command = Callable[..., int | str]


@pytest.mark.slow  # torch and torchvision are imported in a process of their own
def test_a_healthy_host_has_a_line_a_subject_and_exit_code_0(
    guidegan: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = shutil.copytree(REFERENCE_HOST, tmp_path / "host")
    assert guidegan("doctor", host) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "cure: " not in line]
    assert [line[9:25].strip() for line in lines] == SUBJECTS
    assert {line.split()[0] for line in lines} <= {"ok", "warning"}


@pytest.mark.usefixtures("fitting")
def test_a_folder_that_is_no_host_has_exit_code_1_and_its_cure_only_if_named(
    guidegan: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert guidegan("doctor", tmp_path) == 1
    assert "cure: give the folder that holds train.py" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    assert guidegan("doctor") == 0


@pytest.mark.usefixtures("fitting")
def test_json_holds_every_check_and_nothing_else_is_on_standard_output(
    guidegan: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guidegan("doctor", tmp_path, "--json", "-") == 1
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is False and result["host_dir"] == str(tmp_path)
    assert {"host", "torch"} < {check["name"] for check in result["checks"]}
    assert guidegan("doctor", REFERENCE_HOST, "--quiet", "--json", tmp_path / "out.json") == 0
    assert not capsys.readouterr().out and json.loads((tmp_path / "out.json").read_text())["ok"] is True


@pytest.mark.usefixtures("fitting")
def test_on_a_terminal_it_is_a_table(
    guidegan: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert guidegan("doctor", REFERENCE_HOST) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.count("│") == 4]
    assert all(any(f" {subject} " in row for row in rows) for subject in ("torchvision", "free disk"))
