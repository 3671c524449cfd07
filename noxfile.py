"""`make matrix`: the fast tests on every pair of Python and torch that the package supports. `make audit`: pip-audit.

A pair whose Python is not on this machine is skipped, and nox says so. `nox --list` shows the pairs,
`nox -s "tests(torch='2.4', python='3.11')"` runs one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import nox

# torchvision is made for one torch. The last pair is the newest there is.
VISION = {"2.4": "0.19", "2.5": "0.20", "2.6": "0.21", "2.7": "0.22", "2.8": "0.23", "newest": ""}
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
# torch has wheels for Python 3.13 from 2.5 on.
PAIRS = [(python, torch) for python in PYTHONS for torch in VISION if (python, torch) != ("3.13", "2.4")]

nox.options.error_on_missing_interpreters = False
nox.options.default_venv_backend = "uv|virtualenv"


@nox.session
@nox.parametrize("python, torch", PAIRS)
def tests(session: nox.Session, torch: str) -> None:
    """Install the package with everything optional, and run the tests that are not slow."""
    wanted = [] if torch == "newest" else [f"torch=={torch}.*", f"torchvision=={VISION[torch]}.*"]
    constraints = os.path.abspath("constraints.txt")  # noqa: PTH100 - a variable's text
    build = {"PIP_CONSTRAINT": constraints, "PIP_BUILD_CONSTRAINT": constraints, "UV_BUILD_CONSTRAINT": constraints}
    session.install("-e", ".[all]", *wanted, env=build)
    session.run("pytest", "-m", "not slow", *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session(python=False)
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities of what is installed beside nox; without data on them say so, and do not pass."""
    command = [sys.executable, "-m", "pip_audit", "--skip-editable", "--progress-spinner", "off", "--format", "json"]
    ended = subprocess.run(command, capture_output=True, text=True)
    try:
        packages = json.loads(ended.stdout)["dependencies"]
    except ValueError:
        session.skip(f"not audited: pip-audit says {ended.stderr.strip().splitlines()[-1:]}")
    known = [package for package in packages if "skip_reason" not in package]
    if not known:
        session.skip(
            f"not audited: the data on vulnerabilities of {len(packages)} packages cannot be reached from here"
        )
    session.log(f"{len(known)} packages audited, {len(packages) - len(known)} are not known to the data")
    vulnerable = [package for package in known if package["vulns"]]
    for package in vulnerable:
        names = ", ".join(one["id"] for one in package["vulns"])
        session.log(f"{package['name']} {package['version']}: {names}")
    if vulnerable:
        session.error(f"{len(vulnerable)} packages have known vulnerabilities")
