# Everything that is done with this repository; `make help` lists it.
# On a fresh machine `make run` and `make test` make their own environment first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# kserve asks for Python 3.13 or older.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
CODE := src components pipelines images tools benchmarks tests

# A table of your own: make run DATA=table.csv TARGET=column
DATA ?=
TARGET ?=
BUDGET ?= 60s

# What is measured: a folder with a datasets.json (benchmarks/README.md); empty: tables of scikit-learn.
# Peers: make quality ENGINES='histgb regatta flaml' PYTHONS='flaml=/path/to/python'
TABLES ?=
ENGINES ?=
PYTHONS ?=
KFP ?=
MEASURED = $(if $(TABLES),--tables '$(TABLES)')
COMPARED = $(if $(ENGINES),--engines $(ENGINES)) $(foreach python,$(PYTHONS),--python '$(python)')

##@ Use

.PHONY: run
run: $(VENV)/.run  ## The main job: train on a table, serve the winner, call it (DATA=, TARGET=, BUDGET=)
	@$(BIN)/python tools/demo.py --budget '$(BUDGET)' $(if $(DATA),--data '$(DATA)' --target '$(TARGET)')

.PHONY: doctor
doctor: $(VENV)/.run  ## Say what is missing on this machine
	@$(BIN)/regatta doctor

##@ Check

.PHONY: test
test: $(VENV)/.test  ## All tests that need no cluster, about 10 minutes on 2 cores
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow and not cluster"
	$(BIN)/python -m pytest -q -m "slow and not cluster"

.PHONY: test-fast
test-fast: $(VENV)/.test  ## The tests that take seconds
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow and not browser and not cluster"

.PHONY: lint
lint: $(VENV)/.dev  ## Style, layers, spelling
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/lint-imports
	$(BIN)/codespell src components pipelines tools benchmarks docs manifests images *.md
	$(BIN)/yamllint -s .

.PHONY: format
format: $(VENV)/.dev  ## Put the code in form
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

.PHONY: type
type: $(VENV)/.dev  ## Types, strict
	$(BIN)/mypy

.PHONY: ci
ci: lint type compile-check test  ## What a pull request must pass: lint, types, compiled files, tests

##@ Pipelines

.PHONY: compile
compile: $(VENV)/.run  ## Write every component.yaml and pipeline.yaml
	$(BIN)/regatta compile

.PHONY: compile-check
compile-check: $(VENV)/.run  ## Stop where a compiled file is outdated
	$(BIN)/regatta compile --check

##@ Images

.PHONY: images
images: $(VENV)/.run  ## Build all images with docker, podman or buildah (BASE=, FLAGS= for the builder)
	@PYTHON=$(BIN)/python images/build.sh $(if $(BASE),--base '$(BASE)') $(if $(FLAGS),-- $(FLAGS))

.PHONY: sbom
sbom:  ## A bill of materials of each image (CycloneDX), in build/sbom
	@images/build.sh --sbom

##@ Cluster

.PHONY: kind-up
kind-up: $(VENV)/.run  ## A kind cluster with KServe, Kubeflow Pipelines, MinIO and Regatta, and a smoke run
	PYTHON=$(BIN)/python tools/kind_up.sh

.PHONY: kind-down
kind-down:  ## Delete it
	kind delete cluster --name $${CLUSTER:-regatta}

.PHONY: gke-deploy
gke-deploy:  ## The same on the cluster of the current context (KFP=no where that is there)
	tools/gke_deploy.sh gke
	$(if $(filter no,$(KFP)),,tools/pipelines_up.sh gke)

.PHONY: cluster-test
cluster-test: $(VENV)/.test  ## Tests on the cluster of KUBECONFIG (REGATTA_KFP_HOST=, AWS_*)
	$(BIN)/python -m pytest -q -m cluster tests/cluster

##@ Measure

.PHONY: overhead
overhead: $(VENV)/.run  ## What a run costs beside its trials, by stage
	$(BIN)/python benchmarks/overhead.py

.PHONY: budget
budget: $(VENV)/.run  ## How well runs keep their budgets, on tables of several sizes
	$(BIN)/python benchmarks/budget.py --deploy

.PHONY: memory
memory: $(VENV)/.run  ## Peak memory of a run on 1,000,000 rows
	$(BIN)/python benchmarks/memory.py

.PHONY: quality
quality: $(VENV)/.run  ## Regatta and peers at equal wall-clock (TABLES=folder, ENGINES=, PYTHONS=)
	$(BIN)/python benchmarks/quality.py $(MEASURED) $(COMPARED)

.PHONY: anytime
anytime: $(VENV)/.run  ## Scores at budgets from 20 to 240 s (TABLES=folder, ENGINES=, PYTHONS=)
	$(BIN)/python benchmarks/anytime.py $(MEASURED) $(COMPARED)

.PHONY: fanout
fanout: $(VENV)/.run  ## Share of lane time inside trials, one and two lanes; simulated up to 256 (TABLES=)
	$(BIN)/python benchmarks/fanout.py $(MEASURED)

.PHONY: ablation
ablation: $(VENV)/.run  ## What portfolio, refinement, ensemble, refit and folds each add (TABLES=folder)
	$(BIN)/python benchmarks/ablation.py $(MEASURED)

##@ House

.PHONY: install
install: $(VENV)/.dev  ## The environment for development, and the hooks
	$(BIN)/pre-commit install

.PHONY: clean
clean:  ## Remove what was built; the environment stays
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find $(CODE) -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help
help:  ## This list
	@awk 'BEGIN {FS = ":.*##"} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*##/ {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# One environment; a stamp says which extras are in it.
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV); the first time takes a minute or two"
	@$(PIP) install -e '.[local,demo]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV); the first time takes a minute or two"
	@$(PIP) install -e '.[test]'
	@touch $(VENV)/.run $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV); the first time takes a minute or two"
	@$(PIP) install -e '.[dev]'
	@touch $(VENV)/.run $(VENV)/.test $@
