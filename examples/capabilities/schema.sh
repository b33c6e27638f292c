#!/bin/sh
# Writes the migration: one table, and one row for each entry, with apostrophes doubled.
set -eu
mkdir -p out
{
    echo "CREATE TABLE entry (id INTEGER PRIMARY KEY, day TEXT NOT NULL, guest TEXT NOT NULL, words TEXT NOT NULL);"
    awk -v q="'" '
        function text(value) { gsub(q, q q, value); return q value q }
        { split($0, part, ","); words = $0; sub(/^[^,]*,[^,]*,[^,]*,/, "", words)
          print "INSERT INTO entry VALUES (" part[1] + 0 ", " text(part[2]) ", " text(part[3]) ", " text(words) ");" }
        ' input/entries.csv
} >out/.guestbook.$$
mv -f out/.guestbook.$$ out/guestbook.sql
