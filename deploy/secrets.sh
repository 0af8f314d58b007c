#!/bin/sh
# Makes what the services of compose.yaml keep secret, or renews the certificates of what
# is there: `make secrets` runs it as root in a container, with the folder secrets/ of the
# checkout at /secrets. Running it again changes no password and no user.
#
# Per service one folder, which is at /run/secrets in its container and belongs to the
# user that it runs as: ca.crt, tls.crt, tls.key, and its passwords. ca/ holds the
# authority; no service sees it.
set -eu
umask 077
cd "${SECRETS:-/secrets}"
sluice=${SLUICE:-/out/sluice}
services=65532:65532
broker=1883:1883 # of our image; the front door reads its users by the group

# issue NAME KIND HOST...: a certificate, once.
issue() {
	name=$1 kind=$2
	shift 2
	[ -e "ca/$name.crt" ] && return
	rm -f "ca/$name.key" # half of a pair, of a run that was interrupted
	for host; do
		set -- "$@" --host "$host"
		shift
	done
	"$sluice" certs issue ca "$name" --kind "$kind" --days "${DAYS:-365}" "$@" >/dev/null
}

# own OWNER MODE FILE
own() {
	chown "$1" "$3"
	chmod "$2" "$3"
}

# put FROM TO OWNER: takes over what has changed, in one step: who reads it finds the old
# or the new.
put() {
	cmp -s "$1" "$2" && return
	cp "$1" "$2.new"
	own "$3" 0600 "$2.new"
	mv "$2.new" "$2"
}

# serve FOLDER NAME OWNER: the folder of a service with the certificate NAME.
serve() {
	mkdir -p "$1"
	own "$3" 0700 "$1"
	put ca/ca.crt "$1/ca.crt" "$3"
	put "ca/$2.key" "$1/tls.key" "$3"
	put "ca/$2.crt" "$1/tls.crt" "$3"
}

# password FILE OWNER: random, once.
password() {
	[ -e "$1" ] && return
	head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$1.new"
	[ "$(wc -c <"$1.new")" -eq 48 ] # a tool that fails in the middle of a pipe ends nothing
	own "$2" 0600 "$1.new"
	mv "$1.new" "$1"
}

# user NAME: of MQTT, once: who was removed since stays so. The password goes to mqtt/NAME.
user() {
	[ -e "mqtt/$1" ] && return
	"$sluice" users --users broker/users.txt --acl broker/acl.txt add "$1" --out mqtt >added 2>&1 || {
		cat added >&2
		exit 1
	}
}

[ -e ca/ca.crt ] || "$sluice" certs init ca >/dev/null
# HOSTS: the names by which devices and readers outside reach this machine.
issue broker broker mqtt localhost 127.0.0.1 $HOSTS
issue router batch-router mqtt localhost 127.0.0.1 $HOSTS
issue api api api localhost 127.0.0.1 $HOSTS
issue redis redis redis localhost
issue postgres postgres postgres localhost
issue clock clock
issue fleet device
issue health device
issue migrator client
issue analyst client
"$sluice" certs renew ca

serve broker broker "$broker"
chmod 0750 broker
put ca/health.key broker/health.key "$broker"
put ca/health.crt broker/health.crt "$broker"
serve redis redis "$REDIS_OWNER"
serve postgres postgres "$POSTGRES_OWNER"
serve batch-router router "$services"
serve api api "$services"
serve clock clock "$services"
serve device fleet "$services"
serve sluice migrator "$services"
serve analyst analyst "$ANALYST_OWNER"

# The database: each role's password is with its service and with the server.
password postgres/superuser "$POSTGRES_OWNER"
for pair in sluice:migrator batch-router:router api:api; do
	password "${pair%%:*}/postgres" "$services"
	put "${pair%%:*}/postgres" "postgres/${pair##*:}" "$POSTGRES_OWNER"
done

# Redis knows the hash of the router's.
password batch-router/redis "$services"
hash=$(sha256sum <batch-router/redis | cut -d ' ' -f 1)
sed "s/@ROUTER_SHA256@/$hash/" "${DEPLOY:-/src/deploy}/redis/users.acl.in" >users.acl
put users.acl redis/users.acl "$REDIS_OWNER"
rm users.acl

# MQTT: the router, the clock, the health check of the broker, and the simulated fleet.
mkdir -p mqtt
for name in router clock health; do
	user "$name"
done
# Simulated devices have users from the first run on, or never.
[ -e mqtt/.simulated ] && devices=0 || devices=20
number=1
while [ "$number" -le "${DEVICES:-$devices}" ]; do
	user "device-$(printf %04d "$number")"
	number=$((number + 1))
done
: >mqtt/.simulated
for file in broker/users.txt broker/acl.txt; do
	own "$broker" 0640 "$file"
done
put mqtt/router batch-router/mqtt "$services"
put mqtt/clock clock/mqtt "$services"
mkdir -p device/passwords
own "$services" 0700 device/passwords
for file in mqtt/device-*; do
	[ -e "$file" ] || continue # DEVICES=0
	put "$file" "device/passwords/${file#mqtt/}" "$services"
done
# Options of mosquitto_sub, by which the container asks the broker whether it is well.
cat >health <<-EOF
	-h localhost
	-p 8883
	--cafile /run/secrets/ca.crt
	--cert /run/secrets/health.crt
	--key /run/secrets/health.key
	-u health
	-P $(cat mqtt/health)
	-t \$SYS/broker/uptime
	-E
EOF
put health broker/mosquitto_sub "$broker"
rm -f health added

"$sluice" certs list ca || true # it minds one that has ended; nothing here depends on it
echo "secrets: ready in secrets/; readers of the api use secrets/analyst. Nothing renews these"
echo "certificates but this command: run it again, from cron, before they end."
