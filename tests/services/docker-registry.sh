#!/bin/bash
# docker-registry.sh DIR PORT: an image registry on 127.0.0.1:PORT that wants a login (user ada, password lovelace).
# Needs: apt-get install -y --no-install-recommends docker-registry. Stop it with: kill "$(cat DIR/registry.pid)"
set -eu
folder=$(realpath -m "$1")
port=$2
mkdir -p "$folder/data"
echo 'ada:$2y$05$xqYOw2CudBoXQqAUcvMsuu3vgHXabrhhvBsTtgUrPkclHwc8F2al.' >"$folder/users"
cat >"$folder/config.yml" <<C
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $folder/data}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$port"}
auth: {htpasswd: {realm: tests, path: $folder/users}}
C
nohup docker-registry serve "$folder/config.yml" >"$folder/log" 2>&1 &
echo $! >"$folder/registry.pid"
for _ in $(seq 100); do
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  sleep 0.05
done
echo "127.0.0.1:$port"
