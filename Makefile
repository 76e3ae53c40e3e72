# Each target sets up what is missing first. The only command a person needs is `make up`.
SHELL := /bin/bash
PY := .venv/bin/python

.PHONY: up test test-quick test-any-time test-postgresql bench setup lint

up: setup
	@exec .venv/bin/freeline up

setup:
	@ops/setup.sh run

test:
	@ops/setup.sh test
	@ops/check.sh

# For people, while they work: the unit tests, on SQLite.
test-quick:
	@ops/setup.sh test
	@FREELINE_TEST_DATABASE=sqlite $(PY) -m pytest -n auto tests/unit

# The same as if it were another moment elsewhere: midnight and evening at the line, a leap day, and both changes of daylight
# saving, which come while the tests run. None may depend on the hour, the date or the zone.
MOMENTS := 2036-12-01T00:00@Asia/Bangkok 2036-12-01T20:00@Asia/Bangkok 2036-02-29T12:00@UTC \
           2036-03-09T01:59@America/New_York 2036-11-02T01:59@America/New_York
test-any-time:
	@ops/setup.sh test
	@for at in $(MOMENTS); do echo "== $$at"; \
	  FREELINE_TEST_AT=$$at FREELINE_TEST_DATABASE=sqlite $(PY) -m pytest -n auto tests/unit || exit 1; done

# The default run has quick tests on both databases, and the slow ones on SQLite; this has all of them on PostgreSQL.
test-postgresql:
	@ops/setup.sh test
	@FREELINE_TEST_DATABASE=postgresql ops/check.sh

lint:
	@ops/check.sh lint

bench:
	@ops/setup.sh test
	@$(PY) -m bench
