#!/bin/sh
# Installs the project and its test tools into .venv, then checks style and types and runs the tests.
#   sh tests/run.sh [arguments for pytest]
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
.venv/bin/uv pip install --quiet --python .venv/bin/python --group dev --editable .
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
[ $# -gt 0 ] || set -- -q -n auto
exec .venv/bin/python -m pytest "$@"
