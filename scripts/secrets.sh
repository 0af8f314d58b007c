#!/usr/bin/env bash
# Makes secrets/ for compose.yaml: the authority, certificates, users and passwords. Run
# again it renews what is in the last third of its life, and changes nothing else. Needs
# Docker alone: deploy/secrets.sh does the work in a container of the stage that built the
# services.
#
#   HOSTS="iot.example 192.0.2.7"   names by which devices and readers reach this machine
#   DEVICES=20                      users for simulated devices, at the first run; 0 for none
#   DAYS=365                        how long new certificates last: nothing renews them but this
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${SLUICE_SECRETS:-$PWD/secrets}

# image SERVICE: what compose.yaml names for it.
image() { awk -v service="  $1:" '$0 == service {on = 1} on && $1 == "image:" {print $2; exit}' compose.yaml; }

# owner SERVICE USER: the numbers of a user inside the image of a service.
owner() { docker run --rm --network none --entrypoint sh "$(image "$1")" -c "echo \$(id -u $2):\$(id -g $2)"; }

# The builder of old where the new one is not installed.
docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0
docker build --quiet --target build --tag localhost/sluice/build . >/dev/null 2>&1 ||
	docker build --target build --tag localhost/sluice/build . # once more, to see why not
redis=$(owner redis redis)
postgres=$(owner postgres postgres)
mkdir -p "$folder"
chmod 0700 "$folder"
docker run --rm --network none --user 0:0 --volume "$folder:/secrets" \
	--env HOSTS="${HOSTS:-}" --env DEVICES="${DEVICES:-}" --env DAYS="${DAYS:-365}" \
	--env REDIS_OWNER="$redis" --env POSTGRES_OWNER="$postgres" \
	--env ANALYST_OWNER="$(id -u):$(id -g)" \
	localhost/sluice/build sh /src/deploy/secrets.sh
