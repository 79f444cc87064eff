# All set-up, checks and tests. A fresh machine needs git, make and Python 3.11; everything else is installed into .venv.

PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
SEEDS ?= 10000
FIRST ?= 0
SOAK_MINUTES ?= 30
SEED ?=
SCENARIOS ?=
ROUNDS ?= 3
QUICK ?=
ADD_TO ?=
FULL ?=
FILE ?=
AGAINST ?=
SBOM ?= dist
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header \
  --no-emit-index-url --no-emit-find-links
# It checks what it writes against CycloneDX's schema.
CYCLONEDX := PYTHONWARNINGS=ignore $(BIN)/uv --quiet tool run --from cyclonedx-bom==7.5.0 cyclonedx-py requirements \
  --pyproject pyproject.toml --mc-type application --output-reproducible --validate --of JSON
PROGRAMS := minio versitygw etcd kube-apiserver kubectl helm promtool health
# The programs in tools/ use the servers of tests/support.
TOOL := PYTHONPATH=tools:tests $(BIN)/python -m
KINDCLUSTER := $(TOOL) kindcluster
# Only one that is named on the command line: a KUBECONFIG of the environment may be anybody's.
E2E_CLUSTER := $(if $(filter command,$(word 1,$(origin KUBECONFIG))),PBT_E2E_KUBECONFIG=$(abspath $(KUBECONFIG)))
SOURCES := operator trainer_image tests tools examples

# Trainers import PyTorch in many short processes: without bytecode each would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test fast check generate wheel simulate trials programs libraries frameworks optimizers cluster-up cluster-down cluster-env e2e faults \
  soak bench bench-check bench-learning format sbom lock clean

help: ## Show what can be made
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

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

test: check libraries ## Everything that CI runs: all checks, all tests, those on a real cluster where this machine can have one
	@$(KINDCLUSTER) build
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not (cluster or chart)" $(PYTEST_ARGS)
	@$(MAKE) --no-print-directory e2e

fast: $(VENV)/.ready ## The tests that need no server and no process, in a minute or two: run them while you work
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not (server or process or chart or cluster or slow)" $(PYTEST_ARGS)

check: $(VENV)/.ready programs ## Format, lint, types, import contracts, drift of what is generated, the chart
	$(BIN)/ruff format --check --quiet $(SOURCES)
	$(BIN)/ruff check --quiet $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pbt_operator.manifest.crd --check charts/pbt-operator/files/population-crd.yaml
	$(BIN)/python -m pytest --quiet tests/service/chart

generate: $(VENV)/.ready ## What is made of models and values: the custom resource definition, its reference, the chart's README
	@$(BIN)/python -m pbt_operator.manifest.crd > $(VENV)/generated && mv $(VENV)/generated charts/pbt-operator/files/population-crd.yaml
	@$(BIN)/python -m pbt_operator.manifest.reference > $(VENV)/generated && mv $(VENV)/generated docs/manifest.md
	@$(TOOL) release.chart_readme > $(VENV)/generated && mv $(VENV)/generated charts/pbt-operator/README.md

wheel: $(VENV)/.ready ## Build a wheel of the operator and the SDK into dist/
	@$(BIN)/python -m hatchling build -t wheel

simulate: $(VENV)/.ready ## Experiments with faults in virtual time: SEEDS=10000 FIRST=0; TRACE=1 shows all of the first
	@$(TOOL) simulate --seeds $(SEEDS) --first $(FIRST) $(if $(TRACE),--trace)

trials: $(VENV)/.ready ## Figures in virtual time: TRIALS='speeds outage regions leads' SEEDS=12
	@PYTHONHASHSEED=0 $(TOOL) simulate.trials $(TRIALS) $(if $(filter command,$(word 1,$(origin SEEDS))),--seeds $(SEEDS))

programs: ## Build the servers and tools that tests use, once (outside the checkout)
	@$(PYTHON) tools/programs/build.py $(PROGRAMS) > /dev/null

libraries: $(VENV)/.ready ## Install the libraries and frameworks that the SDK is tested with, once (outside the checkout)
	@$(TOOL) support.libraries libraries > /dev/null
	@$(TOOL) support.libraries frameworks > /dev/null

