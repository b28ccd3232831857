# make test   set up everything and run all tests
# make vm-smoke  tests that take minutes in a VM: a selection on another kernel, a reboot
# make demo   set up and show the main job
# make bench  time crunpy beside the peers that are installed (BENCH='--quick --only exec')
# make fuzz    feed the readers with broken input (FUZZ='--seconds 600 untar')
# make chaos  faults made on purpose, with figures (CHAOS='--only R1,R4 --rounds 20')
# make soak   random commands at once for a time (SOAK='--seconds 1200 --processes 6 --seed 1')
# make lint   formatting, lint and types alone
# make wheels  wheels that install without a compiler, in dist/: x86-64 and arm64, glibc and musl
# make onefile  the command as one file that needs only Python 3.11, in dist/ARCHITECTURE/
# make deb    a Debian package for amd64 and one for arm64, in dist/
# make docs   the site of docs/, in dist/site (its programs in a venv of their own)
SHELL := /bin/bash
PYTHON ?= /usr/bin/python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := $(shell find crun_py -name '*.py' -o -name '*.c' -o -name '*.h') setup.py pyproject.toml bin/crunpy

.PHONY: all system images test vm-smoke demo bench fuzz chaos soak lint wheels onefile deb docs clean

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

.cache/node/.installed: tests/api/clients/package.json tools/node-packages
	tools/node-packages

# what is made of Debian's packages takes minutes on a new machine, which no test should wait for
images: all
	$(BIN)/python tests/images.py
	$(BIN)/python tests/debian_images.py
	$(BIN)/python tests/selinux_policy.py
	$(BIN)/python tests/newer_kernel.py
	$(BIN)/python tests/build/bases.py
	$(BIN)/python tests/pack/systems.py

test: all
	$(MAKE) -j2 lint images .cache/node/.installed
	CRUNPY_TEST_DISK=1 tools/in-test-namespace $(BIN)/python -m pytest -n 2 $(TESTS)

vm-smoke: all
	CRUNPY_VM_SMOKE=1 tools/in-test-namespace $(BIN)/python -m pytest tests/end_to_end/life/test_reboot_vm.py
	tools/vm-smoke

wheels: all
	$(BIN)/python tools/pack/wheels.py

onefile: all
	$(BIN)/python tools/pack/onefile.py

deb: all
	$(BIN)/python tools/pack/deb.py

DOCS := .cache/docs-venv
$(DOCS)/.installed: pyproject.toml
	test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/pip install -q $$($(PYTHON) -c 'import tomllib; \
		print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"])')
	touch $@

docs: all $(DOCS)/.installed
	$(BIN)/python tools/manual.py
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build -q --strict

demo: all
	$(BIN)/python tools/demo.py

bench: all
	tools/in-test-namespace $(BIN)/python tools/bench $(BENCH)

fuzz: all
	$(BIN)/pip install -q 'atheris>=3'
	tools/in-test-namespace $(BIN)/python tools/fuzz/run $(FUZZ)

chaos: all
	tools/in-test-namespace $(BIN)/python tools/chaos $(CHAOS)

soak: all
	tools/in-test-namespace $(BIN)/python tools/soak.py $(SOAK)

clean:
	rm -rf build dist *.egg-info $(VENV) .cache crun_py/_native/*.so crun_py/_native/crunpy-core crun_py/_native/_shim.c
