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
.PHONY: help demo test docs lint types contracts format install install-demo clean sanitize huge wheel

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | column -t -s '|'

demo: $(VENV)/.demo ## train a CNN with and without a spatial transformer (5 minutes) and show what it learned
	$(BIN)/unwarp demo

test: $(VENV)/.dev ## run the tests
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4

docs: $(VENV)/.dev ## build the documentation site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

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

# The library is built beside the sources and tested there. Accesses are checked by calls, not in line, and by
# AddressSanitizer alone (not by UndefinedBehaviorSanitizer's null, object-size and pointer-overflow as well): the code
# is inlined so far that the compiler would otherwise take hours. So built, all takes some ten minutes on two cores.
SANITIZERS := -O1 -g1 -fsanitize=address,undefined -fno-sanitize=null,object-size,pointer-overflow,vptr \
	-fno-sanitize-address-use-after-scope --param asan-instrumentation-with-call-threshold=0 \
	-fno-sanitize-recover=all -fno-omit-frame-pointer

sanitize: $(VENV)/.dev ## run the tests of the C++ ops under AddressSanitizer and UndefinedBehaviorSanitizer
	UNWARP_CXXFLAGS="$(SANITIZERS)" \
		UNWARP_REQUIRE_BACKENDS=native $(BIN)/python setup.py -q build_ext --build-temp build/sanitize --build-lib build/sanitize/lib
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
		UNWARP_NATIVE_LIBRARY=$$(ls $(CURDIR)/build/sanitize/lib/unwarp/_native*.so) OMP_NUM_THREADS=2 \
		$(BIN)/python -m pytest tests/backends -k native --timeout 1200 --numprocesses auto --maxprocesses 2

huge: $(VENV)/.dev ## run the test on an image of more than 2^31 elements (10 GiB)
	UNWARP_HUGE_TESTS=1 $(BIN)/python -m pytest tests/backends/test_native_safety.py -k 2_to_the_31 --timeout 1200

wheel: $(VENV)/.base ## build the wheel and test it in an empty environment
	rm -rf build/lib* build/bdist* dist
	UNWARP_REQUIRE_BACKENDS=native $(PIP) wheel --no-build-isolation --no-deps -w dist .
	rm -rf build/wheel-test && $(PYTHON) -m venv build/wheel-test
	build/wheel-test/bin/python -m pip install -c constraints.txt torch==2.13.0 numpy
	build/wheel-test/bin/python -m pip install --no-deps --force-reinstall dist/unwarp-*.whl
	cd build/wheel-test && bin/python $(CURDIR)/tools/check_wheel.py

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
