#!/usr/bin/env bash
# Lint, types, import rules and all tests. Any that fails, fails this.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
step() { printf '\n== %s\n' "$*"; }
step "ruff"; ruff format --check . ; ruff check .
step "mypy"; mypy
step "imports"; lint-imports
[ "${1:-}" = lint ] && exit 0
# Two at a time: they mostly wait for callers. More would be unfair to those that must keep up with a call.
compose=tests/e2e/compose
step "tests"; python -m pytest -n 2 --ignore="$compose" "$@"
# They share one stack of containers, so they run in one process, and alone.
[ $# -gt 0 ] || { step "tests of docker-compose.yml"; python -m pytest "$compose"; }