frameworks: libraries ## Populations of the examples of frameworks, as their users start them, half an hour
	@PYTHONPATH=tools:tests:$$($(TOOL) support.libraries frameworks):$$($(TOOL) support.libraries libraries) \
	  HF_HUB_OFFLINE=1 JAX_PLATFORMS=cpu $(BIN)/python -m pytest -n 0 \
	  -o filterwarnings= -o timeout=900 tests/frameworks/quick_*.py tests/frameworks/full_*.py $(PYTEST_ARGS)

optimizers: libraries ## Write the table of docs/optimizers.md anew
	@PYTHONPATH=tools:tests:$$($(TOOL) support.libraries libraries) $(BIN)/python -m unit.trainer.state.libraries.optimizers

cluster-up: $(VENV)/.ready ## Start a kind cluster with a MinIO and this checkout's images, or bring its images up to date
	@$(KINDCLUSTER) up

cluster-down: $(VENV)/.ready ## Remove it, and every trace of it
	@$(KINDCLUSTER) down

cluster-env: $(VENV)/.ready ## Print the settings by which a shell uses it, for `eval`
	@$(KINDCLUSTER) env

e2e: $(VENV)/.ready ## The tests on a cluster: this machine's kind cluster, or the one of KUBECONFIG=FILE
	@$(if $(E2E_CLUSTER),true,$(KINDCLUSTER) build)
	$(E2E_CLUSTER) $(BIN)/python -m pytest -n 3 --dist worksteal tests/cluster tests/faults -m "not faults or quick" \
	  $(PYTEST_ARGS)

faults: $(VENV)/.ready ## Break all that a population stands on, one thing after the other, and print what each fault cost
	@$(KINDCLUSTER) build
	$(BIN)/python -m pytest -n 0 tests/faults $(PYTEST_ARGS)

soak: $(VENV)/.ready ## Half an hour (SOAK_MINUTES=30) of populations on a cluster of this machine, under random faults
	@$(KINDCLUSTER) build
	$(TOOL) soak --minutes $(SOAK_MINUTES) $(if $(SEED),--seed $(SEED))

bench: $(VENV)/.ready programs ## Measure beside Ray Tune: SCENARIOS=gap,stall ROUNDS=3; QUICK=1 for the headline in a few minutes
	$(TOOL) bench run --rounds $(ROUNDS) $(if $(SCENARIOS),--scenarios $(SCENARIOS)) \
	  $(if $(QUICK),--quick) $(if $(ADD_TO),--add-to $(ADD_TO))

bench-check: $(VENV)/.ready ## Compare a result with the ranges, and with an older one: FILE=new.json AGAINST=old.json
	$(TOOL) bench check $(FILE) $(if $(AGAINST),--against $(AGAINST))

bench-learning: $(VENV)/.ready ## Measure what populations learn, an hour: QUICK=1 five minutes, FULL=1 a night; ADD_TO=FILE continues
	$(TOOL) learning run $(if $(QUICK),--quick) $(if $(FULL),--full) $(if $(ADD_TO),--add-to $(ADD_TO))

format: $(VENV)/.ready ## Format and fix what can be fixed
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

sbom: $(VENV)/.ready ## What is in the two images from PyPI, as CycloneDX: dist/*.cdx.json
	@mkdir -p $(SBOM)
	@$(CYCLONEDX) operator/requirements.lock -o $(SBOM)/pbt-operator.cdx.json
	@$(CYCLONEDX) trainer_image/requirements.lock -o $(SBOM)/pbt-trainer.cdx.json
	@ls $(SBOM)/*.cdx.json

lock: ## Pin anew what is tested, and what the images install (needs uv on the PATH)
	$(LOCK) --extra operator --extra demo --group dev --upgrade -o requirements.lock
	$(LOCK) --extra operator --constraints requirements.lock -o operator/requirements.lock
	$(subst pyproject.toml,operator/build.in,$(LOCK)) --constraints requirements.lock -o operator/build.lock
	$(LOCK) trainer_image/requirements.in --constraints requirements.lock --no-emit-package numpy \
	  -o trainer_image/requirements.lock
	$(subst pyproject.toml,tools/bench/peers.in,$(LOCK)) --upgrade -o tools/bench/peers.lock
	$(subst pyproject.toml,tests/libraries.in,$(LOCK)) --no-deps --upgrade -o tests/libraries.lock
	$(subst pyproject.toml,tests/frameworks.in,$(LOCK)) --no-deps --upgrade -o tests/frameworks.lock

clean: ## Remove the environment, caches and local runs
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache pbt-runs
