#!/usr/bin/env bash
# python-stubs.sh FOLDER: generates the messages of the Python client into
# FOLDER/sluice_client/_gen.
#
# protoc must be 3.21: what it writes runs with protobuf 3.20 and later, while the
# code of protoc 26 and later refuses every runtime that is older than itself.
# Another version is refused, so that the stubs, and the check that they are
# fresh, do not depend on the machine.
#
# The contracts are compiled under the path of the package, not flat as they lie:
# imports are then absolute, and a program may load another api.proto beside ours.
set -euo pipefail
mkdir -p "$1"
out=$(realpath "$1")
cd "$(dirname "$0")/.."

version=$(protoc --version)
if [[ $version != "libprotoc 3.21."* ]]; then
	echo "the Python stubs need protoc 3.21, as Debian 12 and Ubuntu 24.04 have it; this is $version" >&2
	exit 1
fi
path=sluice_client/_gen
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/$path" "$out/$path"
rm -f "$out/$path"/*_pb2.py*
for name in api presence service; do
	sed "s,^import \"presence.proto\",import \"$path/presence.proto\"," "proto/$name.proto" >"$work/$path/$name.proto"
done
${BUF:-go tool -modfile=tools/go.mod buf} generate "$work" --template python/buf.gen.yaml --output "$out"
printf '"""Messages of the API, generated from proto/."""\n' >"$out/$path/__init__.py"
