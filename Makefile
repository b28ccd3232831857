# make test   set up everything and run all tests
# make demo   set up and show the main job
# make bench  time crunpy beside the peers that are installed (BENCH='--quick --only exec')
# make lint   formatting, lint and types alone
SHELL := /bin/bash
PYTHON ?= /usr/bin/python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := $(shell find crun_py -name '*.py' -o -name '*.c' -o -name '*.h') setup.py pyproject.toml bin/crunpy

.PHONY: all system test demo bench lint clean

all: $(VENV)/.built

system:
	@tools/system-packages

$(VENV)/.venv: pyproject.toml | system
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	$(BIN)/pip install -q setuptools wheel cffi
	touch $@

$(VENV)/.built: $(VENV)/.venv $(SOURCES)
	$(BIN)/pip install -q --no-build-isolation --config-settings editable_mode=compat -e '.[dev]'
	$(BIN)/python setup.py -q build_ext --inplace
	$(BIN)/python -m compileall -q crun_py
	touch $@

lint: all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	tools/lint-c

test: all lint
	tools/in-test-namespace $(BIN)/python -m pytest -n 2 $(TESTS)

demo: all
	$(BIN)/python tools/demo.py

bench: all
	tools/in-test-namespace $(BIN)/python tools/bench $(BENCH)

clean:
	rm -rf build *.egg-info $(VENV) .cache crun_py/_native/*.so crun_py/_native/crunpy-core crun_py/_native/_shim.c
