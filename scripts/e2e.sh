#!/usr/bin/env bash
# The suite of e2e/ against bin/signet. Arguments name its test files; without any, all run.
set -euo pipefail
cd "$(dirname "$0")/../e2e"

[ $# -gt 0 ] || set -- test/*.test.mjs
# Two files at a time: each has its own broker, peers and browser.
exec ../scripts/with-node.sh node --test --test-concurrency=2 --test-timeout=600000 --test-reporter=spec "$@"
