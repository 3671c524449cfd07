from __future__ import annotations

from pathlib import Path

import pytest

from guidegan_plugin.diagnosis import diagnose as module
from guidegan_plugin.diagnosis.diagnose import diagnose
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.plugins.check import Check


def test_without_torch_what_does_not_need_it_is_still_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "check_torch", lambda meanwhile: [Check("torch", "failure", "gone", "install it")])
    assert [check.name for check in diagnose(tmp_path)] == ["torch", "visdom", "write access", "free disk"]


def test_a_folder_that_is_not_there_is_refused_by_its_argument(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere is no folder; change HOST_DIR"):
        diagnose(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="nowhere is no folder; change --dataroot"):
        diagnose(tmp_path, tmp_path / "nowhere")
