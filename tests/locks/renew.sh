#!/bin/sh
# Resolves the packages of the test environments anew: versions and hashes, without the address of an index.
#   sh tests/locks/renew.sh          needs uv on PATH or in .venv, and the package index
set -eu
cd "$(dirname "$0")/../.."
uv=.venv/bin/uv
[ -x "$uv" ] || uv=uv
lock() { # NAME, then arguments of uv pip compile
  name=$1
  shift
  "$uv" pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-header --no-annotate -o "tests/locks/$name.txt" "$@"
  printf '%s\n' "# made by tests/locks/renew.sh" | cat - "tests/locks/$name.txt" >"tests/locks/$name.new"
  mv "tests/locks/$name.new" "tests/locks/$name.txt"
}
echo uv | lock uv --universal --python-version 3.10 -
lock dev --universal --python-version 3.10 --group dev pyproject.toml
# the clients that the tracking protocol is tested with; for the Python of CI
printf 'mlflow==3.17.2\nscikit-learn\npandas\nmatplotlib\npillow\n' | lock mlflow-3 --python-version 3.11 -
printf 'mlflow-skinny==2.9.2\nsetuptools<70\n' | lock mlflow-2.9 --python-version 3.11 -
printf 'mlflow-skinny==1.30.1\nsetuptools<70\n' | lock mlflow-1.30 --python-version 3.11 -
# tsc, which checks the types of the pages' scripts in CI: needs npm
(cd tests/locks/typescript && npm install --silent --package-lock-only)
