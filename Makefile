# make demo   the main job, from nothing to an HTML page
# make test   everything that must hold
# make docs   docs/ and an API reference as HTML, in build/docs
# They set up .venv/ first; a second run starts at once.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Old pip takes the first for its build environments, new pip the second; see constraints.txt.
PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt $(BIN)/python -m pip

.PHONY: demo test lint docs patches clean

demo: $(READY)
	$(BIN)/python examples/demo.py

test: lint
	$(BIN)/python -m pytest --cov --cov-fail-under=90 --cov-report=term-missing:skip-covered

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/python docs/build.py

patches: $(READY)
	$(BIN)/python -m guidegan_plugin.hosts.patches junyanz > patches/guidegan.patch

$(READY): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --disable-pip-version-check -e ".[all]"
	touch $@

clean:
	rm -rf .venv demo build
