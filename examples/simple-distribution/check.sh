#!/bin/sh
# check.sh FILE: passes when the counts in out/NAME.words add up to the words of the file.
set -eu
LC_ALL=C; export LC_ALL
counted=$(awk '{ n += $1 } END { print n + 0 }' "out/$(basename -- "$1" .txt).words")
expected=$(awk '{ gsub(/[^A-Za-z]+/, " "); n += NF } END { print n + 0 }' "$1")
echo "counted $counted words of $expected"
test "$counted" -eq "$expected"
