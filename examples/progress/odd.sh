#!/bin/sh
# odd.sh STATION: says what is wrong with each odd reading: out/odd/STATION.md. Added by read.sh, not by the plan.
set -eu
station=$1
sleep "${PACE:-1}"
{
    echo "# Odd readings of $station"
    echo
    awk -F '[:;]' '
        { why = "not a number" }
        $3 == "" { why = "nothing was read" }
        $3 ~ /^-?[0-9]+,[0-9]$/ { why = "a comma for a point" }
        $3 ~ /^-?[0-9]+\.[0-9]$/ { why = "too far from anything that weather does" }
        { printf "- line %d, %s: `%s`: %s\n", $1, $2, $3, why }' "out/odd/$station.csv"
} >"out/odd/.$station.md"
mv -f "out/odd/.$station.md" "out/odd/$station.md"
cat "out/odd/$station.md"
