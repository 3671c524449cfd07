"""The study harness: what it refuses, what it runs, what it keeps, and its numbers."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from guidegan_plugin.errors import ConfigError, DataError, GuideError
from guidegan_plugin.reports.result_files import read_results
from guidegan_plugin.utils.images import open_image

STUDY = Path(__file__).resolve().parents[1] / "examples" / "study"
Load = Callable[[str], ModuleType]
TINY = """
title: tiny
data: {kind: shapes, size: 32, train: 6, test: 8}
model: cycle_gan
options: {netG: resnet_6blocks, ngf: 4, ndf: 4, crop_size: 32, num_threads: 0}
train_options: {load_size: 36, no_html: true}
test_options: {load_size: 32}
schedule: {n_epochs: 2, save_epoch_freq: 2}
seeds: [3]
methods:
  bare: {}
  pha+rhp: {attention: pha}
evaluate: {scores: [kid, domain, change, attention], judge_images: 20, judge_passes: 2}
"""
SEVERAL = TINY.replace(
    "model: cycle_gan\n",
    """
systems:
  GAN: {model: pix2pix, pairs: true, train_options: {lambda_L1: 0.0, unconditional: true}}
  CycleGAN: {model: cycle_gan, options: {ngf: 6}}
""",
)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Import modules of the harness, which are scripts side by side, and forget them afterwards."""
    monkeypatch.syspath_prepend(str(STUDY))
    yield importlib.import_module
    for name in (path.stem for path in STUDY.glob("*.py")):
        sys.modules.pop(name, None)


@pytest.fixture
def read(load: Load, tmp_path: Path) -> Callable[[str], Any]:
    def study(text: str, data: Path | None = None) -> Any:
        (tmp_path / "study.yaml").write_text(text)
        return load("reading").read_study(tmp_path / "study.yaml", data)

    return study


@pytest.mark.parametrize("path", sorted(STUDY.glob("*.yaml")), ids=lambda path: str(path.stem))
def test_the_committed_studies_are_read_and_have_the_bare_host(load: Load, path: Path, tmp_path: Path) -> None:
    drawn = "kind: shapes" in path.read_text(encoding="utf-8")
    study = load("reading").read_study(path, None if drawn else tmp_path)
    assert study.methods[0].name.endswith("bare") and not study.methods[0].options and len(study.seeds) > 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  bare: {}\n", "", "methods: the bare host is missing"),
        ("bare: {}", "bare: {attention: pha}", "methods.bare: expected no option"),
        ("{attention: pha}", "{}", "methods.pha.rhp: expected at least one option"),
        ("{attention: pha}", "{attntion: pha}", "methods.pha.rhp.attntion: is unknown; known are"),
        ("{attention: pha}", "{dropout: 2.0}", "methods.pha.rhp: .*dropout"),
        ("{attention: pha}", "{attention: blah}", "methods.pha.rhp.attention: expected one of none, pha"),
        ("{attention: pha}", "{attention: [pha]}", "methods.pha.rhp.attention: expected text, a number, true or false"),
        ("{attention: pha}", "{options: 3}", "methods.pha.rhp.options: is unknown"),
        ("{attention: pha}", "{attention: tam, tam_start: half}", "methods.pha.rhp: tam_start: expected one of paper"),
        ("{attention: pha}", "{refine: -1}", "methods.pha.rhp.refine: expected a whole number from 0, found -1"),
        ("  pha+rhp:", "  ..:", r"methods: '\.\.' cannot name a folder and a row of a table; rename it"),
        ("  pha+rhp:", "  'a|b':", r"methods: 'a\|b' cannot name a folder and a row"),
        ("bare: {}", "bare: {}\n  bare: {}", "bare: stands twice"),
        ("[kid,", "[[kid],", r"evaluate.scores: \['kid'\] is unknown"),
        ("title: tiny", "title: tiny\nwhen: 2024-13-45", "study.yaml: cannot be read: month"),
        ("{load_size: 32}", "{phase: train}", "test_options.phase: other keys of the study"),
        ("kind: shapes", "kind: shape", "data.kind: expected one of shapes"),
        ("size: 32", "size: big", "data.size: expected int, found 'big'"),
        ("size: 32", "size: 16", "data.size: expected at least 32"),
        ("kind: shapes", "kind: shapes, path: x", "data.path: shapes are made on the spot"),
        ("kind: shapes", "kind: shapes, colour: red", "data.colour: is unknown"),
        ("model: cycle_gan\n", "", "model: is missing"),
        ("model:", "modle: x\nmodel:", "modle: is unknown"),
        ("seeds: [3]", "seeds: [3, 3]", "seeds: expected different whole numbers"),
        ("n_epochs: 2", "n_epochs: 3", "schedule.save_epoch_freq: 2 does not divide 3"),
        ("[kid,", "[fcn,", "evaluate.scores: fcn needs data.kind camvid"),
        ("[kid, domain", "[domain", "evaluate.scores: needs kid or fcn"),
        (
            "judge_images",
            "features: inception, judge_images",
            "evaluate.scores: domain is told by the shapes classifier",
        ),
        ("kind: shapes", "kind: unpaired", "data.train: is unknown; known are direction, kind, path, size, test"),
        ("{load_size: 32}", "{load_iter: 5}", "test_options.load_iter: other keys of the study"),
        ("title: tiny", "title: tiny\nhost: {path: nowhere}", "host.path: no train.py"),
        ("title: tiny", "title: [", "study.yaml: cannot be read"),
        ("model:", "systems: {one: {model: x}}\nmodel:", "model: is unknown"),
        ("model: cycle_gan", "systems: {one: {}}", "systems.one.model: is missing"),
        ("model: cycle_gan", "systems: {one: {model: x, modle: x}}", "systems.one.modle: is unknown"),
        (
            "model: cycle_gan",
            "systems: {one: {model: x, options: {epoch: 1}}}",
            "systems.one.options.epoch: other keys",
        ),
        ("model: cycle_gan", "systems: {a b: {model: x}, a_b: {model: x}}", "its folder a_b_bare is another method's"),
    ],
)
def test_a_value_that_cannot_work_is_refused_in_one_line_with_its_key(
    read: Callable[[str], Any], old: str, new: str, said: str
) -> None:
    assert old in TINY
    with pytest.raises(ConfigError, match=said) as caught:
        read(TINY.replace(old, new))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_one_command_trains_tests_scores_and_reports_and_a_second_one_trains_nothing(
    tmp_path: Path, warm_python: str
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    command = [warm_python, str(STUDY / "run.py"), str(tmp_path / "tiny.yaml"), "--out", "out", "--jobs", "2"]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280)
    assert first.returncode == 0, first.stdout + first.stderr
    results = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("result.json")}
    assert len(results) == 2
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    rows = told["table"]["figures"]["A->B"]
    assert rows["kid_target"]["pha+rhp"]["last"]["difference"]["low"] is None, "one seed has no interval"
    assert set(rows["auc"]) == {"pha+rhp"} and set(rows["background_change"]) == {"bare", "pha+rhp"}
    page = (tmp_path / "out" / "report.md").read_text()
    assert "examples/study/run.py tiny.yaml --out out --jobs 2" in page and "One seed" in page
    assert str(tmp_path) not in page + json.dumps(told), "no folder of this machine"
    pictures = [f"{kind}_{direction}.png" for direction in ("A_to_B", "B_to_A") for kind in ("samples", "maps")]
    assert told["pictures"] == pictures and all(f"]({name})" in page for name in pictures), "one epoch has no curve"
    for_tables = {(result.title, result.labels["method"]) for result in read_results([tmp_path / "out"])[0]}
    kid = "KID (features: shapes classifier)"
    assert for_tables == {(kid, "bare"), (kid, "pha+rhp"), ("Attention quality", "pha+rhp")}
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=100)
    assert again.stdout.count("was done") == 2
    assert {path: path.stat().st_mtime_ns for path in results} == results


