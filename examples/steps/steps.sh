#!/bin/bash
# Two steps of one workflow. Each `proj run` inside a run becomes its child.
set -euo pipefail
proj run . -e generate -P rows="$1"
proj run . -e count
