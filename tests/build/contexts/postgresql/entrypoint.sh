#!/bin/bash
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	initdb --no-sync > /dev/null
	pg_ctl -o '-k /tmp -c fsync=off' -w -s start > /dev/null
	for file in /docker-entrypoint-initdb.d/*.sql; do
		psql -h /tmp -qf "$file" postgres
	done
	pg_ctl -m fast -w -s stop
fi
exec "$@"
