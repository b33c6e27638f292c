#!/bin/sh
# Puts the figures of all stations into one table: out/report.md.
set -eu
sleep "${PACE:-1}"
{
    echo "# Spring"
    echo
    echo "| station | January | February | March | coldest | warmest | odd readings |"
    echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    while IFS='	' read -r station coldest warmest; do
        months=$(awk -v station="$station" '$1 == station { printf " %s |", $3 }' out/months.tsv)
        echo "| $station |$months $coldest | $warmest | $(wc -l <"out/odd/$station.csv" | tr -d ' ') |"
    done <out/extremes.tsv
    echo
    echo "Stations with odd readings have a page of their own in \`out/odd/\`."
} >out/.report.md
mv -f out/.report.md out/report.md
