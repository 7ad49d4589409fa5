#!/usr/bin/env bash
# Runs a command in e2e/ with the Node that the tests use: this machine's, or the one that test-setup.sh has
# installed beside them where this machine's is too old.
set -euo pipefail
cd "$(dirname "$0")/../e2e"

own=$PWD/.node/node_modules/node/bin
[ ! -x "$own/node" ] || export PATH="$own:$PATH"
export SIGNET_BIN=${SIGNET_BIN:-$PWD/../bin/signet}
exec "$@"
