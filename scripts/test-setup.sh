#!/usr/bin/env bash
# Installs what make test needs: Debian packages by apt where it can, Node packages by npm. Quick when all
# is there. Where it cannot install, it names every missing thing and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

node=node@22.23.3
missing=() # "what: Debian package"

say() { printf '   %-16s %s\n' "$1" "$2"; }

# need WHAT PACKAGE TEST... notes WHAT as missing unless TEST succeeds.
need() {
	local what=$1 package=$2
	shift 2
	if "$@" >/dev/null 2>&1; then say "$what" ok; else missing+=("$what:$package"); fi
}

has() { command -v "$1"; }
has_postgres() { has initdb || ls /usr/lib/postgresql/*/bin/initdb; }
has_chromium() { has "${CHROMIUM:-chromium}"; }
has_apache() { has /usr/sbin/apache2 || has apache2; }
has_node() { scripts/with-node.sh node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' && has npm; }
has_php() { php -r 'exit(extension_loaded("dom") && extension_loaded("openssl") ? 0 : 1);'; }

survey() {
	missing=()
	need "Node 20" "nodejs npm" has_node
	need PostgreSQL postgresql has_postgres
	need Chromium chromium has_chromium
	need PHP "php-cli php-xml" has_php
	need SimpleSAMLphp simplesamlphp test -d /usr/share/simplesamlphp/www
	need Apache apache2 has_apache
	need mod_auth_openidc libapache2-mod-auth-openidc test -f /usr/lib/apache2/modules/mod_auth_openidc.so
	need xmlsec1 xmlsec1 has xmlsec1
	need openssl openssl has openssl
	need fonts fonts-dejavu-core test -d /usr/share/fonts/truetype/dejavu
}

fail() {
	{
		echo "cannot run the tests: $1"
		local m
		for m in ${missing[@]+"${missing[@]}"}; do echo "  ${m%%:*} is missing (Debian: ${m##*:})"; done
	} >&2
	exit 1
}

# quietly runs a command and shows what it said only when it fails.
quietly() {
	local log
	log=$(mktemp)
	if "$@" >"$log" 2>&1; then rm -f "$log"; return 0; fi
	tail -n 30 "$log" >&2
	rm -f "$log"
	return 1
}

install_packages() {
	command -v apt-get >/dev/null || fail "there is no apt-get here to install with"
	local root=()
	if [ "$(id -u)" -ne 0 ]; then
		sudo -n true 2>/dev/null || fail "apt-get needs root, and sudo asks for a password"
		root=(sudo -n)
	fi
	local m packages=()
	local p
	for m in "${missing[@]}"; do read -ra p <<<"${m##*:}"; packages+=("${p[@]}"); done
	say apt "installing ${packages[*]}"
	# Neither Apache nor PostgreSQL has to run as a service: the tests start their own. policy-rc.d is
	# Debian's way to say so; an existing one is left alone.
	local policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee $policy >/dev/null
		"${root[@]}" chmod 755 $policy
		trap "${root[*]} rm -f $policy" EXIT
	fi
	quietly "${root[@]}" apt-get update -q || say apt "update failed, going on with the lists that are here"
	quietly "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}" ||
		fail "apt-get install failed"
}

# Debian 12 has Node 18, which is too old for the peers: npm has newer ones, and keeps this one to the tests.
install_newer_node() {
	if has_node >/dev/null 2>&1 || ! has npm >/dev/null; then return; fi
	say Node "installing $node into e2e/.node"
	quietly npm install --prefix e2e/.node --no-save --no-audit --no-fund --loglevel=error "$node" || fail "npm install $node failed"
}

# The lock file is copied next to what was installed from it, so that a second run has nothing to do.
install_node_packages() {
	local mark=e2e/node_modules/.package-lock.done
	if cmp -s e2e/package-lock.json "$mark"; then
		say "Node packages" ok
		return
	fi
	say "Node packages" "npm ci"
	quietly scripts/with-node.sh npm ci --no-audit --no-fund --loglevel=error || fail "npm ci failed in e2e/"
	cp e2e/package-lock.json "$mark"
}

has go >/dev/null || { echo "cannot run the tests: Go is missing (https://go.dev/dl, version in go.mod)" >&2; exit 1; }
say Go "$(go env GOVERSION)"
survey
if [ ${#missing[@]} -gt 0 ]; then
	install_packages
	missing=()
	install_newer_node
	survey
	[ ${#missing[@]} -eq 0 ] || fail "still missing after apt-get install"
fi
install_node_packages
