# `make` lists the targets. Everything runs in .venv, which `install` makes and the other targets imply.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --warn-undefined-variables

PYTHON := .venv/bin/python
LOCAL := $(PYTHON) -m infra.local
PYTEST := $(PYTHON) -m pytest
# Tests run beside each other; each brings its own topics, databases and groups.
PARALLEL := -n auto --dist loadgroup
SEED ?=
RUNS ?=
OPERATIONS ?=

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-18s %s\n", $$1, $$2 }'

.PHONY: install
install: ## Install what is missing: packages, Python environment (implied by the others; at once when done already)
	@infra/bootstrap.sh

.PHONY: demo
demo: install ## See it work: start everything, feed real corporate actions, show what happened, serve until Ctrl-C
	@exec $(LOCAL) demo

.PHONY: up
up: install ## Start servers and services in the background; addresses in .run/endpoints.json
	@exec $(LOCAL) up

.PHONY: down
down: install ## Stop them; the data stay
	@exec $(LOCAL) down

.PHONY: status
status: install ## Show what runs, where, and how much memory it takes
	@exec $(LOCAL) status

.PHONY: logs
logs: install ## Follow all logs
	@exec $(LOCAL) logs

.PHONY: format
format: install ## Format the code and mend what can be mended by itself
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

.PHONY: check
check: install ## Format, lint, types and import contracts, without changing anything
	@$(PYTHON) -m ruff format --check --quiet .
	@$(PYTHON) -m ruff check --quiet .
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports --no-cache 2>&1 | tail -n 4
	@$(PYTHON) infra/audit.py --offline

.PHONY: test
test: check ## Every check and test: this is what CI runs
	@$(PYTEST) $(PARALLEL) --cov --cov-report=term --cov-fail-under=90 tests

.PHONY: test-unit
test-unit: install ## The tests that need no server
	@$(PYTEST) $(PARALLEL) tests/unit

.PHONY: test-integration
test-integration: install ## The tests on real servers
	@$(PYTEST) $(PARALLEL) tests/contract tests/integration tests/e2e

.PHONY: test-long
test-long: install ## The long versions: more crash rounds, all faults, large runs
	@$(PYTEST) --long tests

MINUTES := 60

.PHONY: crash-hour
crash-hour: install ## Kill, freeze and cut everything for MINUTES=60 under load; a line for each round, a table at the end (needs Go)
	@exec $(PYTHON) -m tests.chaos --minutes $(MINUTES)

.PHONY: simulate
simulate: install ## Simulated disasters: SEED=n repeats one run, RUNS=n plays so many, OPERATIONS=n goes on until so many are done
	@exec $(PYTHON) -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) $(if $(OPERATIONS),--operations $(OPERATIONS))

.PHONY: bench
bench: install ## Measure: one JSON object per line, each figure with its floor
	@$(PYTHON) -m tests.benchmarks

.PHONY: test-containers
test-containers: install ## The tests on real servers once more, with the servers in containers (needs Docker)
	@CA_TEST_STACK=containers $(PYTEST) $(PARALLEL) tests/contract tests/integration tests/e2e

.PHONY: audit
audit: install ## Are the packages as pinned, and is one of them known to be vulnerable?
	@$(PYTHON) infra/audit.py

.PHONY: compose-env
compose-env: ## Generate the passwords of the containers in .env (what is there stays)
	@infra/docker/env.sh

.PHONY: compose-up
compose-up: compose-env ## The same product in containers, in the background; only the gateway is published, at 127.0.0.1:8000
	@docker compose up --build --detach --wait

.PHONY: compose-down
compose-down: compose-env ## Stop the containers; the data stay (`docker compose down --volumes` removes them)
	@docker compose down

.PHONY: compose-test
compose-test: install ## Build and start the containers apart from all others, feed the sample, check the end, remove everything
	@$(PYTEST) --compose tests/e2e/compose

.PHONY: clean
clean: ## Stop everything and remove the environment, data and caches of this clone
	@if [ -x $(PYTHON) ]; then $(LOCAL) down; fi
	@rm -rf .venv .run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* coverage.xml
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
