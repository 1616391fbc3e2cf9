# A fresh clone needs Python 3.11 or newer and make; every target creates what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock

BEGAN := $(shell date +%s)

export DAGSTER_HOME := $(CURDIR)
export DAGSTER_DISABLE_TELEMETRY := 1

.PHONY: help setup demo dev check test proof coverage bench scale soak lock clean

help:            ## show the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/ -/'

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, $(PYTHON) is older; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.sample: $(VENV)/.python pyproject.toml requirements.lock
	@echo "Installing Jutsu with sample data into $(VENV) ..."
	@$(INSTALL) --editable '.[sample]'
	@echo "$(BEGAN) $$(date +%s)" > $(VENV)/.installation
	@touch $@

$(VENV)/.dev: $(VENV)/.sample
	@echo "Installing the development tools into $(VENV) ..."
	@$(INSTALL) --editable '.[dev]'
	@touch $@

setup: $(VENV)/.dev  ## install everything that a developer needs

demo: $(VENV)/.sample  ## real sample bars -> indicators -> performance and a backtest, no credentials
	@JUTSU_MAKE_BEGAN=$(BEGAN) $(BIN)/jutsu demo

dev: $(VENV)/.sample  ## the Dagster UI with the graph and the reports, on http://127.0.0.1:3000
	@$(BIN)/jutsu ui

check: $(VENV)/.dev  ## lint, format, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: check  ## everything that must hold before a commit
	@$(BIN)/python -m pytest --benchmark-disable -n 2 --dist worksteal

proof: $(VENV)/.dev  ## what takes minutes: PostgreSQL, the installed wheel, a live daemon, many processes, a simulated week
	@$(BIN)/python -m pytest tests -m "slow or benchmark" --benchmark-disable -n 3 --dist loadfile --no-loadscope-reorder --durations=20

coverage: $(VENV)/.dev  ## which lines and branches no test reaches
	@$(BIN)/python -m pytest --cov --cov-report=term --benchmark-disable -n 2 --dist worksteal

bench: $(VENV)/.dev  ## timings against a baseline measured in the same run
	@$(BIN)/python -m pytest tests/benchmarks -m benchmark --benchmark-only --benchmark-group-by=group --benchmark-columns=median,iqr,ops
	@$(BIN)/python -m tests.benchmarks.indicator_peers
	@$(BIN)/python -m tests.benchmarks.metric_peers

scale: $(VENV)/.dev  ## the daily run over many symbols of twenty years: make scale [SYMBOLS=60] [RATE=2]
	@$(BIN)/python -m tests.benchmarks.five_hundred --symbols $(or $(SYMBOLS),60) --rate $(or $(RATE),2)

soak: $(VENV)/.dev  ## ten minutes of random faults: make soak SECONDS=600 [DATABASE=url]
	@$(BIN)/python -m tests.soak --seconds $(or $(SECONDS),600) $(if $(DATABASE),--database $(DATABASE))

lock: $(VENV)/.python  ## renew requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --upgrade pyproject.toml --output-file requirements.lock

indicators-page: $(VENV)/.dev  ## write docs/indicators.md and its pictures, which are made of the catalogue
	@$(BIN)/python -m tests.jutsu_core.indicators.docs_page

clean:           ## remove what was created, data included
	rm -rf $(VENV) var
