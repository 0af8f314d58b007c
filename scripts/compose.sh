#!/usr/bin/env bash
# Runs docker compose, whichever of the two is there: the plugin or docker-compose.
set -euo pipefail
if docker compose version >/dev/null 2>&1; then
	exec docker compose "$@"
elif command -v docker-compose >/dev/null; then
	exec docker-compose "$@"
fi
echo "neither \`docker compose\` nor docker-compose is there; see https://docs.docker.com/compose/install/" >&2
exit 1
