# The commands of the project; `make help` lists them. Each makes .venv first if it is missing or out of date.

ifeq ($(wildcard envs/requirements.lock),)
$(error This is not the project's folder, $(CURDIR). Remedy: `make -C <the project's folder> ...` instead of `make -f`)
endif

SMALL := $(strip $(foreach name,config table target cores args venv,$(if $(filter command,$(origin $(name))),$(name))))
ifneq ($(SMALL),)
$(error $(SMALL)=...: no variable of this project. Remedy: write it in capital letters)
endif

VENV ?= .venv
ifneq ($(words $(VENV)),1)
$(error VENV=$(VENV): make can't handle blanks in it. Remedy: name a folder without blanks, or leave VENV out)
endif
BIN := $(abspath $(VENV))/bin
PYTHON := $(BIN)/python
# Its name holds the locks' content: a second call costs nothing, a changed lock is noticed whatever the time stamps say.
STAMP := $(VENV)/.installed-$(shell cat envs/*.lock | sha256sum | cut -c 1-16)
# It holds which Python was set up where: a moved .venv, or one whose Python was replaced, is made anew.
WHERE := $(shell "$(PYTHON)" -c "import sys; print(*sys.version_info[:2], sys.prefix)" 2>/dev/null || echo none)
ifneq ($(WHERE),$(shell cat "$(STAMP)" 2>/dev/null))
.PHONY: $(STAMP)
endif
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

CONFIG ?=
TABLE ?=
TARGET ?=
CORES ?=
ARGS ?=
export CONFIG TABLE # the shell quotes them, whatever they hold
WHAT = $(if $(CONFIG),--overlay "$$CONFIG") $(if $(TARGET),--target $(TARGET))
RUN = "$(PYTHON)" -m medpriv.workflow.run $(WHAT) $(if $(CORES),--cores $(CORES)) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup config report test lint generate why restore bench slurm snakemake-report dvc

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  CONFIG=config/open.yaml  another config, laid over config.yaml; its run gets a folder under runs/"
	@echo "  CORES=8                  jobs, or tests, side by side (default: 2)"
	@echo "  TARGET=attacks-mitdb     a part of the run: a rule, a file, or <stage>-<dataset>"
	@echo '  ARGS="exp show"          for make dvc: what to call it with; for make report: more for Snakemake'

setup: $(STAMP) ## .venv alone; every other command makes it when needed

report: $(STAMP) ## the whole run, up to results/report/index.html
	@$(RUN)

config: $(STAMP) ## a starter config from the columns of your own table, TABLE=/data/x.csv
	@"$(PYTHON)" -m medpriv.sources.starter --write "$$TABLE"

why: $(STAMP) ## what would run now, and for which reason
	@"$(PYTHON)" -m medpriv.workflow.why $(WHAT)

test: $(STAMP) ## every test; two processes share the files out
	@"$(PYTHON)" -m pytest --numprocesses $(or $(CORES),2) --dist loadfile --no-loadscope-reorder --durations 10

lint: $(STAMP) ## ruff, snakefmt, Snakemake's linter, generated files
	@ruff format --check .
	@ruff check .
	@snakefmt --check Snakefile rules
	@snakemake --lint
	@"$(PYTHON)" -m medpriv.workflow.dvc check
	@"$(PYTHON)" -m medpriv.workflow.reruns check

generate: $(STAMP) ## after a change of rules or config models: the files that follow from them
	@"$(PYTHON)" -m medpriv.workflow.dvc generate
	@"$(PYTHON)" -m medpriv.workflow.reference
	@"$(PYTHON)" -m medpriv.workflow.rulegraph
	@"$(PYTHON)" -m medpriv.workflow.reruns generate

restore: $(STAMP) ## after make dvc ARGS=pull: take the pulled results as up to date
	@"$(PYTHON)" -m medpriv.workflow.dvc restore

dvc: $(STAMP) ## DVC itself: make dvc ARGS="exp show"
	@env -u MAKEFLAGS -u MFLAGS -u ARGS -u CONFIG -u TARGET "$(PYTHON)" -m dvc $(ARGS)

bench: $(STAMP) ## timings against the alternatives
	@for benchmark in benchmarks/*.py; do echo "== $$benchmark"; "$(PYTHON)" $$benchmark || exit 1; done

slurm: $(STAMP) ## the same run on a Slurm cluster, through profiles/slurm
	@for tool in sbatch squeue; do command -v $$tool >/dev/null || { \
	  echo "make slurm: Slurm's $$tool is not on the PATH. Remedy: call it where jobs are submitted" \
	    "(its account and partition: profiles/slurm); make report runs on this machine" >&2; exit 1; }; done
	@$(RUN) --profile "$(CURDIR)/profiles/slurm"

snakemake-report: $(STAMP) ## logs/snakemake-report.html (of an overlay: in its folder): Snakemake's own report
	@$(RUN) --report logs/snakemake-report.html

$(STAMP):
	@tools/make-venv.sh "$(abspath $(VENV))" "$(STAMP)"
