# make demo: the embedded demo, from nothing to a report. make test: every check. Both set up .venv first.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint install bench

demo: install
	@$(BIN)/snakemake --profile profiles/demo all
	@echo "Report: $(CURDIR)/results/demo/report.html"

test: install lint
	@$(BIN)/python -m pytest

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile rules
	@$(BIN)/mypy workflow/scripts
	@$(BIN)/python docs/build_docs.py --check

bench: install
	@for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

install: .venv/installed

.venv/installed: requirements.lock requirements-demo.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@$(PYTHON) -m venv .venv
	@echo "Installing the locked packages (several GB; a few minutes) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-demo.lock
	@touch $@
