#!/usr/bin/env bash
# Sets up what is missing, and says what it does. Used by make, by CI and by the Dockerfile, so that there is one list of
# what Freeline needs.
#   setup.sh run                 all for `freeline up`;  setup.sh test: for the tests as well
#   setup.sh compose             .env and secrets/ for docker-compose.yml; what is there is kept
#   setup.sh packages GROUP...   one stage each, for the images: packages of these groups,
#   setup.sh python|asterisk     the environment with the locked packages, the private Asterisk
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-run}

python_packages=(python3 ca-certificates)
venv_packages=(python3-venv)
redis_packages=(redis-server)
voice_packages=(espeak-ng sox libsox-fmt-all)
asterisk_packages=(mmdebstrap)
# What backups of PostgreSQL are made with, and what it links to.
dumps_packages=(postgresql-client)
libpq_packages=(libpq5)
test_packages=(chromium postgresql fonts-noto-core coturn sip-tester)
# docker-compose.yml is tested without a Docker engine; podman-compose itself is in the lock.
container_packages=(podman runc netavark aardvark-dns iptables catatonit)

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
  if [ -f "$stamp" ] && grep -q "^$want" "$stamp" && { [ "$what" != test ] || grep -q test "$stamp"; }; then
    return 0
  fi
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or later is needed"
  step "Python packages from $lock"
  [ -x .venv/bin/python ] || python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --progress-bar off \
    --require-hashes -r "$lock" 2> >(grep -v '^WARNING: Location' >&2)
  printf '#!/bin/sh\nexec "%s/.venv/bin/python" -P -m ops "$@"\n' "$PWD" > .venv/bin/freeline
  chmod +x .venv/bin/freeline
  # The command works from any folder: the checkout is on the environment's path.
  printf '%s\n' "$PWD" > "$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/freeline.pth"
  printf '%s %s\n' "$want" "$what" > "$stamp"
}

asterisk() {
  local ask='from hotline.settings import settings; from telephony.asterisk.obtain import'
  .venv/bin/python -c "$ask find_asterisk; find_asterisk(settings())" >/dev/null 2>&1 && return 0
  install_packages "${asterisk_packages[@]}"
  step "Asterisk: a private one, fetched once"
  .venv/bin/python -c "$ask install_asterisk; install_asterisk(settings().cache, lambda text: print('         ' + text))" ||
    fail "Asterisk could not be obtained; the lines above say why"
}

packages() {
  local group need=()
  for group in "$@"; do
    local -n list="${group}_packages"
    need+=("${list[@]}")
  done
  install_packages "${need[@]}"
}

random_word() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

secret() {  # name, content: kept when it is there
  [ -e "secrets/$1" ] && return 0
  printf '%s\n' "$2" >"secrets/$1"
  # The folder is closed to others; a container's user must be able to read the one file it is given.
  chmod 644 "secrets/$1"
  step "made secrets/$1"
}

compose_files() {
  mkdir -p secrets
  chmod 700 secrets
  [ -e .env ] || { cp .env.example .env; chmod 600 .env; step "made .env: read it, and change what is yours"; }
  secret postgres_password "$(random_word)"
  secret database_url "postgresql://freeline:$(tr -d '\n' <secrets/postgres_password)@postgres/freeline"
  secret turn_secret "$(random_word)"
  secret trunk_password ""
}

case $what in
  run | test)
    packages python venv redis voice
    if [ "$what" = test ]; then packages test container; fi
    python_environment
    asterisk
    ;;
  packages) packages "${@:2}" ;;
  python) python_environment ;;
  asterisk) asterisk ;;
  compose) compose_files ;;
  *) fail "there is no stage '$what'; its first lines say which there are" ;;
esac
step "set up"
