# From a checkout to a result: `make demo`, `make test`. Needs python3 3.11 or newer, g++, make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help install demo test test-quick lint docs clean

help:
	@echo "make install     fewbit with all of its parts, into .venv"
	@echo "make demo        formats to Verilog, simulation, price, table and chart, in out/demo"
	@echo "make test        lint and every test"
	@echo "make test-quick  the tests of under five seconds each"
	@echo "make lint        ruff and mypy"
	@echo "make docs        the documentation as a site, in out/docs"
	@echo "make clean       remove the environment and everything generated"

install: $(VENV)/installed

demo: $(VENV)/installed
	$(BIN)/fewbit demo

test: lint
	$(BIN)/pytest -n 2 --dist worksteal

test-quick: $(VENV)/installed-dev
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) out build *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@for tool in g++ $(PYTHON); do \
	  command -v $$tool > /dev/null || { echo "make: $$tool is needed and was not found; on Debian: apt-get install g++ make python3-venv" >&2; exit 1; }; \
	done
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: python 3.11 or newer is needed, not $$($(PYTHON) -V); name another by make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "make: $(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV), a minute or two ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[all]'
	@touch $@

# mypy cannot follow an editable install of a package whose folder has another name, hence the link.
$(VENV)/installed-dev: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV), a minute or two ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@mkdir -p $(VENV)/typing && ln -sfn ../.. $(VENV)/typing/fewbit
	@touch $@ $(VENV)/installed

$(VENV)/installed-docs: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV), a minute or two ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@mkdir -p $(VENV)/typing && ln -sfn ../.. $(VENV)/typing/fewbit
	@touch $@
