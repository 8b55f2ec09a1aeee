# Everything runs in a virtual environment of its own; nothing has to be installed by hand.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
EXTRAS := test,lint,docs,notebook
# Two processes, each test file in one of them: more would not fit into the memory of a small
# machine with a browser in it.
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder
DEMO_ARGS ?=
export VENV PYTHON EXTRAS

.PHONY: help demo test lint docs notebook pictures catalog frontend clean
help: ## Say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.package: pyproject.toml .ci/make-venv
	@EXTRAS=notebook .ci/make-venv $@

$(VENV)/.everything: pyproject.toml .ci/make-venv
	@.ci/make-venv $@

demo: $(VENV)/.package ## Run jobs that really fail on this machine and explain each
	@$(BIN)/llm-scheduler demo $(DEMO_ARGS)

test: $(VENV)/.everything ## Run all tests (installs Slurm, sshd and Chromium when root on Debian)
	@.ci/system-packages
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.everything ## Check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.everything ## Build the documentation; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

notebook: $(VENV)/.package ## Open the quickstart notebook
	$(BIN)/jupyter lab notebooks/quickstart.ipynb

pictures: $(VENV)/.everything ## Make the pictures of README and docs anew from real runs
	$(BIN)/python docs/make_pictures.py

catalog: $(VENV)/.package ## Make the snapshot of the causes anew after a change of their files
	$(BIN)/python -c "from llm_scheduler.diagnosis.catalog import renew_snapshot; print(renew_snapshot())"

frontend: $(VENV)/.package ## Build the chat panel's bundle anew after a change of its sources
	$(BIN)/python frontend/make_wire.py
	cd frontend && npm ci --no-audit --no-fund && npm run build

clean: ## Remove the virtual environment and what was built
	rm -rf $(VENV) docs/_build build dist
