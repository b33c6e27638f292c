#!/bin/sh
# Finds the coldest and the warmest reading of each station: out/extremes.tsv.
set -eu
sleep "${PACE:-1}"
for file in out/clean/*.csv; do
    sorted=$(sort -t ';' -k 2,2n "$file")
    printf '%s\t%s\t%s\n' "$(basename "$file" .csv)" "$(printf '%s\n' "$sorted" | sed -n '1s/.*;//p')" "$(printf '%s\n' "$sorted" | sed -n '$s/.*;//p')"
done >out/.extremes.tsv
mv -f out/.extremes.tsv out/extremes.tsv