TRAIN = """
import pathlib, sys
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
folder = pathlib.Path(options["--checkpoints_dir"]) / options["--name"]
folder.mkdir(parents=True)
(folder / "seed").write_text(options["--seed"])
with open("trained", "a") as log:
    log.write("x")
"""
TEST = """
import pathlib, shutil, sys
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
if pathlib.Path("broken").exists():
    sys.exit("out of order")
folder = pathlib.Path(options["--results_dir"]) / options["--name"] / "test" / "images"
folder.mkdir(parents=True)
for domain, other in ("AB", "BA"):
    for path in sorted((pathlib.Path(options["--dataroot"]) / f"test{domain}").iterdir()):
        shutil.copy(path, folder / f"{path.stem}_fake_{other}.png")
"""


@pytest.fixture
def harness(load: Load, read: Callable[[str], Any], tmp_path: Path) -> SimpleNamespace:
    """A study of a host that trains nothing, with an evaluator that counts images."""
    host = tmp_path / "host"
    host.mkdir()
    (host / "train.py").write_text(TRAIN)
    (host / "test.py").write_text(TEST)
    flags = TINY.replace(", no_html: true", "")  # options in pairs suit the host above
    study = read(flags.replace("title: tiny", "title: tiny\nhost: {path: host}"))
    run = load("runner")
    evaluator = SimpleNamespace(
        about={}, score=lambda fakes, *_: ({"kid_target": float(len(list(fakes.iterdir())))}, [])
    )
    dataset = load("dataset").prepare(study.data, tmp_path / "out")
    bench = run.Runner(study, dataset, evaluator, load("executor").Executor(1, 0))
    return SimpleNamespace(study=study, host=host, bench=bench, run=run.planned(study, tmp_path / "out")[0], module=run)


def test_a_run_is_complete_only_with_its_result_file(harness: SimpleNamespace) -> None:
    assert harness.module.read_result(harness.study, harness.run) is None
    assert "trained" in harness.bench.finish(harness.run)
    result = harness.module.read_result(harness.study, harness.run)
    assert result["epochs"] == {"2": {"A->B": {"kid_target": 8.0}, "B->A": {"kid_target": 8.0}}}
    assert (harness.run.folder / "checkpoints" / "study" / "seed").read_text() == "3"
    assert harness.bench.finish(harness.run) == "was done"
    assert (harness.host / "trained").read_text() == "x"


def test_what_was_trained_is_not_trained_again_when_its_test_failed(harness: SimpleNamespace) -> None:
    (harness.host / "broken").touch()
    with pytest.raises(GuideError, match="out of order; the log is"):
        harness.bench.finish(harness.run)
    (harness.host / "broken").unlink()
    harness.bench.finish(harness.run)
    assert (harness.host / "trained").read_text() == "x"


def test_a_training_that_was_cut_short_starts_again(harness: SimpleNamespace) -> None:
    (harness.run.folder / "attempt-1-train" / "study").mkdir(parents=True)
    harness.bench.finish(harness.run)
    assert (harness.host / "trained").read_text() == "x"
    assert not list(harness.run.folder.glob("attempt-*"))


