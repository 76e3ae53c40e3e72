#!/usr/bin/env bash
# Lint, types, import rules and all tests. Any that fails, fails this.
#   check.sh          all: lanes of processes at once, then the tests that measure a load, alone
#   check.sh lint     what needs no test
#   check.sh PATH…    lint, then only these tests
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
step() { printf '\n== %s\n' "$*"; }
lint() {
  step "ruff"; ruff format --check . ; ruff check .
  step "mypy"; mypy
  step "imports"; lint-imports
}
if [ $# -gt 0 ]; then
  lint
  [ "$1" = lint ] && exit 0
  step "tests"; exec python -m pytest -n 2 "$@"
fi

logs=$(mktemp -d)
names=() running=() failed=()
begin() {  # lane, command...: start it in the background, in a process group of its own
  local lane=$1; shift
  set -m; FREELINE_TEST_LANE=$lane "$@" >"$logs/$lane" 2>&1 </dev/null & set +m
  names+=("$lane") running+=($!)
}
progress() {  # how far each lane is, by what pytest wrote last
  local lane line=
  for lane in "${names[@]}"; do
    line+="  $lane $(grep -o '\[ *[0-9]*%\]' "$logs/$lane" | tail -1 | tr -d '[] ' || true)"
  done
  printf '%s%s\n' "$(date +%H:%M:%S)" "$line"
}
finish() {  # wait for all lanes; a line when one ends, and one now and then; what a lane wrote comes whole, at its end
  local i lane code next=$((SECONDS + 30))
  while [ ${#running[@]} -gt 0 ]; do
    sleep 1
    for i in "${!running[@]}"; do
      kill -0 "${running[i]}" 2>/dev/null && continue
      code=0; wait "${running[i]}" || code=$?
      lane=${names[i]}; unset "running[i]" "names[i]"
      step "$lane: $([ "$code" = 0 ] && echo passed || echo "FAILED ($code)"), after $SECONDS s"
      if [ "$code" = 0 ]; then sed -n '/^=\{3,\} .*\(slowest\|lines of the product\)/,$p' "$logs/$lane"; else failed+=("$lane"); cat "$logs/$lane"; fi
      tail -1 "$logs/$lane" >"$logs/$lane.last"
    done
    if [ "$SECONDS" -ge "$next" ]; then next=$((SECONDS + 30)); progress; fi
  done
}
stop() {  # Ctrl-C, or the end: each lane takes its stacks down itself, or else is ended
  local pid
  for pid in "${running[@]}"; do kill -INT -- "-$pid" 2>/dev/null || true; done
  for _ in $(seq 60); do
    for pid in "${running[@]}"; do kill -0 -- "-$pid" 2>/dev/null && { sleep 0.5; continue 2; }; done
    break
  done
  for pid in "${running[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done
  rm -rf "$logs"
}
trap stop EXIT
trap 'exit 130' INT TERM

pytest=(python -m pytest --durations=40 --durations-min=0.5)
waiting=(tests/e2e tests/integration/telephony)
compose=tests/e2e/compose
# The waiting tests must keep up with a call when it speaks, so that only lint is beside them. The quick ones want the
# processor and have it beside the containers, which mostly wait. All at once was tried twice, also with the quick ones at
# nice 19: on two cores the calls and the containers came too late, and it took no less time.
step "lint, and the tests that wait for callers; the output of each comes when it ends"
begin waiting "${pytest[@]}" -n 4 -p tests.support.lanes --dist loadscope --no-loadscope-reorder -m "not alone" \
  --ignore="$compose" "${waiting[@]}"
begin lint nice -n 5 ops/check.sh lint
finish
step "the quick tests, and docker-compose.yml"
# With a database that was asked for, compose would only repeat what it has shown: it brings its own.
[ -n "${FREELINE_TEST_DATABASE:-}" ] || begin compose "${pytest[@]}" "$compose"
begin quick env PYTEST_PLUGINS=tests.support.coverage nice -n 10 "${pytest[@]}" -n 2 --dist worksteal -m "not alone" tests "${waiting[@]/#/--ignore=}"
finish
step "the tests whose load is the point, with nothing beside them"
mapfile -t load < <(grep -rl "mark\.alone" --include="test_*.py" tests)
begin alone "${pytest[@]}" -m alone "${load[@]}"
finish

step "in all, after $SECONDS s"
for lane in waiting compose quick alone; do
  [ -e "$logs/$lane.last" ] && printf '%-8s %s\n' "$lane" "$(cat "$logs/$lane.last")"
done
if [ ${#failed[@]} -gt 0 ]; then step "FAILED: ${failed[*]}"; exit 1; fi
step "passed"
