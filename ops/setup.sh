#!/usr/bin/env bash
# Sets up what is missing, and says what it does. `setup.sh run` for running, `setup.sh test` for the tests as well.
# Used by make, by CI and by the container images, so that there is one list of what Freeline needs.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-run}

run_packages=(espeak-ng sox libsox-fmt-all redis-server python3-venv ca-certificates)
asterisk_packages=(mmdebstrap)
test_packages=(chromium postgresql fonts-noto-core coturn sip-tester)

step() { printf '\033[2m%s\033[0m %s\n' "$(date +%H:%M:%S)" "$*"; }
fail() { printf 'freeline setup: %s\n' "$*" >&2; exit 1; }

missing() {  # the packages of a list that are not installed
  local package
  for package in "$@"; do
    dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed' || printf '%s ' "$package"
  done
}

install_packages() {
  local need
  need=$(missing "$@")
  [ -z "$need" ] && return 0
  command -v apt-get >/dev/null || fail "this machine has no apt-get; install by hand: $need"
  if [ "$(id -u)" != 0 ]; then
    fail "these packages are missing and need root. Run:  sudo apt-get install --no-install-recommends $need"
  fi
  step "installing: $need"
  local log
  log=$(mktemp)
  if ! { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $need; } >"$log" 2>&1; then
    tail -5 "$log" >&2
    fail "apt-get could not install: $need"
  fi
  rm -f "$log"
}

python_environment() {
  local lock=requirements.txt
  [ "$what" = test ] && lock=requirements-dev.txt
  local stamp=.venv/.locked-by
  local want
  want=$(cat requirements.txt requirements-dev.txt ops/setup.sh | sha256sum | cut -c1-16)
  if [ -f "$stamp" ] && grep -q "^$want" "$stamp" && { [ "$what" = run ] || grep -q test "$stamp"; }; then
    return 0
  fi
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or later is needed"
  step "Python packages from $lock"
  [ -x .venv/bin/python ] || python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --progress-bar off \
    --require-hashes -r "$lock" 2> >(grep -v '^WARNING: Location' >&2)
  printf '#!/bin/sh\nexec "%s/.venv/bin/python" -m ops "$@"\n' "$PWD" > .venv/bin/freeline
  chmod +x .venv/bin/freeline
  # The command works from any folder: the checkout is on the environment's path.
  printf '%s\n' "$PWD" > "$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/freeline.pth"
  printf '%s %s\n' "$want" "$what" > "$stamp"
}

asterisk() {
  local ask='from hotline.settings import settings; from telephony.obtain import'
  .venv/bin/python -c "$ask find_asterisk; find_asterisk(settings())" >/dev/null 2>&1 && return 0
  install_packages "${asterisk_packages[@]}"
  step "Asterisk: a private one, fetched once"
  .venv/bin/python -c "$ask install_asterisk; install_asterisk(settings().cache, lambda text: print('         ' + text))" ||
    fail "Asterisk could not be obtained; the lines above say why"
}

install_packages "${run_packages[@]}"
[ "$what" = test ] && install_packages "${test_packages[@]}"
python_environment
asterisk
step "set up"
