# Each target sets up what is missing first. The only command a person needs is `make up`, which `make` alone is too. The
# words behind ## are what `make help` says.
SHELL := /bin/bash
PY := .venv/bin/python

.PHONY: up help setup lint test test-quick test-any-time test-postgresql bench docs

up: setup ## run everything on this machine, with a demo on the first start; Ctrl-C stops it
	@exec .venv/bin/freeline up

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | expand -t 18

setup: ## install what is missing to run it
	@ops/setup.sh run

test: ## lint and all tests, with Asterisk, Chromium, Vosk, PostgreSQL and containers
	@ops/setup.sh test
	@ops/check.sh

# For people, while they work: the unit tests, on SQLite.
test-quick: ## the unit tests on SQLite, while you work
	@ops/setup.sh test
	@FREELINE_TEST_DATABASE=sqlite $(PY) -m pytest -n auto tests/unit

# The same as if it were another moment elsewhere: midnight and evening at the line, a leap day, and both changes of daylight
# saving, which come while the tests run. None may depend on the hour, the date or the zone.
MOMENTS := 2036-12-01T00:00@Asia/Bangkok 2036-12-01T20:00@Asia/Bangkok 2036-02-29T12:00@UTC \
           2036-03-09T01:59@America/New_York 2036-11-02T01:59@America/New_York
test-any-time: ## the unit tests at five other moments, in other zones
	@ops/setup.sh test
	@for at in $(MOMENTS); do echo "== $$at"; \
	  FREELINE_TEST_AT=$$at FREELINE_TEST_DATABASE=sqlite $(PY) -m pytest -n auto tests/unit || exit 1; done

# The default run has quick tests on both databases, and the slow ones on SQLite; this has all of them on PostgreSQL.
test-postgresql: ## all tests but the containers, on PostgreSQL
	@ops/setup.sh test
	@FREELINE_TEST_DATABASE=postgresql ops/check.sh

lint: ## ruff, mypy and the import rules
	@ops/check.sh lint

bench: ## the benchmarks; docs/benchmarks.md
	@ops/setup.sh test
	@$(PY) -m bench

# The filter: aiohttp's own alias of a handler names a type that pdoc cannot look up.
ROOMS := models hotline recordings telephony ivr web agent_console ops
docs: ## API documentation from the docstrings, into build/docs
	@ops/setup.sh test
	@rm -rf build/docs
	@$(PY) -W "ignore:Error parsing type annotation collections.abc.Callable[['Request']" -m pdoc -o build/docs $(ROOMS)
	@echo "read build/docs/index.html"
