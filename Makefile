# The commands of the project; `make help` lists them. Each makes .venv first if it is missing or out of date.

VENV ?= .venv
BIN := $(abspath $(VENV))/bin
PYTHON := $(BIN)/python
# Its name holds the locks' content: a second call costs nothing, a changed lock is noticed whatever the time stamps say.
STAMP := $(VENV)/.installed-$(shell cat envs/*.lock | sha256sum | cut -c 1-16)
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

CONFIG ?=
TABLE ?=
TARGET ?=
CORES ?=
RUN = $(PYTHON) -m medpriv.workflow.run $(if $(CONFIG),--overlay $(CONFIG)) $(if $(CORES),--cores $(CORES)) $(TARGET)

.DEFAULT_GOAL := help
.PHONY: help setup config report test lint why restore bench slurm snakemake-report

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  CONFIG=config/open.yaml  another config, laid over config.yaml; its run gets a folder under runs/"
	@echo "  CORES=8                  jobs side by side (default: 2)"
	@echo "  TARGET=attacks-mitdb     a part of the run: a rule, a file, or <stage>-<dataset>"

setup: $(STAMP) ## .venv alone; every other command makes it when needed

report: $(STAMP) ## the whole run, up to results/report/index.html
	@$(RUN)

config: $(STAMP) ## a starter config from the columns of your own table, TABLE=/data/x.csv
	@$(PYTHON) -m medpriv.sources.starter --write "$(TABLE)"

why: $(STAMP) ## what would run now, and for which reason
	@$(PYTHON) -m medpriv.workflow.why $(if $(CONFIG),--overlay $(CONFIG)) $(TARGET)

test: $(STAMP) ## every test
	@$(PYTHON) -m pytest

lint: $(STAMP) ## ruff, snakefmt, Snakemake's linter, generated files
	@ruff format --check .
	@ruff check .
	@snakefmt --check Snakefile rules
	@snakemake --lint
	@$(PYTHON) -m medpriv.workflow.dvc check

restore: $(STAMP) ## after `dvc pull`: take the pulled results as up to date
	@$(PYTHON) -m medpriv.workflow.dvc restore

bench: $(STAMP) ## timings against the alternatives
	@for benchmark in benchmarks/*.py; do echo "== $$benchmark"; $(PYTHON) $$benchmark || exit 1; done

slurm: $(STAMP) ## the same run on a Slurm cluster, through profiles/slurm
	@$(RUN) --profile $(CURDIR)/profiles/slurm

snakemake-report: $(STAMP) ## logs/snakemake-report.html: Snakemake's own report
	@$(RUN) --report logs/snakemake-report.html

$(STAMP):
	@echo "Setting up $(VENV) from envs/*.lock"
	@test -x $(PYTHON) || python3 -m venv $(VENV)
	@rm -f $(VENV)/.installed-*
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --requirement envs/requirements.lock
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --requirement envs/peers.lock
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
