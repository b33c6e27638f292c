#!/bin/sh
# Adds up the parts: out/total.
set -eu
cat out/parts/* | awk '{ n += $1 } END { print n + 0 }' >out/.total
mv -f out/.total out/total
echo "$(cat out/total) primes below 20000"
