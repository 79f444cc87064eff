# All set-up, checks and tests. A fresh machine needs git, make and Python 3.11; everything else is installed into .venv.

PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
SOURCES := operator trainer_image tests examples

# Trainers import PyTorch in many short processes: without bytecode each would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check programs format lock clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@echo "installing into $(VENV) (PyTorch is large; this takes a minute or two the first time)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.ready ## Train a population on real images and open its report (about two minutes)
	@$(BIN)/python examples/digits/demo.py

test: ## Everything that CI runs
	@$(MAKE) --no-print-directory --jobs=2 check programs
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

check: $(VENV)/.ready ## Format, lint, types, import contracts
	$(BIN)/ruff format --check --quiet $(SOURCES)
	$(BIN)/ruff check --quiet $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

programs: ## Build the S3 server that tests use, once (outside the checkout)
	@$(PYTHON) tests/tools/build.py minio

format: $(VENV)/.ready ## Format and fix what can be fixed
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

lock: ## Pin anew what is tested (needs uv on the PATH)
	uv pip compile pyproject.toml --universal --python-version 3.11 --extra operator --extra demo --group dev \
	  --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --upgrade -o requirements.lock

clean: ## Remove the environment, caches and local runs
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache pbt-runs
