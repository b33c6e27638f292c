#!/bin/sh
# Averages the good readings of each station by month: out/months.tsv.
set -eu
sleep "${PACE:-1}"
for file in out/clean/*.csv; do
    awk -F ';' -v station="$(basename "$file" .csv)" '
        { month = substr($1, 1, 7); sum[month] += $2; n[month]++ }
        END { for (month in sum) printf "%s\t%s\t%.1f\n", station, month, sum[month] / n[month] }' "$file"
done | sort >out/.months.tsv
mv -f out/.months.tsv out/months.tsv
