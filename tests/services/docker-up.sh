#!/bin/bash
# docker-up.sh DIR: a Docker engine of its own on unix://DIR/docker.sock, ready in about half a second.
# Needs root and: apt-get install -y --no-install-recommends docker.io
# Prints what to export (DOCKER_HOST=...). Stop it with: kill "$(cat DIR/docker.pid)"
# Without BRIDGE=1 it has no bridge network and changes no iptables rules: containers use the host's network or none.
set -eu
folder=$(realpath -m "$1")
mkdir -p "$folder"
socket="unix://$folder/docker.sock"
network="--iptables=false --bridge=none"
[ -n "${BRIDGE:-}" ] && network=
if ! docker -H "$socket" info >/dev/null 2>&1; then
  # shellcheck disable=SC2086
  nohup dockerd --storage-driver="${STORAGE:-overlay2}" $network --data-root="$folder/data" --exec-root="$folder/exec" \
    --pidfile="$folder/docker.pid" --host="$socket" >"$folder/dockerd.log" 2>&1 &
  for _ in $(seq 100); do
    docker -H "$socket" info >/dev/null 2>&1 && break
    sleep 0.1
  done
  docker -H "$socket" info >/dev/null 2>&1 || { tail -5 "$folder/dockerd.log" >&2; exit 1; }
fi
echo "DOCKER_HOST=$socket"
