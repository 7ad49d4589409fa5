#!/usr/bin/env bash
# Runs every fuzz target of the module in turn, each for FUZZTIME.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=$(grep -roHE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed 's/:func /:/' || true)
[ -n "$targets" ] || { echo "no fuzz targets" >&2; exit 1; }
for target in $targets; do
	file=${target%%:*} name=${target##*:}
	echo "== $name in $(dirname "$file"), ${FUZZTIME:-60s}"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-60s}" "$(dirname "$file")"
done
