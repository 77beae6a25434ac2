# Two commands do all the set-up: `make chat` and `make test`. `make help` lists the rest.
# Needs make (3.81 or later) and Python 3.11 to 3.14.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools
ORACLE := .venv-oracle

LOCK := uv pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 \
  --all-extras --group build --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --quiet

.PHONY: help chat test oracle test-real check bench bench-convert screenshots lock clean
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

chat: $(READY) ## chat with the small model that comes along
	@$(BIN)/gemma4 chat -m pocket

test: $(TOOLS) ## run all tests, on up to four cores
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

oracle: $(ORACLE)/.ready ## compare with mlx-lm and mlx-vlm, in an environment of their own
	$(ORACLE)/bin/python -m pytest -m oracle -s tests/oracle

test-real: $(TOOLS) ## check a published checkpoint: make test-real MODEL=google/gemma-4-E2B-it
	GEMMA4_REAL_MODEL="$(MODEL)" $(BIN)/python -m pytest -m real -s tests/real

check: $(TOOLS) ## lint, format, types and the floors of the house
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

bench: $(READY) ## time starts and speeds, beside mlx-lm and mlx-vlm after make oracle
	@$(BIN)/python -m tests.bench

bench-convert: $(READY) ## the bundled model through every recipe: size, divergence, scores
	@$(BIN)/python -m tests.bench.convert_pocket --every 5

screenshots: $(READY) ## draw the pictures of docs/ anew, from the real chat (needs rsvg-convert)
	@$(BIN)/python -m tests.tui.screenshots docs

lock: ## pin the newest allowed dependencies anew (needs uv)
	$(LOCK) --upgrade -o requirements.lock
	$(LOCK) --group dev --constraint requirements.lock -o requirements-dev.lock
	$(LOCK) --group dev --group oracle --constraint requirements-dev.lock -o requirements-oracle.lock

clean: ## remove the environment and everything that was built
	rm -rf $(VENV) $(ORACLE) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

# The environment is made anew when what it is made from changes, and only then.
$(READY): pyproject.toml requirements.lock .ci/environment
	@sh .ci/environment $(VENV)
	@touch $@

$(ORACLE)/.ready: $(READY) requirements-oracle.lock
	@sh .ci/environment $(ORACLE) requirements-oracle.lock
	@touch $@

# The test tools go into the same environment, but only once somebody tests or checks.
$(TOOLS): $(READY) requirements-dev.lock
	@sh .ci/tools $(VENV)
	@touch $@
