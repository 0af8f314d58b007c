#!/usr/bin/env bash
# Prints the Python interpreter for the client's tests: SLUICE_PYTHON, else the
# first of python3 in PATH and /usr/bin/python3 that has grpcio and protobuf. The
# one in PATH may be a version manager's, which Debian's packages do not reach.
set -euo pipefail

for candidate in "${SLUICE_PYTHON:-python3}" ${SLUICE_PYTHON:-/usr/bin/python3}; do
	if "$candidate" -c 'import grpc, google.protobuf' 2>/dev/null; then
		command -v "$candidate"
		exit
	fi
done
cat >&2 <<EOT
${SLUICE_PYTHON:-python3} has no grpcio and protobuf. Install:
  Debian, Ubuntu:  sudo apt-get install -y python3 python3-grpcio python3-protobuf
  elsewhere:       Python 3.9 or later, then python3 -m pip install grpcio protobuf
SLUICE_PYTHON names another interpreter.
EOT
exit 1
