#!/bin/bash
# postgres-up.sh DIR [PORT]: a PostgreSQL server of its own on 127.0.0.1 (a free port), user postgres, no password (about 2 s).
# Needs: apt-get install -y --no-install-recommends postgresql. As root it runs as the user postgres.
# Prints what to export (PROJ_TEST_POSTGRES=...). Stop it with: postgres-up.sh DIR stop
set -eu
folder=$(realpath -m "$1")
port=${2:-}
[ -n "$port" ] || port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
programs=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
own() { if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi; }
if [ "$port" = stop ]; then
  own "$programs/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null
  exit 0
fi
mkdir -p "$folder"
if [ "$(id -u)" = 0 ]; then
  chown postgres "$folder"
  # a folder made by mktemp lets only its owner through
  chmod o+x "$(dirname "$folder")"
fi
[ -d "$folder/data" ] || own "$programs/initdb" -D "$folder/data" -A trust -U postgres -E UTF8 --no-sync >/dev/null
own "$programs/pg_ctl" -D "$folder/data" -w -l "$folder/log" \
  -o "-p $port -c listen_addresses=127.0.0.1 -k $folder -F" start >/dev/null || { tail -5 "$folder/log" >&2; exit 1; }
echo "PROJ_TEST_POSTGRES=postgresql://postgres@127.0.0.1:$port/postgres"
