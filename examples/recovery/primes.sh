#!/bin/sh
# Counts the primes of ten ranges of 2000 numbers, one after another: out/parts/0 to out/parts/9, each whole or not there.
# out/diary.txt tells who did which part in which attempt.
set -eu
mkdir -p out/parts
echo $$ >out/pid
for part in 0 1 2 3 4 5 6 7 8 9; do
    [ ! -e "out/parts/$part" ] || continue
    sleep "${PACE:-0.5}"
    awk -v part="$part" '
        BEGIN {
            for (n = part * 2000; n < (part + 1) * 2000; n++) {
                prime = n > 1
                for (d = 2; prime && d * d <= n; d++) if (n % d == 0) prime = 0
                count += prime
            }
            print count
        }' >out/unfinished
    mv -f out/unfinished "out/parts/$part"
    echo "attempt ${GANGER_ATTEMPT:-?}, ${GANGER_WORKER:-nobody}: part $part" >>out/diary.txt
done
