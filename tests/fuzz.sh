#!/bin/sh
# Looks for what random input breaks: the parser of projects, filters, shells, texts, and the server (by schemathesis, too),
# again and again, each time with another seed, for PROJ_FUZZ_SECONDS (3600). Ends with the first fault.
set -eu
cd "$(dirname "$0")/.."
end=$(($(date +%s) + ${PROJ_FUZZ_SECONDS:-3600}))
unset PROJ_FUZZ_SECONDS # of a single test; here all take turns
PROJ_FUZZ_SEED=${PROJ_FUZZ_SEED:-1}
while [ "$(date +%s)" -lt "$end" ]; do
  export PROJ_FUZZ_SEED
  echo "== seed $PROJ_FUZZ_SEED"
  ${PYTHON:-.venv/bin/python} -m pytest -q -x --slow --timeout 1800 -p no:cacheprovider --hypothesis-seed "$PROJ_FUZZ_SEED" \
    tests/project/test_fuzz.py tests/tracking/test_query.py tests/tracking/test_search.py tests/parameters/test_shell.py \
    tests/parameters/test_resolve.py tests/protocol/test_fuzz.py tests/protocol/test_wire.py
  PROJ_FUZZ_SEED=$((PROJ_FUZZ_SEED + 1))
done
