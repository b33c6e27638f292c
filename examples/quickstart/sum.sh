#!/bin/sh
# sum.sh TABLE HEADING: prints the sum of that column of a table in audit/; sum.sh TABLE: how many rows it has.
set -eu
cd -- "$(dirname -- "$0")"
awk -F '\t' -v heading="${2:-}" '
    FNR == 1 {
        for (i = 1; i <= NF; i++) if ($i == heading) column = i
        if (heading != "" && !column) { print "there is no column " heading | "cat >&2"; exit bad = 1 }
        next
    }
    { sum += heading == "" ? 1 : $column }
    END { if (bad) exit 1; if (!NR) exit 1; printf "%.0f\n", sum }' "${AUDIT_OUT:-audit}/$1"
