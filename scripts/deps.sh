#!/usr/bin/env bash
# Installs the servers and tools that tests and demo need and the machine lacks,
# where it may (root on a Debian kind of system); else says what to install.
# Nothing that it installs is started, and nothing that runs is touched.
set -euo pipefail
cd "$(dirname "$0")/.."

# find_any NAME... : is any of them in PATH, or where Debian puts servers?
find_any() {
	local name
	for name in "$@"; do
		command -v "$name" >/dev/null && return
		compgen -G "/usr/sbin/$name" >/dev/null && return
		compgen -G "/usr/lib/postgresql/*/bin/$name" >/dev/null && return
		compgen -G "/opt/homebrew/opt/postgresql@*/bin/$name" >/dev/null && return
	done
	return 1
}

missing=()
find_any mosquitto || missing+=(mosquitto)
find_any mosquitto_pub || missing+=(mosquitto-clients)
find_any redis-server valkey-server || missing+=(redis-server)
find_any initdb || missing+=(postgresql)
find_any protoc || missing+=(protobuf-compiler)
find_any curl || missing+=(curl)
if [ "$(uname)" = Linux ]; then
	find_any systemd-analyze || missing+=(systemd)
fi
# An interpreter that the user has named is the user's to complete.
if [ -n "${SLUICE_PYTHON:-}" ]; then
	scripts/python.sh >/dev/null
elif ! scripts/python.sh >/dev/null 2>&1; then
	missing+=(python3 python3-grpcio python3-protobuf)
fi
# The race detector links with C.
find_any "${CC:-gcc}" clang || missing+=(gcc libc6-dev)

if [ ${#missing[@]} -eq 0 ]; then
	exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	cat >&2 <<-EOF
		Missing on this machine. Install:
		  Debian, Ubuntu:  sudo apt-get install -y ${missing[*]}
		  macOS:           brew install mosquitto redis postgresql@15 protobuf; pip install grpcio protobuf
		  elsewhere:       Mosquitto 2 with its clients, Redis 7, PostgreSQL 15, protoc, a C compiler,
		                   Python 3.9 or later with grpcio and protobuf
	EOF
	exit 1
fi

# Debian starts a service as it is installed, unless this file says no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
install() { apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; }
# The package lists are fetched only if those on the machine do not do.
if ! install && ! { apt-get update >"$log" 2>&1 && install; }; then
	tail -n 30 "$log" >&2
	echo "apt-get install ${missing[*]}: did not succeed; the whole log is in $log" >&2
	exit 1
fi
rm -f "$log"
