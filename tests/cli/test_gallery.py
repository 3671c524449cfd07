from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import save_stores


def test_json_on_standard_output_has_it_for_itself(
    tmp_path: Path, guidegan: Callable[..., int | str], capsys: pytest.CaptureFixture[str]
) -> None:
    store = AttentionStore()
    store.write(["a.png"], torch.eye(4)[None, None])
    save_stores(tmp_path / "1_guide.safetensors", {"A": store.state()}, {})
    assert guidegan("gallery", tmp_path, "--json", "-") == 0
    page = json.loads(capsys.readouterr().out)["page"]
    assert Path(page).is_file()
