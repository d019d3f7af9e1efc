# make run         check every scenario under litmus/ and print what came out and what was expected
# make test        style, types, layers, tests
# make gate        what a change must pass: every scenario against its expectations and litmus/baseline.json
# make conformance CORPUS=folder   compare with the verdicts in folder/oracle.jsonl; with MODEL=path/to.cat under that model, and with
#                  AGAINST=name as well with what another model says
# make mutate      which small changes of the checker no test notices: MUTANTS=40 of them, drawn with SEED=1 (docs/mutants.md)
# make nightly     the laws on TIMES=10 times as many texts, others every night
# make bench       how fast, and what got slower
# make kernel KERNEL=tree   what the gate says of that kernel with no test: ARGS='--only undone --sample 10 --seed 2'
# make man         man pages from the help texts, in build/man
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

MUTANTS ?= 40
SEED ?= 1
TIMES ?= 10

.PHONY: run gate test lint conformance mutate nightly bench kernel man clean

run: $(READY)
	$(BIN)/checker run --expected litmus

gate: $(READY)
	$(BIN)/checker gate

test: lint
	$(BIN)/python -m pytest -n 2

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	$(BIN)/python -m tools.dead

conformance: $(READY)
	@test -n "$(CORPUS)" || { echo "say which corpus: make conformance CORPUS=folder" >&2; exit 2; }
	$(BIN)/python -m tools.conformance $(CORPUS) $(if $(MODEL),--model $(MODEL)) $(if $(AGAINST),--against $(AGAINST))

mutate: $(READY)
	$(BIN)/python -m tests.mutants --count $(MUTANTS) --seed $(SEED)

nightly: $(READY)
	HYPOTHESIS_PROFILE=long TIMES=$(TIMES) $(BIN)/python -m pytest -n 2 -m hypothesis

bench: $(READY)
	$(BIN)/python -m tools.bench

kernel: $(READY)
	@test -n "$(KERNEL)" || { echo "say which tree: make kernel KERNEL=folder" >&2; exit 2; }
	$(BIN)/python -m tools.kernel $(KERNEL) $(ARGS)

man: $(READY)
	$(BIN)/click-man --target build/man checker

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $(READY)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find checker tests tools -name __pycache__ -type d -exec rm -rf {} +
