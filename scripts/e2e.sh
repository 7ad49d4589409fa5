#!/usr/bin/env bash
# The suite of e2e/ against bin/signet. Arguments name test files; without any, all run.
set -euo pipefail
cd "$(dirname "$0")/.."

export SIGNET_BIN=${SIGNET_BIN:-$PWD/bin/signet}
cd e2e
[ $# -gt 0 ] || set -- test/*.test.mjs
# Two files at a time: each has its own broker, peers and browser.
exec node --test --test-concurrency=2 --test-timeout=180000 --test-reporter=spec "$@"
