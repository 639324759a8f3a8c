# Every target makes the environment it needs, so that on a fresh clone each works as the first command typed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LABEL_VENV := .venv-label
LABEL_STAMP := $(LABEL_VENV)/.installed
DEMO := demo
CASES ?= ../shared/cases
DATA ?= ../shared/data
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint bench cases label-env test-label test-lowest test-wheel

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

venv: $(STAMP)  ## create .venv and install the package with all extras (PYTHON=/path/to/python to choose)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No python3 found: install Python >= 3.11, or give PYTHON=/path/to/python"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "constraints.txt needs Python >= 3.11, $(PYTHON) is older: give PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all]'
	@touch $@

demo: $(STAMP)  ## simulate, train, infer, evaluate and write a report (minutes on a laptop)
	$(BIN)/python -m monai_denoiseg.cli demo --output $(DEMO)

test: $(STAMP)  ## run the tests and the docstring examples (DENOISEG_DATA=folder adds those on real images)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile $(ARGS)

label-env: $(LABEL_STAMP)  ## create .venv-label with a MONAI Label server (Python 3.11, no CUDA packages)

$(LABEL_STAMP): constraints-label.txt scripts/label_env.sh pyproject.toml
	bash scripts/label_env.sh $(LABEL_VENV)
	@touch $@

test-label: $(LABEL_STAMP)  ## run the tests of the MONAI Label app, the server's among them
	$(LABEL_VENV)/bin/python -m pytest tests/label -m "not slow" $(ARGS)

test-lowest:  ## run a part of the tests with the lowest versions pyproject.toml allows, in .venv-lowest
	PYTHON="$(PYTHON)" bash scripts/lowest.sh .venv-lowest

test-wheel: $(STAMP)  ## build the wheel, install it in a fresh environment, run the small demo there
	rm -rf build/wheel && bash scripts/try_wheel.sh build/wheel $(BIN)/python

cases: $(STAMP)  ## run the scripts in CASES, each a situation from a public bug report, on the images in DATA
	$(BIN)/python scripts/cases.py $(CASES) --data $(DATA) --label-python $(LABEL_VENV)/bin/python

lint: $(STAMP)  ## ruff and mypy, as CI runs them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)  ## list the benchmarks; SCRIPT=name ARGS="..." runs one
ifdef SCRIPT
	$(BIN)/python benchmarks/$(SCRIPT).py $(ARGS)
else
	@for name in $(filter-out common dsb2018 published compare_% recipe_trials_% %_clock,$(basename $(notdir $(wildcard benchmarks/*.py)))); do \
	  echo "make bench SCRIPT=$$name ARGS=--help"; \
	  sed -n '1s/^"""\([^"]*\).*/    \1/p' "benchmarks/$$name.py"; \
	done
endif
