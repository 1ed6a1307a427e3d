# Everything here is one command that also works by itself: see "Without make" in README.md.
SHELL   := bash
CARRIER ?= twilio
PORT    ?= 7861
JOBS    ?= 4
PYTHON  := .venv/bin/python
PYTHONS ?= python3.13 python3.12 python3.11 python3
LOCK    := $(PYTHON) -m uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header \
           --no-annotate --no-emit-index-url --no-emit-find-links --quiet

.DEFAULT_GOAL := help
.PHONY: help setup call test stories lint format bench run lock clean

help: ## Say what each target does
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: .venv/.ready ## Make .venv with everything that calls, tests and the local voice need (about 1 to 3 minutes)

call: .venv/.ready ## Place a call to the bot on this machine: CARRIER=twilio|telnyx SAY="..." REPORT=file.json PORT=7861
	$(PYTHON) -m emulator call --carrier $(CARRIER) --serve "$(PYTHON) server.py" --url http://127.0.0.1:$(PORT) \
	  --record recordings/call-$(CARRIER).wav $(if $(REPORT),--report "$(REPORT)") $(if $(SAY),--say "$(SAY)")

test: .venv/.ready ## Run the tests: ARGS="-k handshake" picks some
	$(PYTHON) -m pytest -n 6 --dist loadfile $(ARGS)

stories: .venv/.ready ## Play the stories of tests/stories on their carriers: ONLY="goodbye" picks some, JOBS=4 at a time
	$(PYTHON) -m emulator stories tests/stories --forks "$(PYTHON) -m tests.story_bot --forks" --jobs $(JOBS) $(if $(ONLY),--only "$(ONLY)")

lint: .venv/.ready ## Check style, types and who imports whom
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-cache

format: .venv/.ready ## Put the code into the common style
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

bench: .venv/.ready ## Measure what callers wait for, and memory: ARGS="--only control --times 1" is the short way
	$(PYTHON) -m bench $(ARGS)

run: .venv/.ready ## Serve calls: python server.py
	$(PYTHON) server.py

lock: .venv/.ready ## Choose the newest fitting versions again, with the hashes of all platforms
	$(LOCK) --upgrade --extra local --extra services --extra dev -o requirements/dev.lock
	$(LOCK) --constraint requirements/dev.lock --extra services -o requirements/hosted.lock
	$(LOCK) --constraint requirements/dev.lock --extra services --extra local -o requirements/local.lock

clean: ## Remove what was made here, but not .env, data/ and recordings/
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: requirements/dev.lock
	@PYTHONS="$(PYTHONS)" bash requirements/install.sh .venv requirements/dev.lock
	@touch $@
