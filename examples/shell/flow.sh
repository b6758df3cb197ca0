#!/bin/bash
# Mean annual flow of the Nile (10^8 m3) before and from a year on, and its mean in each decade.
set -euo pipefail
data=$1 split=$2

awk -F, -v split_year="$split" '
  NR > 1 { part = $1 < split_year ? "before" : "after"; sum[part] += $2; count[part]++ }
  END { for (part in sum) printf "%s=%.1f\n", part, sum[part] / count[part] }
' "$data" | sort >means.txt
cat means.txt
[ -n "${PROJ_RUN_ID:-}" ] || exit 0 # not a run of proj: nothing to log to

xargs proj log metric <means.txt
awk -F, 'NR > 1 { decade = $1 - $1 % 10; sum[decade] += $2; count[decade]++ }
  END { for (decade in sum) print decade, sum[decade] / count[decade] }' "$data" | sort -n |
  while read -r decade mean; do
    proj log metric "decade_mean=$mean" --step "$decade"
  done
proj log tag "river=Nile"
