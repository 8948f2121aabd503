# Every target starts from a bare checkout: it creates .venv, installs what it needs, and runs.
# A second run installs nothing unless the files that decide what is installed have changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
INPUTS := pyproject.toml constraints.txt $(wildcard setup.py csrc/*)

# Another active environment must neither lend its packages nor receive ours.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH PIP_USER PIP_TARGET PIP_PREFIX

.DEFAULT_GOAL := help
.PHONY: help demo test lint types contracts format install install-demo clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | column -t -s '|'

demo: $(VENV)/.demo ## train a CNN with and without a spatial transformer (5 minutes) and show what it learned
	$(BIN)/unwarp demo

test: $(VENV)/.dev ## run the tests
	$(BIN)/python -m pytest

lint: $(VENV)/.dev ## check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.dev ## check types
	$(BIN)/pyright

contracts: $(VENV)/.dev ## check which package may import which
	$(BIN)/lint-imports

format: $(VENV)/.dev ## format the sources
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

install: $(VENV)/.dev ## install everything a developer needs into .venv
install-demo: $(VENV)/.demo ## install what the demo needs into .venv

clean: ## remove .venv and what the tools left
	rm -rf $(VENV) build .pytest_cache .ruff_cache .hypothesis .import_linter_cache src/*.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "unwarp needs Python 3.11 or newer; found $$($(PYTHON) --version). Try: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch first: what is built and installed after it then finds exactly that version.
$(VENV)/.base: constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt torch==2.13.0
	$(PIP) install -c constraints.txt setuptools wheel ninja
	@touch $@

$(VENV)/.demo: $(INPUTS) $(VENV)/.base
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[demo]'
	@touch $@

# The development tools include all that the demo needs.
$(VENV)/.dev: $(INPUTS) $(VENV)/.base
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $(VENV)/.demo $@
