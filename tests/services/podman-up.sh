#!/bin/bash
# podman-up.sh DIR: Podman's docker-compatible socket on unix://DIR/podman.sock, with images of its own. DIR is short:
# Podman takes 50 characters at the most.
# Needs root and: apt-get install -y --no-install-recommends podman runc. Stop it with: kill "$(cat DIR/podman.pid)"
set -eu
folder=$(realpath -m "$1")
mkdir -p "$folder"
cat >"$folder/containers.conf" <<C
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
[engine]
runtime = "runc"
C
cd "$folder" # it leaves files where it is started
CONTAINERS_CONF="$folder/containers.conf" nohup podman --root "$folder/root" --runroot "$folder/run" \
  system service -t 0 "unix://$folder/podman.sock" >"$folder/log" 2>&1 &
echo $! >"$folder/podman.pid"
for _ in $(seq 300); do
  docker -H "unix://$folder/podman.sock" version >/dev/null 2>&1 && break
  sleep 0.1
done
docker -H "unix://$folder/podman.sock" version >/dev/null || { tail -5 "$folder/log" >&2; exit 1; }
echo "DOCKER_HOST=unix://$folder/podman.sock"
