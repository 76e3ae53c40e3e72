#!/usr/bin/env bash
# Renews the vendored browser library that ships no bundle: JsSIP, bundled into one file. Needs npm; its result is committed,
# so running Freeline needs none of this. After a change of version run the console's tests and change VENDORED.md.
set -euo pipefail
jssip=3.13.8
esbuild=0.28.2

here=$(cd "$(dirname "$0")/.." && pwd)
into=$here/agent_console/static/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
printf '{"private": true}\n' > package.json
npm install --silent --no-audit --no-fund --ignore-scripts "jssip@$jssip" "esbuild@$esbuild"

# JsSIP's entry sets no global of its own; what it needs of others (debug, events, sdp-transform) goes in with it.
printf 'module.exports = require("jssip");\n' > entry.js
npx --no-install esbuild entry.js --bundle --minify --format=iife --global-name=JsSIP --platform=browser --target=es2020 \
  --legal-comments=none --log-level=warning --outfile=jssip.min.js

{
  for package in jssip debug ms events sdp-transform; do
    folder=node_modules/$package
    [ -d "$folder" ] || { echo "vendor: $package is no longer a part of JsSIP: mend this list" >&2; exit 1; }
    file=$(find "$folder" -maxdepth 1 -iname 'licen[sc]e*' | head -1)
    printf '== %s %s\n\n' "$package" "$(node -p "require('./$folder/package.json').version")"
    cat "$file"
    printf '\n'
  done
} > jssip.LICENSE
cp jssip.min.js jssip.LICENSE "$into/"
echo "JsSIP $jssip is in $into ($(wc -c < "$into/jssip.min.js") bytes)"
