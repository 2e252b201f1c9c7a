# Each target does all that it needs on a fresh machine; the virtual environment is made once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test slow lint bench clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: $(STAMP) ## solve, edit photographs, train: a report in vcycle-demo/
	$(BIN)/vcycle demo

test: lint ## lint, types and all tests but the slow ones, on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

slow: $(STAMP) ## the slow tests
	$(BIN)/python -m pytest -m slow

lint: $(STAMP) ## ruff, and mypy on unified/
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy

bench: $(STAMP) ## time to solution beside peers, some 20 minutes: docs/results/speed.json, its figure and tables
	$(BIN)/python docs/benchmarks/speed.py
	$(BIN)/python docs/benchmarks/tables.py

clean: ## remove the virtual environment, caches and build outputs
	rm -rf $(VENV) build *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Without the stamp an environment is half made, or not ours: start again.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vcycle needs Python >= 3.11: make PYTHON=python3.11")'
	test -f $@ || $(PYTHON) -m venv --clear $(VENV)
	rm -f $@
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
