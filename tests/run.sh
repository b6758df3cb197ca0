#!/bin/sh
# Installs the project and its test tools into .venv, then checks style and types and runs the tests.
#   sh tests/run.sh [arguments for pytest]
# The tools are those of tests/locks/dev.txt; with PROJ_TEST_NEWEST=1 the newest ones that pyproject.toml allows.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=${PROJ_TEST_VENV:-.venv}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/locks/uv.txt
if [ -n "${PROJ_TEST_NEWEST:-}" ]; then
  "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --upgrade --group dev --editable .
else
  "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r tests/locks/dev.txt
  "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
fi
unset PYTHONDONTWRITEBYTECODE # thousands of processes are started: none should compile what another one did
"$venv/bin/ruff" check .
"$venv/bin/ruff" format --check .
types=$(mktemp)
"$venv/bin/mypy" >"$types" 2>&1 & # beside the tests, which wait much
mypy=$!
# in a fresh clone: the tests are compiled once, and not by each worker
[ -d tests/__pycache__ ] || "$venv/bin/python" -m pytest --collect-only -q >/dev/null || true
[ $# -gt 0 ] || set -- -q -n auto --dist worksteal
code=0
"$venv/bin/python" -m pytest "$@" || code=$?
wait $mypy || code=1
cat "$types"
rm -f "$types"
exit $code
