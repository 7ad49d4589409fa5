#!/usr/bin/env bash
# make test: every step by name, with how long it took; stops at the first that fails.
set -euo pipefail
cd "$(dirname "$0")/.."

begun=$SECONDS
step() {
	local name=$1 at=$SECONDS
	shift
	echo "== $name"
	if ! "$@"; then
		echo "== $name: failed after $((SECONDS - at)) s" >&2
		exit 1
	fi
	echo "== $name: ok, $((SECONDS - at)) s"
}

step "what the tests need" scripts/test-setup.sh
step "gofmt and go vet" scripts/check.sh
step "go test -race" go test -race -timeout 20m ./...
step "build" go build -o bin/signet ./cmd/signet
step "browser and peers" scripts/e2e.sh
echo "== all passed, $((SECONDS - begun)) s"
