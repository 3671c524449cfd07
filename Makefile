# make demo    the main job, from nothing to an HTML page
# make test    everything that must hold: linters, all tests, coverage
# make full    the same tests with every combination of their parameters; takes some minutes more
# make check   for every change: linters, and the tests that are not marked slow
# make lint    ruff and mypy
# make fuzz    10,000 mutated files for every reader; FILES=300 for fewer
# make bench   the figures of docs/benchmarks.md that a CPU can tell, as JSON in build/bench; goes on where it was stopped
# make matrix  the fast tests on every Python and torch that this machine can install (noxfile.py); takes hours
# make audit   known vulnerabilities of what is installed, where pip-audit reaches its data
# make docs    docs/ and an API reference as HTML, in build/docs
# make clean   removes .venv/, demo/, build/ and dist/
# All but clean set up .venv/ first; a second run starts at once. JOBS=4 runs tests in four processes instead of one a core.

PYTHON ?= python3
JOBS ?= auto
FILES ?= 10000
BIN := .venv/bin
READY := .venv/.ready
# Old pip takes the first for its build environments, new pip the second; see constraints.txt.
PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt $(BIN)/python -m pip
# A thread each: the processes share the cores already.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

.PHONY: demo test full check lint fuzz bench matrix audit docs patches clean

demo: $(READY)
	$(BIN)/python examples/demo.py

test: lint
	$(PYTEST) --cov --cov-fail-under=95 --cov-report=term-missing:skip-covered

full: lint
	GUIDEGAN_FULL=1 $(PYTEST)

check: lint
	$(PYTEST) -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/run.py --files $(FILES)

bench: $(READY)
	$(BIN)/python examples/benchmarks/cpu.py build/bench

matrix: $(READY)
	$(PIP) install --quiet --disable-pip-version-check -e ".[matrix]"
	$(BIN)/nox -s tests

audit: $(READY)
	$(PIP) install --quiet --disable-pip-version-check -e ".[matrix]"
	$(BIN)/nox -s audit

docs: $(READY)
	$(BIN)/python docs/build.py

patches: $(READY)
	$(BIN)/python -m guidegan_plugin.hosts.patches junyanz > patches/guidegan.patch

# What defines the install; options of pip stand in this file itself.
$(READY): setup.cfg pyproject.toml constraints.txt Makefile
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --disable-pip-version-check -e ".[all]"
	touch $@

clean:
	rm -rf .venv demo build dist