def test_results_under_other_settings_are_refused(harness: SimpleNamespace, read: Callable[[str], Any]) -> None:
    harness.bench.finish(harness.run)
    with pytest.raises(ConfigError, match="other settings; change --out"):
        harness.module.read_result(read(TINY), harness.run)


def test_runs_of_an_earlier_report_are_taken_as_they_are_and_no_other_file_is(
    harness: SimpleNamespace, tmp_path: Path
) -> None:
    harness.bench.finish(harness.run)
    result = harness.module.read_result(harness.study, harness.run)
    (tmp_path / "report.json").write_text(json.dumps({"runs": [result]}))
    anew = harness.module.planned(harness.study, tmp_path / "anew")
    harness.module.take_results(harness.study, anew, tmp_path / "report.json")
    assert [harness.module.read_result(harness.study, run) for run in anew] == [result] + [None] * (len(anew) - 1)
    for content, said in (("{", "is no report.json of a study"), ('{"runs": []}', "no run with the settings of this")):
        (tmp_path / "report.json").write_text(content)
        with pytest.raises(ConfigError, match=rf"--with: .*{said}.*change --with"):
            harness.module.take_results(harness.study, anew, tmp_path / "report.json")


def test_a_step_keeps_what_it_was_made_with_and_the_report_names_what_differs(
    harness: SimpleNamespace, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = load("facts")
    monkeypatch.setattr(facts, "versions", lambda: {"commit": "before"})
    (harness.host / "broken").touch()
    with pytest.raises(GuideError):
        harness.bench.finish(harness.run)
    (harness.host / "broken").unlink()
    monkeypatch.setattr(facts, "versions", lambda: {"commit": "after"})
    harness.bench.finish(harness.run)
    made = harness.module.read_result(harness.study, harness.run)["made_with"]
    assert {step: found["commit"] for step, found in made.items()} == {"training": "before", "epoch 2": "after"}
    runs = [
        {"method": "bare", "seed": seed, "made_with": one} for seed, one in enumerate((made, {"training": {}}, None))
    ]
    told = {"runs": runs, "versions": {"commit": "after"}}
    said = "\n".join(load("report")._mixture(told))
    commits = "before, then after (bare, seed 0); unknown (bare, seed 1; bare, seed 2); after (this report)"
    assert f"- **Not of one commit**: {commits}" in said and "**Not of one data**" in said
    same = {"training": {"commit": "after", "data": "d"}}
    told["runs"] = [{"method": "bare", "seed": seed, "made_with": same} for seed in range(2)]
    assert list(load("report")._mixture(told)) == []


def test_data_and_weights_of_judges_are_among_what_a_result_was_made_with(load: Load, tmp_path: Path) -> None:
    found = []
    for folder, size in (("one", 8), ("moved", 8), ("other", 9)):
        (tmp_path / folder / "trainA").mkdir(parents=True)
        Image.new("RGB", (size * 40, size)).save(tmp_path / folder / "trainA" / "0.bmp")
        evaluator = {"kid": {"weights_sha256": 64 * "a"}, "classifier": {"name": "small"}}
        found.append(load("facts").made_with(tmp_path / folder, evaluator))
    assert found[0] == found[1] and found[0]["data"] != found[2]["data"]
    assert found[0]["weights of kid"] == 12 * "a" and "weights of classifier" not in found[0]


def test_bare_runs_are_the_hosts_own_and_guided_ones_start_with_the_same_seed(
    load: Load, read: Callable[[str], Any], tmp_path: Path
) -> None:
    study, runs = read(TINY), load("runs")
    bare, guided = (
        runs.command_line(study, run, "train.py", tmp_path, tmp_path) for run in load("runner").planned(study, tmp_path)
    )
    assert not any("guide" in word.replace(str(tmp_path), "").replace(str(STUDY.parents[1]), "") for word in bare)
    assert guided[1:4] == ["-m", "guidegan_plugin", "run"] and "guide_cycle_gan" in guided
    assert guided[guided.index("--guide_attention") + 1] == "pha"


def test_one_training_is_tested_with_several_maps(
    harness: SimpleNamespace,
    load: Load,
    read: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    methods = "  pha: {attention: pha}\n  pha mean: {attention: pha, test_map: mean}\n  tam: {attention: tam}\n"
    text = TINY.replace(", no_html: true", "").replace("title: tiny", "title: tiny\nhost: {path: host}")
    study = read(text[: text.index("  pha")] + methods + text[text.index("evaluate") :])
    runs, module = load("runs"), load("runner")
    bare, pha, mean, tam = module.planned(study, tmp_path / "out")
    assert mean.trained_in == pha and [run.trained_in for run in (bare, pha, tam)] == [bare, pha, tam]
    lines = {
        name: [runs.command_line(study, run, f"{name}.py", tmp_path, tmp_path) for run in (pha, mean)]
        for name in ("train", "test")
    }
    assert lines["train"][0] == lines["train"][1]
    assert lines["test"][1][-2:] == ["--guide_test_map", "mean"] and "--guide_test_map" not in lines["test"][0]
    command_line = runs.command_line  # the host above is none that can be guided
    bare_words = "-m", "guidegan_plugin", "run"
    monkeypatch.setattr(
        runs, "command_line", lambda *given: [word for word in command_line(*given) if word not in bare_words]
    )
    bench = module.Runner(study, harness.bench._dataset, harness.bench._evaluator, load("executor").Executor(1, 0))
    for run in (mean, pha, mean):
        bench.finish(run)
    assert (harness.host / "trained").read_text() == "x"
    assert all(module.read_result(study, run) for run in (pha, mean)) and not (mean.folder / "checkpoints").exists()


def test_a_row_that_is_added_before_the_one_that_was_trained_tests_its_training(
    load: Load, read: Callable[[str], Any], tmp_path: Path
) -> None:
    planned, mean = load("runner").planned, "  mean: {attention: pha, test_map: mean}\n"
    trained = planned(read(TINY), tmp_path)[1]
    (trained.folder / "trained.json").parent.mkdir(parents=True)
    (trained.folder / "trained.json").touch()
    added = TINY.replace("  pha+rhp", f"{mean}  pha+rhp")
    bare, first, second = planned(read(added), tmp_path)
    assert first.trained_in == second == trained and second.trainer is None and bare.trainer is None


def test_the_time_of_a_test_is_that_of_its_predictor_too(
    load: Load, read: Callable[[str], Any], tmp_path: Path
) -> None:
    study = read(TINY.replace("{attention: pha}", "{attention: pha, test_map: predict}"))
    run = load("runner").planned(study, tmp_path)[1]

    def call(command: list[str], *_: object) -> float:
        if "--results_dir" in command:
            (Path(command[command.index("--results_dir") + 1]) / "study" / "test_2" / "images").mkdir(parents=True)
        return 2.0

    dataset = SimpleNamespace(root_of=lambda _: tmp_path, tested=2)
    assert load("runs").test(study, run, 2, dataset, SimpleNamespace(run=call))[1] == 4.0


@pytest.mark.parametrize(
    ("package", "text"), [("torch_fidelity", TINY), ("matplotlib", TINY.replace("freq: 2", "freq: 1"))]
)
def test_a_package_that_is_needed_after_the_training_is_missed_before_it(
    read: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, package: str, text: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf'needs {package}, which is missing; pip install "guidegan_plugin\[eval\]"'):
        read(text)


def test_an_attempt_that_a_study_of_the_same_process_number_has_left_is_begun_anew(harness: SimpleNamespace) -> None:
    left = harness.run.folder / f"attempt-{os.getpid()}-train" / "study"
    left.mkdir(parents=True)
    (left / "torn").touch()
    harness.bench._trained(harness.run)
    assert {path.name for path in (harness.run.folder / "checkpoints" / "study").iterdir()} == {"seed"}


def test_what_cannot_be_written_is_said_in_one_line(
    load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    (tmp_path / "file").touch()
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert load("run").main([str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "file")]) == 2
    said = capsys.readouterr().err.strip()
    assert "file cannot be written (File exists" in said and said.endswith("change --out") and "\n" not in said


def test_no_folder_of_this_machine_is_in_the_command_however_it_was_typed(load: Load) -> None:
    typed = ["a/b.yaml", "--out=/home/me/out", "--data", "/home/me/data", "--only=x=/y"]
    shown = "python examples/study/run.py a/b.yaml --out=out --data data --only=x=/y"
    assert load("facts").command(typed) == shown


def test_of_commands_that_wait_the_first_in_the_study_is_next_and_an_ended_study_starts_none(
    load: Load, tmp_path: Path
) -> None:
    module, order = load("executor"), tmp_path / "order"
    executor = module.Executor(1, 0)

    def command(name: str) -> list[str]:
        return [sys.executable, "-c", f"import sys; open({str(order)!r}, 'a').write({name!r})"]

    with ThreadPoolExecutor() as pool, executor._share(0):
        for place in (7, 2, 5):
            pool.submit(executor.run, command(str(place)), tmp_path, tmp_path / f"{place}.log", place)
        while len(executor._waiting) < 3:
            time.sleep(0.01)
    with executor._share(0), ThreadPoolExecutor() as pool:
        late = pool.submit(executor.run, command("late"), tmp_path, tmp_path / "late.log")
        executor.end()
        with pytest.raises(module.RunError, match="stopped"):
            late.result()
    assert order.read_text() == "257"


class Begun:
    """A study whose trainings and tests are noted when they begin, and are no processes; the last thread is first."""

    def __init__(self, harness: SimpleNamespace, study: Any, out: Path, jobs: int, load: Load) -> None:
        self.noted: list[str] = []
        self.within: dict[str, Callable[[], object]] = {}
        self.executor, module = load("executor").Executor(jobs, 0), harness.module
        self.runs = module.planned(study, out)
        last = len(self.runs) - 1

        class Late(module.Runner):  # type: ignore[misc, name-defined]
            def _finish(self, run: Any) -> str:
                time.sleep(0.05 * (last - run.place))
                return super()._finish(run)

        self.runner = Late(study, harness.bench._dataset, harness.bench._evaluator, self.executor)

    def train(self, study: Any, run: Any, dataset: Any, executor: Any) -> float:
        self._begin(f"train {run}", run, executor)
        return 1.0

    def test(self, study: Any, run: Any, epoch: int, dataset: Any, executor: Any) -> tuple[Path, float]:
        self._begin(f"test {run}", run, executor)
        return run.folder, 1.0

    def _begin(self, what: str, run: Any, executor: Any) -> None:
        with executor._share(run.place):
            self.noted.append(what)
            self.within.get(what, lambda: None)()


@pytest.fixture
def begun(
    harness: SimpleNamespace, load: Load, read: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Begun]:
    rows = {"pha": "{attention: pha}", "mean": "{attention: pha, test_map: mean}", "tam": "{attention: tam}"}

    def make(jobs: int, seeds: str, *names: str) -> Begun:
        methods = "".join(f"  {name}: {rows[name]}\n" for name in names)
        text = TINY.replace("seeds: [3]", f"seeds: {seeds}").replace("  pha+rhp: {attention: pha}\n", methods)
        made = Begun(harness, read(text), tmp_path / "out", jobs, load)
        monkeypatch.setattr(harness.module, "train", made.train)
        monkeypatch.setattr(harness.module, "test", made.test)
        monkeypatch.setattr(harness.module, "collect", lambda page, *_: {"A->B": page, "B->A": page})
        return made

    return make


def test_trainings_begin_in_the_planned_order_and_a_test_before_the_next_training_whichever_thread_is_first(
    begun: Callable[..., Begun], load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    study = begun(1, "[1, 2]", "pha", "tam", "mean")
    assert load("run").perform(study.runner, study.runs, study.executor) == 0
    steps = ["train bare", "test bare", "train pha", "test pha", "train tam", "test tam", "test mean"]
    assert study.noted == [f"{step}, seed {seed}" for seed in (1, 2) for step in steps]
    capsys.readouterr()
    assert load("run").perform(study.runner, study.runs, study.executor) == 0
    said = [f"[{number}/8] {run}: was done" for number, run in enumerate(study.runs, start=1)]
    assert capsys.readouterr().out.splitlines() == said


def test_a_run_that_waits_for_the_training_of_another_holds_up_nobody(begun: Callable[..., Begun], load: Load) -> None:
    study, later = begun(2, "[3]", "pha", "mean", "tam"), threading.Event()
    study.within["train tam, seed 3"] = later.set
    seen: list[bool] = []
    study.within["train pha, seed 3"] = lambda: seen.append(later.wait(30))
    assert load("run").perform(study.runner, study.runs, study.executor) == 0
    assert seen == [True] and study.noted.index("test mean, seed 3") > study.noted.index("train tam, seed 3")


def test_several_systems_are_each_trained_bare_and_guided_with_their_own_options(
    load: Load, read: Callable[[str], Any], tmp_path: Path
) -> None:
    study = read(SEVERAL)
    names = ["GAN bare", "GAN pha+rhp", "CycleGAN bare", "CycleGAN pha+rhp"]
    assert [method.name for method in study.methods] == names and study.pairs
    planned = load("runner").planned(study, tmp_path)
    commands = [load("runs").command_line(study, run, "train.py", tmp_path, tmp_path) for run in planned]
    models = [command[command.index("--model") + 1] for command in commands]
    assert models == ["pix2pix", "guide_pix2pix", "cycle_gan", "guide_cycle_gan"]
    assert [command[command.index("--ngf") + 1] for command in commands] == ["4", "4", "6", "6"]
    assert [method.system.train_options.get("unconditional", False) for method in study.methods] == [True, True] + 2 * [
        False
    ]
    assert [run.method.system.directions for run in planned[1:3]] == [("A->B",), ("A->B", "B->A")]
    dataset = load("dataset").prepare(study.data, tmp_path / "out", study.pairs)
    assert len(list((dataset.root / "train").iterdir())) == len(list((dataset.root / "trainA").iterdir())) == 6


def test_a_study_of_one_system_is_the_same_study_as_before_there_were_several(load: Load) -> None:
    study = load("reading").read_study(STUDY / "shapes.yaml")
    found = [study.fingerprint(method, 1) for method in study.methods]
    assert found == ["792659acd3455d7c", "64e634f1d618cf6f", "353f96ede4ae27c3", "a7f5be549d44fc7d"]


def test_guidance_is_compared_with_its_own_system_and_bad_news_is_said_first(
    load: Load, read: Callable[[str], Any]
) -> None:
    study = read(SEVERAL.replace("seeds: [3]", "seeds: [0, 1]"))

    def result(*kids: float, change: float = 0.2) -> dict[str, Any]:
        both = zip(("A->B", "B->A"), kids, strict=False)
        return {"epochs": {"2": {key: {"kid_target": kid, "object_change": change} for key, kid in both}}}

    results: dict[tuple[str, int], dict[str, Any]] = {}
    for seed in (0, 1):
        results |= {("GAN bare", seed): result(10 + seed), ("GAN pha+rhp", seed): result(8 + seed)}
        results |= {("CycleGAN bare", seed): result(5, 5), ("CycleGAN pha+rhp", seed): result(9 + seed, 4.5 + seed)}
    table, words = load("tables").collate(study, results), load("words")
    said = words.summary(study, table)
    assert "worse than no guidance under every seed in 1 of 3 comparisons, and better in 1; in 1 the seeds" in said
    assert "With 2 seeds, guidance that did nothing would look worse or better under every seed in 50% of" in said
    assert said.index("Worse under every seed: CycleGAN pha+rhp, A->B (+4.50).") < said.index(
        "Better under every seed: GAN pha+rhp, A->B (-2.00)."
    )
    for seed in (0, 1):
        results["GAN bare", seed] = result(10 + seed, change=0.001)
    said = words.summary(study, load("tables").collate(study, results))
    assert said.startswith(
        "Outputs are the inputs, hardly changed, in: GAN bare, A->B. These are compared with nothing."
    )
    assert "every seed in 1 of 2 comparisons, and better in 0" in said
    lines = list(words.overview(study, table))
    assert lines[0] == "| method | A->B: kid_target | B->A: kid_target |"
    assert lines[2:4] == ["| GAN bare | 10.50 |  |", "| GAN pha+rhp | 8.50 |  |"] and len(lines) == 7


def test_the_caption_of_a_picture_names_the_methods_whose_outputs_are_gone_and_only_where_some_are(
    load: Load, read: Callable[[str], Any], tmp_path: Path
) -> None:
    study, dataset = read(TINY), SimpleNamespace(test={"A": tmp_path / "inputs", "B": tmp_path / "inputs"})
    runs = load("runner").planned(study, tmp_path / "out")
    outputs = [run.folder / "outputs_2" for run in runs]
    for folder in (tmp_path / "inputs", outputs[1] / "fake_B", outputs[1] / "attention_A"):
        folder.mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(folder / "0.png")
    results = {(run.method.name, run.seed): {"epochs": {"2": {}}} for run in runs}

    def captions() -> list[str]:
        drawn = load("run")._draw_pictures(study, runs, results, dataset, tmp_path)
        told = {"pictures": list(drawn), "not_shown": drawn}
        return [line for line in load("report")._pictures(study, told, "A->B") if line.startswith("*")]

    samples, maps = captions()
    assert samples.endswith("; no outputs of bare any more.*") and "any more" not in maps, "bare has no maps anyway"
    shutil.copytree(outputs[1] / "fake_B", outputs[0] / "fake_B")
    assert not any("any more" in caption for caption in captions())


def test_curves_are_a_measure_over_tested_epochs_and_one_epoch_has_none(
    load: Load, read: Callable[[str], Any], tmp_path: Path
) -> None:
    study, module = read(TINY.replace("save_epoch_freq: 2", "save_epoch_freq: 1")), load("curves")
    measure = load("measures").criterion(study)

    def result(*kids: float) -> dict[str, Any]:
        return {"epochs": {str(epoch): {"A->B": {"kid_target": kid}} for epoch, kid in enumerate(kids, start=1)}}

    results = {("bare", 3): result(9.0, 5.0), ("pha+rhp", 3): result(8.0, 6.0)}
    assert module.curves(study, results, "A->B", measure) == {"bare": {3: [9.0, 5.0]}, "pha+rhp": {3: [8.0, 6.0]}}
    assert module.draw_curves(study, results, "A->B", measure, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.width > 1000
    assert not module.draw_curves(study, results, "B->A", measure, tmp_path / "none.png")
    assert not module.draw_curves(read(TINY), results, "A->B", measure, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_the_interval_is_the_percentile_bootstrap_of_paired_differences(load: Load) -> None:
    rng = np.random.default_rng(1)
    method, bare = rng.normal(size=5), rng.normal(size=5)
    found = load("intervals").paired_difference(list(method), list(bare), resamples=2000, seed=7)
    drawn = np.random.default_rng(7).integers(0, 5, (2000, 5))
    means = sorted(sum(method[i] - bare[i] for i in row) / 5 for row in drawn)
    place = 0.025 * 1999
    low = means[int(place)] + (place - int(place)) * (means[int(place) + 1] - means[int(place)])
    assert found.mean == pytest.approx(np.mean(method) - np.mean(bare)) and found.low == pytest.approx(low)
    assert found.low < found.mean < found.high


def test_three_seeds_give_the_interval_of_all_27_resamples(load: Load) -> None:
    values = [0.0, 1.0, 5.0]
    found = load("intervals").paired_difference(values, [0.0] * 3, resamples=200_000)
    means = [np.mean(picks) for picks in itertools.product(values, repeat=3)]
    assert (found.low, found.high) == (min(means), max(means)), "which is the range, and the report says so"
    assert "1 of 4 studies" in load("intervals").worth(3) and "not 95 % certainty" in load("intervals").worth(3)


def test_the_best_epoch_is_chosen_by_the_first_score_and_compared_seed_by_seed(
    load: Load, read: Callable[[str], Any]
) -> None:
    study = read(TINY.replace("seeds: [3]", "seeds: [0, 1]"))

    def result(*kids: float) -> dict[str, Any]:
        both = {direction: {} for direction in study.directions}
        return {"epochs": {str(2 * n): {key: {"kid_target": kid} for key in both} for n, kid in enumerate(kids, 1)}}

    results = {("bare", 0): result(3, 4), ("bare", 1): result(9, 5), ("pha+rhp", 1): result(7, 8)}
    table = load("tables").collate(study, results)
    row = table["figures"]["B->A"]["kid_target"]
    assert row["bare"]["last"]["mean"] == 4.5 and row["bare"]["best"]["mean"] == 4.0
    assert table["best_epochs"]["A->B"] == {"bare": {0: 2, 1: 4}, "pha+rhp": {1: 2}}
    assert row["pha+rhp"]["last"]["difference"]["values"] == (3.0,) and "difference" not in row["bare"]["last"]


def test_changes_are_mean_absolute_differences_outside_and_inside_the_region(load: Load, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    region = np.zeros((8, 8), bool)
    region[2:5, 3:7] = True
    images = {name: rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for name in ("fakes", "inputs")}
    for name, pixels in (*images.items(), ("regions", region.astype(np.uint8) * 255)):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "0.png")
    found = load("evaluator").changes(*(tmp_path / name for name in ("fakes", "inputs", "regions")))
    difference = np.abs(images["fakes"].astype(float) - images["inputs"]) / 255
    assert found["background_change"] == pytest.approx(difference[~region].mean(), abs=1e-6)
    assert found["object_change"] == pytest.approx(difference[region].mean(), abs=1e-6)


def test_the_classifier_is_written_once_and_names_features_for_the_command(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier, path = load("classifier"), tmp_path / "judge" / "classifier.safetensors"
    state = torch.get_rng_state()
    about = classifier.train_classifier(path, 32, count=8, passes=1)
    written = path.stat().st_mtime_ns
    assert classifier.train_classifier(path, 32, count=8, passes=1) == about and path.stat().st_mtime_ns == written
    assert torch.equal(torch.get_rng_state(), state)
    monkeypatch.setenv("STUDY_CLASSIFIER", str(path))
    features = importlib.import_module("guidegan_plugin.evaluation.features").load_features("classifier:trained")
    images = torch.rand(3, 3, 32, 32)
    found = features(images)
    assert found.shape == (3, 128) and found.abs().max() <= 1
    assert torch.allclose(features(images[:1]), found[:1], atol=1e-5)


def test_pairs_become_one_folder_a_domain_with_the_labels_colours_kept(load: Load, tmp_path: Path) -> None:
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, :20], pixels[:, 20:40], pixels[:, 40:] = (128, 0, 0), (128, 64, 128), (9, 99, 199)
    for split in ("train", "test"):
        (tmp_path / "pairs" / split).mkdir(parents=True)
        Image.fromarray(pixels[:, ::-1] if split == "train" else pixels).save(tmp_path / "pairs" / split / "0.png")
    data = load("settings").Data("camvid", 32, 0, 1, 0, tmp_path / "pairs", "AtoB")
    dataset = load("dataset").prepare(data, tmp_path / "out")
    label = np.asarray(Image.open(dataset.test["A"] / "0.png"))
    assert {tuple(colour) for colour in label.reshape(-1, 3)} == {(128, 0, 0), (128, 64, 128)}
    assert (np.asarray(Image.open(dataset.test["B"] / "0.png")) == (9, 99, 199)).all()


def test_on_pairs_a_system_without_pairs_has_folders_of_its_own_with_the_models_a_in_a(
    load: Load, read: Callable[[str], Any], tmp_path: Path
) -> None:
    pixels = np.zeros((40, 96, 3), np.uint8)
    pixels[:, :48] = 255  # the photo, which is the model's B
    for split in ("train", "test"):
        (tmp_path / "pairs" / split).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "pairs" / split / "0.png")
    text = SEVERAL.replace("kind: shapes, size: 32, train: 6", "kind: paired, size: 32, direction: BtoA")
    text = text.replace("CycleGAN: {model", "CycleGAN: {pairs: false, model")
    text = text.replace("[kid, domain, change, attention]", "[kid], features: inception")
    study = read(text, tmp_path / "pairs")
    dataset = load("dataset").prepare(study.data, tmp_path / "out", study.pairs, study.apart)
    gan, cycle_gan = study.methods[0].system, study.methods[-1].system
    assert dataset.root_of(gan) == tmp_path / "pairs" and cycle_gan.directions == ("A->B", "B->A")
    for domain, value in (("A", 0), ("B", 255)):
        image = np.asarray(Image.open(dataset.root_of(cycle_gan) / f"train{domain}" / "0.png"))
        assert image.shape == (40, 48, 3) and (image == value).all()
    run = load("runner").planned(study, tmp_path)[-1]
    command = load("runs").command_line(study, run, "train.py", dataset.root_of(cycle_gan), tmp_path)
    assert "--direction" not in command and str(dataset.root_of(cycle_gan)) in command


def test_pairs_of_data_that_has_none_are_refused(read: Callable[[str], Any], tmp_path: Path) -> None:
    text = SEVERAL.replace("kind: shapes, size: 32, train: 6", "kind: unpaired, size: 32")
    text = text.replace("[kid, domain, change, attention]", "[kid], features: inception")
    with pytest.raises(ConfigError, match=r"systems\.GAN\.pairs: data.kind unpaired has no pairs; leave it out"):
        read(text, tmp_path)


def test_no_more_is_tested_than_the_smaller_domain_has(load: Load, tmp_path: Path, unpaired: Path) -> None:
    (unpaired / "testB" / "1.png").unlink()
    data = load("settings").Data("unpaired", 32, 0, 50, 0, unpaired, "AtoB")
    dataset = load("dataset").prepare(data, tmp_path / "out")
    assert dataset.tested == len(list(dataset.test["A"].iterdir())) == len(list(dataset.test["B"].iterdir())) == 2


def test_features_of_real_images_are_computed_once_a_study(
    load: Load, read: Callable[[str], Any], tmp_path: Path, unpaired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "seen = 0\ndef mean(x):\n    global seen\n    seen += len(x)\n    return x.mean((2, 3))"
    (tmp_path / "colours.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    text = TINY.replace("kind: shapes, size: 32, train: 6", "kind: unpaired, size: 32")
    study = read(text.replace("[kid, domain, change, attention]", "[kid], features: 'colours:mean'"), unpaired)
    dataset = load("dataset").prepare(study.data, tmp_path / "out")
    evaluator = load("evaluator").Evaluator(study, dataset, tmp_path / "out")
    fakes = shutil.copytree(dataset.test["A"], tmp_path / "fakes")
    first = evaluator.score(fakes, "A->B")[0]
    of_fakes, of_real = len(list(fakes.iterdir())), 2 * dataset.tested
    assert sys.modules["colours"].seen == of_fakes + of_real
    assert evaluator.score(fakes, "A->B")[0] == first and evaluator.score(fakes, "B->A")[0] != first
    assert sys.modules["colours"].seen == 3 * of_fakes + of_real


def test_other_files_or_another_size_are_never_scored_against_copies_of_the_former_ones(
    load: Load, tmp_path: Path, unpaired: Path
) -> None:
    prepare, data = load("dataset").prepare, load("settings").Data("unpaired", 32, 0, 2, 0, unpaired, "AtoB")
    first = prepare(data, tmp_path / "out")
    written = (first.test["B"] / "0.png").stat().st_mtime_ns
    assert prepare(data, tmp_path / "out") == first and (first.test["B"] / "0.png").stat().st_mtime_ns == written
    Image.new("RGB", (40, 40), "red").save(unpaired / "testB" / "0.png")
    changed = open_image(prepare(data, tmp_path / "out").test["B"] / "0.png")
    assert changed.size == (32, 32) and changed.getpixel((0, 0)) == (255, 0, 0)
    larger = prepare(dataclasses.replace(data, size=48), tmp_path / "out")
    assert open_image(larger.train["A"] / "0.png").size == (48, 48)


def test_shapes_that_were_drawn_with_other_settings_are_refused(load: Load, tmp_path: Path) -> None:
    prepare, data = load("dataset").prepare, load("settings").Data("shapes", 32, 2, 2, 0, None, "AtoB")
    prepare(data, tmp_path)
    with pytest.raises(
        ConfigError, match=r"data was drawn with size 32, not 40, seed 0, not 1; change --out, or remove"
    ):
        prepare(dataclasses.replace(data, size=40, seed=1), tmp_path)
    with pytest.raises(ConfigError, match=r"data was drawn with pairs False, not True"):
        prepare(data, tmp_path, pairs=True)


def test_two_images_of_one_name_are_refused_before_anything_is_trained(
    load: Load, tmp_path: Path, unpaired: Path
) -> None:
    Image.new("RGB", (32, 32)).save(unpaired / "testA" / "0.jpg")
    data = load("settings").Data("unpaired", 32, 0, 9, 0, unpaired, "AtoB")
    with pytest.raises(DataError, match=r"0.jpg and .*0.png have one name but for the suffix; rename one of them"):
        load("dataset").prepare(data, tmp_path / "out")


def test_outputs_are_named_as_their_inputs_whatever_the_page_calls_them(
    load: Load, tmp_path: Path, unpaired: Path
) -> None:
    for number, path in enumerate(sorted((unpaired / "testB").iterdir())):
        path.rename(path.with_name(f"night{number}{path.suffix}"))
    data = load("settings").Data("unpaired", 32, 0, 2, 0, unpaired, "AtoB")
    dataset = load("dataset").prepare(data, tmp_path / "out")
    (tmp_path / "page").mkdir()
    for day, visual in itertools.product(dataset.names("A"), ("fake_B", "fake_A", "attention_A", "attention_B")):
        (tmp_path / "page" / f"{day}_{visual}.png").touch()
    found = load("evaluator").collect(tmp_path / "page", tmp_path / "outputs", dataset, ("A->B", "B->A"))
    (tmp_path / "page" / "stranger_fake_B.png").touch()
    with pytest.raises(GuideError, match="shows stranger, which is no image of"):
        load("evaluator").collect(tmp_path / "page", tmp_path / "others", dataset, ("A->B",))
    for folder, domain in ((found["A->B"], "A"), (found["B->A"], "B"), (tmp_path / "outputs" / "attention_B", "B")):
        assert {path.name for path in folder.iterdir()} == {path.name for path in dataset.test[domain].iterdir()}


def test_a_segmenter_trained_on_photos_tells_them_from_noise(
    load: Load, read: Callable[[str], Any], tmp_path: Path
) -> None:
    rng, colours = np.random.default_rng(0), np.array([(128, 128, 128), (128, 64, 128)], np.uint8)  # sky and road
    for split, count in (("train", 16), ("test", 4)):
        (tmp_path / "pairs" / split).mkdir(parents=True)
        for number in range(count):
            label = np.repeat((np.arange(32) > rng.integers(8, 24))[:, None], 32, axis=1)
            photo = np.array([(90, 160, 240), (60, 60, 60)])[label.astype(int)] + rng.integers(-15, 15, (32, 32, 3))
            pair = np.concatenate([photo.astype(np.uint8), colours[label.astype(int)]], axis=1)
            Image.fromarray(pair).save(tmp_path / "pairs" / split / f"{number}.png")
    text = TINY.replace("kind: shapes, size: 32, train: 6, test: 8", "kind: camvid, size: 32, test: 4, direction: BtoA")
    study = read(
        text.replace("kid, domain, change, attention", "fcn").replace("passes: 2", "passes: 20"), tmp_path / "pairs"
    )
    dataset = load("dataset").prepare(study.data, tmp_path / "out")
    evaluator = load("evaluator").Evaluator(study, dataset, tmp_path / "out")
    (tmp_path / "noise").mkdir()
    for path in dataset.test["B"].iterdir():
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / "noise" / path.name)
    real = evaluator.anchors()["the real photos"]["A->B"]
    assert real["per_pixel_accuracy"] > 0.9 > evaluator.score(tmp_path / "noise", "A->B")[0]["per_pixel_accuracy"]
