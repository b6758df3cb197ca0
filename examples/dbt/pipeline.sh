#!/bin/bash
# Transform, then train; each step is a run of its own below this one.
set -euo pipefail
proj run . -e transform
proj run . -e train -P degree="$1"
