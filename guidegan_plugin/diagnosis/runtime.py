"""Packages: torch and torchvision as a pair, GPUs, visdom."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping

from guidegan_plugin.errors import GuideError
from guidegan_plugin.plugins.check import Check, failed
from guidegan_plugin.utils.packages import install_command, is_installed, version_of

_PROBE = "guidegan_plugin.diagnosis.probe"
_SECONDS = 120  # torch from a cold network disk takes its time
_VISDOM_CURE = f"{install_command('visdom')} (a plain pip install fails with: No module named 'pkg_resources')"


def check_torch(meanwhile: Callable[[], object]) -> list[Check]:
    """Torch and torchvision, whether they fit each other, and the GPUs torch can use.

    Args:
        meanwhile: Called once torch is known to be importable, while another process looks at the rest.
    """
    try:
        facts, complaint = _probe(meanwhile)
    except GuideError as error:
        return [failed("torch", error)]
    if "torch" not in facts:
        return [Check("torch", "failure", f"torch cannot be imported: {complaint}", "pip install torch torchvision")]
    checks = [Check("torch", "ok", f"torch {facts['torch']}"), _torchvision(facts, complaint)]
    return [*checks, _cuda(facts)] if "gpus" in facts else checks


def _probe(meanwhile: Callable[[], object]) -> tuple[Mapping[str, object], str]:
    """What :mod:`guidegan_plugin.diagnosis.probe` said, and the last line of what ended it.

    Raises:
        GuideError: If it cannot be started.
    """
    facts: dict[str, object] = {}
    command = [sys.executable, "-m", _PROBE]
    with contextlib.ExitStack() as opened:
        try:
            errors = opened.enter_context(tempfile.TemporaryFile("w+", errors="replace"))
            process = opened.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace")
            )
        except OSError as error:  # no folder for temporary files has room, say
            found = f"no process that imports torch can be started ({error.strerror or error})"
            raise GuideError(f"{found}; mend that, or name a folder for temporary files: TMPDIR=DIR") from error
        clock = threading.Timer(_SECONDS, process.kill)
        clock.start()
        try:
            for line in process.stdout or ():
                known = "torch" in facts
                facts |= json.loads(line) if line.startswith("{") else {}
                if "torch" in facts and not known:
                    meanwhile()
            process.wait()
        except BaseException:  # Ctrl-C, too
            process.kill()
            raise
        finally:
            late = clock.finished.is_set()
            clock.cancel()
        errors.seek(0)
        complaint = (errors.read().strip().splitlines() or [""])[-1]
    if process.returncode < 0:
        ended = f"the interpreter was ended by signal {-process.returncode}"
        return facts, f"no answer in {_SECONDS} seconds" if late else ended
    return facts, complaint


def _torchvision(facts: Mapping[str, object], complaint: str) -> Check:
    if "torchvision" in facts:
        return Check("torchvision", "ok", f"torchvision {facts['torchvision']}, which fits")
    return Check(
        "torchvision",
        "failure",
        f"torchvision and torch {facts['torch']} do not work together: {complaint}",
        "install both in one go, so that pip pairs them: pip install --force-reinstall torch torchvision",
    )


def _cuda(facts: Mapping[str, object]) -> Check:
    gpus, complaint = facts["gpus"], facts["complaint"]
    if isinstance(gpus, list) and gpus:
        return Check("CUDA", "ok", ", ".join(map(str, gpus)))
    if facts["built_for"] and complaint:
        return Check(
            "CUDA",
            "warning",
            f"torch is built for CUDA {facts['built_for']} but reaches no GPU: {complaint}",
            "update the GPU's driver, or install a torch built for it (https://pytorch.org/get-started)",
        )
    return Check("CUDA", "ok", "no GPU; a training computes on the CPU")


def check_visdom() -> Check:
    """Visdom, for ``--guide_visdom``."""
    if is_installed("visdom"):
        found, tornado = f"visdom {version_of('visdom')}", version_of("tornado")
        numbers = re.match(r"(\d+)\.(\d+)", tornado)  # one that cannot be told is not complained of
        # Its page names a style sheet outside its static folder, which tornado refuses since 6.6.
        if numbers and tuple(map(int, numbers.groups())) >= (6, 6):
            found += f" with tornado {tornado}: its page would say 403 Forbidden"
            return Check("visdom", "warning", found, 'pip install "tornado<6.6"')
        return Check("visdom", "ok", found)
    return Check("visdom", "warning", "not installed: no live windows", _VISDOM_CURE)
