# Everything here is one command that also works by itself: see "Without make" in README.md.
SHELL   := bash
CARRIER ?= twilio
PORT    ?= 7861
JOBS    ?= 8
# Calls without keys take a part of a core each, so talks have a number of their own
TALKS_JOBS := $(if $(filter command line environment,$(origin JOBS)),--jobs $(JOBS))
VENV    ?= .venv
PYTHON  := $(VENV)/bin/python
PYTHONS ?= python3.13 python3.12 python3.11 python3
INSTALL := PYTHONS="$(PYTHONS)" bash requirements/install.sh $(VENV) requirements/dev.lock $(EXTRAS)
LOCK    := $(PYTHON) -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
           --no-emit-find-links --quiet --custom-compile-command \
           "make lock; it is installed by requirements/install.sh, or by pip as the beginning of requirements/install.py says"

ifneq ($(words $(VENV)),1)
$(error VENV is "$(VENV)": name one folder, without blanks in its path)
endif

.DEFAULT_GOAL := help
.PHONY: help setup call phone test stories lint format docs bench bench-quick attack attack-quick chaos chaos-quick soak soak-quick talks talks-quick talks-voices run doctor lock lock-check vendor clean

help: ## Say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: ## Make .venv with all that calls, tests and the local voice need, and the command phonebot (1 to 3 minutes): EXTRAS="webrtc rime" adds to it, VENV=folder
	@$(INSTALL)

call: $(VENV)/.ready ## Place a call to the bot on this machine: CARRIER=twilio|telnyx SAY="..." REPORT=file.json PORT=7861
	$(PYTHON) phonebot.py call --carrier $(CARRIER) --url http://127.0.0.1:$(PORT) \
	  --record recordings/call-$(CARRIER).wav $(if $(REPORT),--report "$(REPORT)") $(if $(SAY),--say "$(SAY)")

phone: $(VENV)/.ready ## Call the bot on this machine with your own voice: a phone in the browser, with the wire beside it; PORT=7861 of the server, ARGS="--port 7862 --way telnyx"
	$(PYTHON) phonebot.py phone --url http://127.0.0.1:$(PORT) $(ARGS)

test: $(VENV)/.ready ## Run the tests: ARGS="-k handshake" picks some
	$(PYTHON) -m pytest -n 6 --dist loadfile --no-loadscope-reorder $(ARGS)

stories: $(VENV)/.ready ## Play the stories of tests/stories on their carriers: ONLY="goodbye", VOICE=beeps or CARRIER=telnyx picks some, JOBS=8 at a time, LINE=real on lines as they are, AGAIN=3 that failed once more, POSTGRES=1 keeps their calls there
	$(PYTHON) -m emulator stories tests/stories --forks "$(PYTHON) -m tests.story_bot --forks$(if $(POSTGRES), --postgres)" --jobs $(JOBS) $(if $(LINE),--line $(LINE)) $(if $(AGAIN),--again $(AGAIN)) $(if $(ONLY),--only "$(ONLY)") $(if $(VOICE),--voice $(VOICE)) $(if $(filter command line environment,$(origin CARRIER)),--carrier $(CARRIER))

lint: $(VENV)/.ready ## Check style, types and who imports whom
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(VENV)/bin/lint-imports --no-cache

format: $(VENV)/.ready ## Put the code into the common style
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

docs: $(VENV)/.ready ## Write docs/events.md, docs/services.md and the tables of docs/agents.md from the code
	$(PYTHON) -m calls.events > docs/events.md
	$(PYTHON) -m conversation.agents docs/agents.md
	$(PYTHON) -m conversation.services > docs/services.md

bench: $(VENV)/.ready ## Compare with a stock Pipecat bot, and measure what callers wait for and memory (40 minutes): ARGS="--only control --times 1" picks a part
	$(PYTHON) -m bench $(ARGS)

bench-quick: $(VENV)/.ready ## The comparison alone, in less than four minutes
	$(PYTHON) -m bench --quick $(ARGS)

