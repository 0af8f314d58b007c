#!/bin/sh
# At the first start of the database's container: the roles, with their passwords.
set -eu
psql -v ON_ERROR_STOP=1 -q -U postgres -d sluice \
	-v migrator_password="$(cat /run/secrets/migrator)" \
	-v router_password="$(cat /run/secrets/router)" \
	-v api_password="$(cat /run/secrets/api)" \
	-f /usr/local/share/sluice/roles.sql
