# Two commands on a bare Debian or Ubuntu: `make demo` and `make test`. Each builds the environment that it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
CORES ?= $(shell nproc)
LOCK ?= $(shell nvidia-smi >/dev/null 2>&1 && echo cuda || echo cpu)
LOCK := $(LOCK)
VENV := .venv
# Of the tests: one process runs the demo, which takes as long as all the others.
PROCESSES := 2
# Threads that wait must sleep: two processes of two threads on two cores would else spend their time spinning.
test: export OMP_WAIT_POLICY := PASSIVE
# The last four are the SLURM of the tests, 12 MB; its services are not configured and do not start.
SYSTEM := chromium fonts-dejavu-core git libnuma1 make python3-venv util-linux munge slurm-client slurmctld slurmd

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# The environment is installed uncompiled: where Python may not keep what it compiles, every job would parse
# torch and vLLM anew, which made the demo half as long again.
export PYTHONDONTWRITEBYTECODE :=
DEMO := snakemake --configfile config/demo.yaml --cores $(CORES)
SOURCES := benchmarks docs envs tests workflow

.PHONY: help demo test check format docs environment locks system clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/$(LOCK).stamp ## run the whole chain on two CPU cores, from raw data to results/report.html
	@$(DEMO) --quiet rules host reason
	@echo "The report: $(CURDIR)/results/report.html"

test: $(VENV)/dev.stamp ## run every test, the demo among them
	@pytest -n $(PROCESSES) --no-loadscope-reorder

check: $(VENV)/dev.stamp ## lint, formats, types, recipes of containers, and Snakemake's own lint
	@ruff check $(SOURCES)
	@ruff format --check $(SOURCES)
	@snakefmt --check Snakefile rules workflow/Snakefile
	@hadolint envs/*.Dockerfile
	@mypy --strict workflow
	@$(DEMO) --lint

format: $(VENV)/dev.stamp ## put Python and Snakemake files into their format
	@ruff check --fix $(SOURCES)
	@ruff format $(SOURCES)
	@snakefmt Snakefile rules workflow/Snakefile

environment: $(VENV)/dev.stamp ## build .venv from the locks: make environment LOCK=cpu|cuda PYTHON=python3.11

$(VENV)/$(LOCK).stamp: envs/$(LOCK).lock.txt envs/shim/pyproject.toml envs/build.py
	@test -n "$(PYTHON)" || { echo "ERROR environment: no Python 3.11 to 3.13 found. Fix: make system, or make PYTHON=/path/to/python3.11"; exit 3; }
	@$(PYTHON) envs/build.py $(VENV) $(LOCK)
	@touch $@

$(VENV)/dev.stamp: envs/dev.lock.txt envs/cloud.lock.txt envs/axe.py $(VENV)/$(LOCK).stamp
	@$(VENV)/bin/python envs/build.py $(VENV) $(LOCK) dev cloud
	@$(VENV)/bin/python envs/axe.py $(VENV)
	@touch $@

docs: $(VENV)/dev.stamp ## write what is generated: config/README.md and the tree in README.md
	@python docs/render.py

locks: $(VENV)/dev.stamp ## resolve envs/versions.toml again: locks, conda files and recipes of containers
	@python envs/lock.py
	@python envs/render.py

system: ## install the Debian packages that are missing (as root, or with sudo)
	@missing=$$(for p in $(SYSTEM); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done | xargs); \
	test -z "$$missing" && { echo "Debian packages: all there"; exit 0; }; \
	as=$$(test "$$(id -u)" = 0 || echo sudo); \
	echo "Debian packages: installing $$missing"; \
	$$as apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as apt-get install -qq -y --no-install-recommends $$missing >/dev/null

clean: ## delete what the demo made and the caches of the tools; .venv and other studies stay
	@test ! -x $(VENV)/bin/snakemake || $(DEMO) --delete-all-output --quiet all
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
