# Everything runs in the environment .venv, which `make install` makes once.
# PYTHON=python3.12 chooses another interpreter for it.

VENV := .venv
BIN  := $(VENV)/bin
DONE := $(VENV)/.installed

# Each worker has a screen of its own (tests/screen.py): no test takes the focus of another.
PYTEST   := $(BIN)/python -m pytest
PARALLEL := -n auto --dist worksteal

# What `make test-oldest` runs: reading, writing, predicting, learning; little of the window.
CORE := $(addprefix tests/test_,$(addsuffix .py,api cli coco convert edits geojson imagej images \
	label_tiff labels large_files learn manifest mask models nuclei other_formats outlines \
	predict prompts results review score suppress tiling))

# The oldest versions that pyproject.toml allows, on the oldest Python.
OLDEST := build/oldest
OLDEST_PYTHON := 3.11

.PHONY: help install demo test test-all test-slow test-cluster \
	test-wheel test-oldest test-pyside check docs lock clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(DONE)  ## make the environment in .venv

$(DONE): requirements.lock pyproject.toml hatch_build.py napari.yaml .ci/install .ci/system-libraries
	@.ci/system-libraries
	@.ci/install $(VENV)
	@touch $@

demo: install  ## segment a sample image, open it in napari if there is a screen
	$(BIN)/napari-nuclei demo

test: install  ## the tests but the slow ones, on all cores; about 7 minutes on two
	$(PYTEST) $(PARALLEL) -m "not slow"

test-all: install  ## all the tests: the slow ones, a cluster, the built wheel, the oldest versions
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory test-slow
	@$(MAKE) --no-print-directory test-cluster
	@$(MAKE) --no-print-directory test-wheel
	@$(MAKE) --no-print-directory test-oldest

test-slow: install
	$(PYTEST) -m slow --ignore=tests/test_cluster.py --ignore=tests/test_wheel.py

test-cluster: install
	$(PYTEST) -m slow tests/test_cluster.py

test-wheel: install
	$(PYTEST) tests/test_wheel.py

# Warnings of old libraries about their own age are no matter there.
test-oldest: $(OLDEST)/.installed  ## the core's tests with the oldest versions allowed
	QT_QPA_PLATFORM=offscreen $(OLDEST)/bin/python -m pytest -p no:cacheprovider -q \
		-o filterwarnings=default -m "not slow and not screen" $(CORE)

$(OLDEST)/.installed: pyproject.toml | install
	$(BIN)/uv venv --quiet --clear --python $(OLDEST_PYTHON) $(OLDEST)
	UV_HTTP_TIMEOUT=300 $(BIN)/uv pip install --python $(OLDEST)/bin/python \
		--resolution lowest-direct --requirements pyproject.toml --extra all --group test
	$(BIN)/uv pip install --quiet --python $(OLDEST)/bin/python --no-deps --editable .
	@touch $@

test-pyside: install  ## the tests of the window on PySide6 instead of PyQt6
	$(BIN)/uv pip install --quiet --target build/pyside 'PySide6-Essentials!=6.12.0'
	PYTHONPATH=build/pyside QT_API=pyside6 PYTEST_QT_API=pyside6 $(PYTEST) $(PARALLEL) \
		-m "not slow" $$(grep -lE "qtbot|_viewer|desk|qtpy" tests/test_*.py)

check: install docs  ## ruff, mypy, the napari manifest, the lock file, the docs and their examples
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/npe2 validate napari.yaml
	$(PYTEST) -q tests/test_docs.py tests/test_api.py
	@! grep -nvE '^[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+$$' requirements.lock \
		|| { echo "requirements.lock: only name==version lines belong there, run make lock"; exit 1; }

docs: install  ## the documentation, in build/docs; fails on a broken link
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m mkdocs build --quiet --strict -f docs/mkdocs.yml

lock: install  ## pin the newest versions that go together
	$(BIN)/uv pip compile --quiet --upgrade --no-header --no-annotate --python-version 3.11 \
		--extra all --group dev pyproject.toml --output-file requirements.lock

clean:  ## remove the environment and everything built or cached
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f napari_nuclei/napari.yaml
	find napari_nuclei tests training -name __pycache__ -type d -prune -exec rm -rf {} +
