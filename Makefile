# Everything a person or CI runs; `make` alone lists it.
# Needs Python 3.11+ and make. uv, the locked dependencies and a Temporal server come from the package registry.

UV_VERSION := 0.13.8

# PYTHON=... chooses the interpreter; otherwise the first of these that runs and is new enough.
PYTHON_CANDIDATES := $(PYTHON) python3.13 python3.12 python3.11 python3
PYTHON_IS_USABLE := import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))

BOOTSTRAP := .bootstrap
UV := $(BOOTSTRAP)/bin/uv
UV_STAMP := $(BOOTSTRAP)/uv-$(UV_VERSION)
VENV := .venv
BIN := $(VENV)/bin
SYNC_STAMP := $(VENV)/.synced

# Two processes share the suite, file by file; each starts its own servers.
TEST_PROCESSES ?= 2

# Taken as it was typed: make must not expand a `$` in a sentence, nor the shell a quote.
override REQUEST := $(value REQUEST)
export REQUEST

# Tests and benchmarks that build wheels or environments find the same uv here.
export PLANGATE_UV := $(CURDIR)/$(UV)
export UV_PYTHON_DOWNLOADS := never
export UV_PYTHON := $(CURDIR)/$(BOOTSTRAP)/bin/python
export UV_PROJECT_ENVIRONMENT := .venv

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(SYNC_STAMP) ## install everything from the lock file into .venv

.PHONY: demo
demo: setup ## run the example end to end; REQUEST="..." takes any sentence
	@if [ -n "$$REQUEST" ]; then exec $(BIN)/plangate demo -- "$$REQUEST"; else exec $(BIN)/plangate demo; fi

.PHONY: game-day
game-day: setup ## the example while everything breaks, with a verdict; SEED=n repeats a storm
	@exec $(BIN)/plangate demo --faults $(if $(SEED),--seed $(SEED))

.PHONY: test
test: setup ## run the whole test suite; TEST_PROCESSES=1 runs it in one process
	$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile

.PHONY: check
check: lint types contracts test ## what CI runs: format, lint, types, import contracts, tests

.PHONY: lint
lint: setup ## formatting and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.PHONY: types
types: setup ## strict types
	$(BIN)/mypy

.PHONY: contracts
contracts: setup ## imports flow one way
	$(BIN)/lint-imports

.PHONY: format
format: setup ## format the code and repair what lint can repair
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: setup ## measure against plain Temporal and the peers; ARGS="--quick" for a smoke test
	$(UV) run --frozen --project benchmarks python -m benchmarks.run $(ARGS)

.PHONY: proofs
proofs: setup ## information flow: a compromised planner and poisoned data, in full, counted
	$(BIN)/python -m tests.flow $(ARGS)

.PHONY: chaos
chaos: setup ## everything that can die or lie, counted; goes on where it stopped; ARGS="--only 'kill:*'"
	$(BIN)/python -m tests.chaos.run $(ARGS)

.PHONY: wheel
wheel: $(UV_STAMP) ## build dist/plangate-*.whl
	$(UV) build --wheel --out-dir dist

.PHONY: clean
clean: ## remove what was installed and built; .plangate, which holds data, stays
	rm -rf $(BOOTSTRAP) $(VENV) benchmarks/.venv dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(UV_STAMP):
	@for candidate in $(PYTHON_CANDIDATES); do \
	    if "$$candidate" -c '$(PYTHON_IS_USABLE)' 2>/dev/null; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$${python:-}" ]; then \
	    echo 'Python 3.11 or newer with venv and pip was not found (tried: $(PYTHON_CANDIDATES)).' >&2; \
	    echo 'Install it (Debian, Ubuntu: apt-get install python3 python3-venv) or name one: make PYTHON=/path/to/python3' >&2; \
	    exit 1; \
	fi; \
	echo "Setting up uv $(UV_VERSION) with $$("$$python" --version) in $(BOOTSTRAP)"; \
	rm -rf $(BOOTSTRAP) && "$$python" -m venv $(BOOTSTRAP) \
	    && $(BOOTSTRAP)/bin/python -m pip install --quiet --disable-pip-version-check 'uv==$(UV_VERSION)' \
	    && touch $@

$(SYNC_STAMP): $(UV_STAMP) pyproject.toml uv.lock
	$(UV) sync --frozen --quiet --all-extras
	@touch $@
