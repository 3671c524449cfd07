"""--guide_refine: the host's test translates again while its discriminator's score rises."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from guidegan_plugin.errors import ConfigError, HostError
from guidegan_plugin.hosts.junyanz import refined_test as refinement

Run = Callable[..., None]
Small = Callable[[str, Path], list[str]]
LINE = re.compile(r"pair (\w+), (\S+): score of the discriminator ([-.\d >]+); kept translation (\d)")


@pytest.fixture
def trained(
    request: pytest.FixtureRequest, run_host: Run, small: Small, one_epoch: list[str]
) -> Callable[[str], list[str]]:
    """Train a model for an epoch; the options to test it with."""

    def train(model: str) -> list[str]:
        options = small(f"guide_{model}", request.getfixturevalue("paired" if model == "pix2pix" else "unpaired"))
        run_host("train.py", *options, *one_epoch, "--lr", "0.01")
        return options

    return train


def images_of(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (Path(folder) / "run" / "test_latest" / "images").iterdir()}


@pytest.mark.slow_but_first
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_the_best_of_at_most_so_many_translations_is_kept(
    run_host: Run, trained: Any, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    options = trained(model)
    run_host("test.py", *options, "--guide_show", "--results_dir", "plain")
    run_host("test.py", *options, "--guide_show", "--guide_refine", 0, "--results_dir", "none")
    assert images_of("plain") == images_of("none") and "score of the discriminator" not in caplog.text
    run_host("test.py", *options, "--guide_refine", 2, "--results_dir", "refined")
    lines = LINE.findall(caplog.text)
    assert len(lines) == (3 if model == "pix2pix" else 6)
    plain, refined = images_of("plain"), images_of("refined")
    assert set(plain) == set(refined), "it shows where D looks, too"
    for pair, key, scores, kept in lines:
        values = [float(value) for value in scores.split(" -> ")]
        assert 2 <= len(values) <= 3 and values[int(kept) - 1] == max(values)
        fake = f"{Path(key).stem}_fake_{'A' if pair == 'B' else 'B'}.png"
        assert (plain[fake] == refined[fake]) == (kept == "1"), "the placeholder's output, or a guided one"


def test_what_is_kept_is_what_was_scored_also_with_dropout(
    run_host: Run, trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pix2pix draws dropout at test time: the host's own forward must repeat the best pass, draws and all."""
    options, scores = trained("pix2pix"), []

    class Watched(refinement.HostRefinement):
        def find(self) -> None:
            super().find()
            original = type(self._model).compute_visuals

            def compute_visuals() -> None:
                asked = self._visuals.ask(self._guides.pairs[0])
                scores.append((refinement.score(asked[0]), max(self._model.refine_scores["A"])))  # type: ignore[index]
                original(self._model)

            self._model.compute_visuals = compute_visuals  # type: ignore[method-assign]

    monkeypatch.setattr("guidegan_plugin.hosts.junyanz.model.HostRefinement", Watched)
    run_host("test.py", *options, "--guide_refine", 3)
    assert len(scores) == 3
    for final, best in scores:
        assert final == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("eval_mode", [[], ["--eval"]], ids=["as trained", "--eval"])
def test_passes_leave_modes_gradients_random_numbers_and_running_statistics(
    run_host: Run,
    small: Small,
    one_epoch: list[str],
    paired: Path,
    monkeypatch: pytest.MonkeyPatch,
    eval_mode: list[str],
) -> None:
    options = [*small("guide_pix2pix", paired), "--norm", "batch", "--guide_attention", "tam"]
    options += ["--guide_transfer", "conv"]
    run_host("train.py", *options, *one_epoch)
    modes = list[bool]()

    class Watched(refinement.HostRefinement):
        def find(self) -> None:
            model: Any = self._model
            forward, aside = model.forward, nn.BatchNorm2d(3)
            model.aside = aside  # a network of a fork's own, which the forward calls, too
            monkeypatch.setattr(model, "forward", lambda: (aside(model.real_A), forward())[1], raising=False)
            owned = {name: value for name, value in vars(model).items() if isinstance(value, nn.Module)}
            assert {"netG", "netD", "netT", "aside"} <= set(owned)
            networks = nn.ModuleDict({**owned, **self._guides.guides["A"].networks()})
            before = copy.deepcopy(networks.state_dict()), torch.get_rng_state()
            flags = {name: part.training for name, part in networks.named_modules()}
            super().find()
            assert len(model.refine_scores["A"]) > 1
            after = networks.state_dict()
            assert all(torch.equal(value, after[name]) for name, value in before[0].items())
            assert torch.equal(before[1], torch.get_rng_state())
            assert flags == {name: part.training for name, part in networks.named_modules()}
            assert all(weight.grad is None for weight in networks.parameters())
            modes.extend((model.netG.training, model.netD.training))

    monkeypatch.setattr("guidegan_plugin.hosts.junyanz.model.HostRefinement", Watched)
    run_host("test.py", *options, "--guide_refine", 2, "--num_test", 1, *eval_mode)
    assert modes == [not eval_mode, True], "D looks as it was trained"


def test_one_direction_is_refined_with_guide_test(
    run_host: Run, trained: Any, small: Small, unpaired: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained("cycle_gan")
    options = [*small("guide_test", unpaired / "testA"), "--model_suffix", "_A", "--no_dropout"]
    run_host("test.py", *options, "--guide_refine", 1)
    assert len(LINE.findall(caplog.text)) == 3 and "attention_A.png" in "".join(images_of("results"))


def test_what_cannot_work_is_refused_naming_the_flag(run_host: Run, trained: Any) -> None:
    options = trained("cycle_gan")
    with pytest.raises(ConfigError, match=r"refine: expected passes from 0, found -1; change --guide_refine"):
        run_host("test.py", *options, "--guide_refine", -1)
    with pytest.raises(ConfigError, match=r"attention=none.*--guide_refine or --guide_attention"):
        run_host("test.py", *options, "--guide_refine", 1, "--guide_attention", "none")
    with pytest.raises(ConfigError, match=r"input, which concat=gradient leaves alone; leave out --guide_refine"):
        run_host("test.py", *options, "--guide_refine", 1, "--guide_concat", "gradient")
    (Path("checkpoints") / "run" / "latest_net_D_B.pth").unlink()
    with pytest.raises(HostError, match=r"no discriminator .*latest_net_D_B.pth.*--guide_refine"):
        run_host("test.py", *options, "--guide_refine", 1)
