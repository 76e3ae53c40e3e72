# Each target sets up what is missing first. The only command a person needs is `make up`.
SHELL := /bin/bash
PY := .venv/bin/python

.PHONY: up test bench setup lint

up: setup
	@exec .venv/bin/freeline up

setup:
	@ops/setup.sh run

test:
	@ops/setup.sh test
	@ops/check.sh

lint:
	@ops/check.sh lint

bench:
	@ops/setup.sh test
	@$(PY) -m bench
