# `make run` is all a newcomer needs: Python 3.11 or newer, no PostgreSQL, no Redis, no settings.
PYTHON ?= python3
BIN := .venv/bin
# One worker for each two cores and one more: most tests wait for servers that need a core themselves.
TEST_WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((n / 2 + 1)))
CHROMIUM := $(firstword $(shell command -v chromium chromium-browser google-chrome))

.DEFAULT_GOAL := help
.PHONY: help install run demo test test-slow test-journeys test-rabbitmq test-browser pictures test-chaos bench check lock clean

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/installed ## Install everything into .venv
run: install ## Run the product here; its address and login are printed
	@$(BIN)/python -m deploy.local run
demo: install ## Import 6,919 orders twice and check every figure
	@$(BIN)/python -m deploy.local demo
test: install ## Run the quick tests, about a minute
	@$(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) -m "not slow and not journey" $(ARGS)
test-slow: install ## Run the tests of every page, endpoint and fault, and of properties
	@$(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) -m "slow and not journey" $(ARGS)
test-journeys: install ## Run the tests that kill and restart real processes; minutes
	@$(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) -m journey $(ARGS)
test-rabbitmq: install ## Run the tests of jobs on RabbitMQ (Debian: apt install rabbitmq-server)
	@if [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]; then \
		$(BIN)/python -m pytest --transport rabbitmq tests/jobs tests/signals/test_health.py tests/signals/test_metrics.py $(ARGS); \
	else echo "Skipped: RabbitMQ is not installed. On Debian and Ubuntu: apt install rabbitmq-server"; fi
test-browser: install ## Run the tests of the console in a real browser (Debian: apt install chromium)
	@if [ -n "$(CHROMIUM)" ]; then $(MAKE) --no-print-directory .venv/browser && \
		$(BIN)/python -m pytest tests/browser $(ARGS); \
	else echo "Skipped: there is no Chromium. On Debian: apt install chromium"; fi
pictures: install .venv/browser ## Take the README's pictures of the console anew
	@$(BIN)/python -m pytest tests/browser/pictures.py $(ARGS)
test-chaos: install ## Kill everything under load, 10,000 jobs; ARGS="--size full --seed 1"
	@$(BIN)/python manage.py jobs_chaos $(ARGS)
bench: install ## Measure against Dramatiq, Celery, Huey, Procrastinate, django-tasks
	@$(BIN)/python -m tests.benchmarks $(ARGS)
check: install ## Check style, types, module borders, settings and migrations
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy modules config deploy
	$(BIN)/lint-imports
	@echo "$(BIN)/python manage.py check --deploy"
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python -m deploy.local servers --ephemeral -- $(BIN)/python manage.py makemigrations --check --dry-run

# Values that pass the checks and open nothing.
PRODUCTION := DJANGO_SETTINGS_MODULE=config.settings.production ALLOWED_HOSTS=backroom.example \
	SECRET_KEY=only-checked-never-used-0123456789-abcdefghijklmnopqrstuvwxyz \
	DATABASE_URL=postgres://localhost/none REDIS_URL=redis://localhost/0

.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Backroom needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.venv/browser: .venv/installed requirements-browser.lock
	@echo "Installing what drives a browser into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-browser.lock
	@touch $@

lock: ## Make the lock files anew from pyproject.toml
	@folder=$$(mktemp -d) && trap 'rm -r "$$folder"' EXIT && $(PYTHON) -m venv "$$folder" && \
	"$$folder/bin/pip" install --quiet --disable-pip-version-check uv && \
	"$$folder/bin/uv" pip compile pyproject.toml --quiet --extra local --extra dev --universal \
		--generate-hashes --python-version 3.11 --no-header --output-file requirements.lock && \
	"$$folder/bin/uv" pip compile --group pyproject.toml:browser --quiet --constraints requirements.lock --universal \
		--generate-hashes --python-version 3.11 --no-header --output-file requirements-browser.lock

clean: ## Remove the environment, the local data and all caches
	@rm -rf .venv .data .static .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
