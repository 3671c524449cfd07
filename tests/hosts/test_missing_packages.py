"""What a codebase imports is followed from its scripts, and what is lacking is named as pip names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from guidegan_plugin.hosts.missing_packages import check_packages, imported_from


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "train.py": "import os.path, torch\nimport nets.first\nfrom util import html\nfrom helpers import *\n",
        "nets/__init__.py": "",
        "nets/first.py": "from .second import Net\nfrom . import third\n",
        "nets/second.py": "import gone_package.part\n",
        "nets/third.py": "from other_gone import one, two\nimport apart_package\n",
        "util/html.py": "import dominate_of_nobody\n\n\ndef late():\n    import sought_in_a_call\n",
        "helpers.py": "try:\n    import tried\nexcept ImportError:\n    tried = None\nimport nets\n",
        "export.py": "import of_another_script\n",
        "torn.py": "def (",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_the_scripts_import_is_followed_and_nothing_else(root: Path) -> None:
    found = imported_from(root, ["train.py", "absent.py", "torn.py"])
    names = [path.relative_to(root).as_posix() for path in found]
    nets = [f"nets/{name}.py" for name in ("__init__", "first", "second", "third")]
    assert sorted(names) == sorted(["train.py", "torn.py", "helpers.py", "util/html.py", *nets])
    checks = check_packages(root, found, apart=["apart_package"])
    assert {check.status for check in checks} == {"failure"}
    assert {(check.found, check.cure) for check in checks} == {
        (f"{file} imports {name}, which is not there", f"pip install {name}")
        for file, name in (
            ("nets/second.py", "gone_package"),
            ("nets/third.py", "other_gone"),
            ("util/html.py", "dominate_of_nobody"),
        )
    }


def test_a_package_is_named_as_pip_names_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guidegan_plugin.hosts.missing_packages.find_spec", lambda name: None)
    (root / "train.py").write_text("import yaml\nimport cv2\nfrom PIL import Image\n")
    cures = [check.cure for check in check_packages(root, [root / "train.py"])]
    assert cures == ["pip install PyYAML", "pip install opencv-python", "pip install Pillow"]
