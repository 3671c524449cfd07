"""The scripts that run many benchmarks go on where they were stopped, and say what is missing."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "examples" / "benchmarks"


pytestmark = pytest.mark.slow
Run = Callable[..., subprocess.CompletedProcess[str]]


# Leaves figures, and ends as it is told.
WRITES = ("-c", "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('{}'); sys.exit(int(sys.argv[2]))", "RESULT")


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module behind the scripts."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("parts")


@pytest.fixture
def run(tmp_path: Path, warm_python: str) -> Run:
    """Run a script whose output goes to ``tmp_path / "out"``."""

    def call(*options: object, script: str = "gpu.py") -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
        command = [*map(str, (warm_python, BENCHMARKS / script, tmp_path / "out", *options))]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)

    return call


def test_without_a_gpu_one_line_says_how_to_try_it(run: Run, tmp_path: Path) -> None:
    done = run()
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "--rehearse" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_part_that_is_done_is_not_repeated_and_one_without_time_is_named(run: Run, tmp_path: Path) -> None:
    done = run("--rehearse", "--only", "map")
    assert done.returncode == 0, done.stdout + done.stderr
    path = tmp_path / "out" / "map.json"
    figures = json.loads(path.read_text())
    assert figures["machine"]["GPU"] == "none" and figures["results"]["PatchGAN"]["map_ms"]
    before = path.stat().st_mtime_ns
    again = run("--rehearse", "--only", "map", "--minutes", 0)
    assert again.returncode == 0 and path.stat().st_mtime_ns == before
    short = run("--rehearse", "--only", "step", "--minutes", 0)
    assert short.returncode == 1 and "step, rhp, float32: no time was left" in short.stdout
    assert not (tmp_path / "out" / "step.json").exists()


def test_no_rehearsal_and_no_other_machine_is_gone_on_with(
    parts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = parts.options("", 10).parse_args([str(tmp_path)])
    rehearsal = parts.options("", 10).parse_args([str(tmp_path), "--rehearse"])
    planned = [parts.Part("one", "figures", [*WRITES, 0])]
    assert parts.run(planned, rehearsal) == 0
    with pytest.raises(SystemExit, match=r"one.json is a rehearsal; take another OUT"):
        parts.run(planned, args)
    (tmp_path / "one.json").unlink()
    assert parts.run(planned, args) == 0
    with pytest.raises(SystemExit, match=r"one.json is no rehearsal; take another OUT"):
        parts.run(planned, rehearsal)
    monkeypatch.setattr(parts, "machine", lambda: {"GPU": "another"})
    with pytest.raises(SystemExit, match=r"one.json is of another machine, or of other packages; take another OUT"):
        parts.run(planned, args)


def test_a_part_that_failed_or_was_stopped_is_missing_whatever_it_left(
    parts: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = parts.options("", 10).parse_args([str(tmp_path)])
    assert parts.run([parts.Part("soak", "grows", [*WRITES, 1])], args) == 1
    assert "soak, grows: ended with 1" in capsys.readouterr().out
    args.minutes = 0.02
    assert parts.run([parts.Part("study", "long", ["-c", "import time; time.sleep(60)"])], args) == 1
    assert "study, long: stopped by the clock" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.json"))


def test_a_stage_that_nobody_knows_is_refused(parts: ModuleType, tmp_path: Path) -> None:
    args = parts.options("", 1).parse_args([str(tmp_path), "--only", "stpe"])
    with pytest.raises(SystemExit, match="--only: no stage 'stpe', known are step, map"):
        parts.run([parts.Part("step", "a", []), parts.Part("map", "b", [])], args)


def test_a_soak_too_short_to_say_anything_is_refused_in_one_line(tmp_path: Path, warm_python: str) -> None:
    command = [warm_python, str(BENCHMARKS / "soak.py"), "--steps", "199"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2 and "--steps: expected at least 200, for two looks, found 199" in done.stderr


def test_figures_of_a_cpu_name_the_machine_and_the_versions(run: Run, tmp_path: Path) -> None:
    done = run("--rehearse", "--only", "map", script="cpu.py")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "out" / "map.json").read_text())
    assert figures["machine"].keys() >= {"cores", "torch", "python"}
    assert figures["results"]["PatchGAN"]["map_ms"]