attack: $(VENV)/.ready ## Try to get in as strangers would, 10,000 times, beside calls that must not notice: ARGS="--seed 2"
	$(PYTHON) -m attack $(ARGS)

attack-quick: $(VENV)/.ready ## The same with 1,000 tries, in about a minute
	$(PYTHON) -m attack --quick $(ARGS)

chaos: $(VENV)/.ready ## Place 200 calls while processes are killed, hang and are replaced, and networks, carriers and the database fail: ARGS="--seed 2 --workers 1"
	$(PYTHON) -m chaos $(ARGS)

chaos-quick: $(VENV)/.ready ## The same with 40 calls, in less than five minutes
	$(PYTHON) -m chaos --quick $(ARGS)

soak: $(VENV)/.ready ## Place calls for an hour, and see that they leave nothing behind in the server: ARGS="--minutes 600"
	$(PYTHON) -m chaos.soak $(ARGS)

soak-quick: $(VENV)/.ready ## The same in about five minutes
	$(PYTHON) -m chaos.soak --quick $(ARGS)

talks: talks-voices ## Play phone talks of many voices, and say what the callers felt (half an hour): ONLY="hesitation" picks some, JOBS=4 at a time, ARGS="--results" keeps what came of them
	$(PYTHON) -m talks $(if $(ONLY),--only "$(ONLY)") $(TALKS_JOBS) $(ARGS)

talks-quick: talks-voices ## A fixed fifth of them, in less than five minutes; fails below the floor in talks/floor.py
	$(PYTHON) -m talks --quick $(TALKS_JOBS) $(ARGS)

talks-quick: QUICK := --quick
talks-voices: $(VENV)/.ready ## Speak the callers' lines, once (5 minutes); they are kept in TALKS_CACHE, or ~/.cache/phonebot-talks
	@PYTHONS="$(PYTHONS)" bash requirements/install.sh $(VENV) requirements/dev.lock talks
	$(PYTHON) -m talks --make-voices $(QUICK)

run: $(VENV)/.ready ## Serve calls: python server.py
	$(PYTHON) server.py

doctor: $(VENV)/.ready ## Find what is missing, misspelt or wrong before a caller does: ARGS="--json" for programs
	$(PYTHON) -m web.doctor $(ARGS)

lock: $(VENV)/.ready ## Choose the newest fitting versions again, with the hashes of all platforms
	$(LOCK) pyproject.toml --upgrade --extra local --extra services --extra postgresql --extra dev -o requirements/dev.lock
	$(LOCK) pyproject.toml -c requirements/dev.lock --extra services --extra postgresql -o requirements/hosted.lock
	$(LOCK) pyproject.toml -c requirements/dev.lock --extra services --extra postgresql --extra local -o requirements/local.lock
	$(LOCK) pyproject.toml -c requirements/dev.lock --upgrade --extra webrtc -o requirements/webrtc.lock
	$(LOCK) pyproject.toml -c requirements/dev.lock -c requirements/webrtc.lock --upgrade --extra whisper -o requirements/whisper.lock
	$(LOCK) pyproject.toml -c requirements/dev.lock --extra talks -o requirements/talks.lock
	echo setuptools | $(LOCK) --upgrade -o requirements/build.lock -

lock-check: $(VENV)/.ready ## See that every pip and uv installs the locks, and that they have the wheels of all platforms
	$(PYTHON) -m pytest -n 2 -rP -p no:cacheprovider tests/check_locks.py

vendor: $(VENV)/.ready ## Copy the scripts that the console loads out of their npm packages again, with their hashes: needs npm
	$(PYTHON) requirements/vendor.py

clean: ## Remove what was made here, but not .env, data/ and recordings/
	@if [ ! -L $(VENV) ] && { [ -e $(VENV)/.phonebot ] || [ -e $(VENV)/.ready ]; }; then rm -rf $(VENV); else echo "clean: leaving $(VENV), which was not made here"; fi
	rm -rf .coverage .coverage.* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path './.venv*' -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.ready: requirements/dev.lock
	@$(INSTALL)
