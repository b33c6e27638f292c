#!/bin/sh
# Writes the entries as the API would answer: one JSON object a line within an array.
set -eu
awk '
    function text(value) { gsub(/["\\]/, "\\\\&", value); return "\"" value "\"" }
    BEGIN { print "[" }
    { split($0, part, ","); words = $0; sub(/^[^,]*,[^,]*,[^,]*,/, "", words)
      if (NR > 1) print row ","
      row = "{\"id\":" part[1] + 0 ",\"day\":" text(part[2]) ",\"guest\":" text(part[3]) ",\"words\":" text(words) "}" }
    END { if (NR) print row; print "]" }' input/entries.csv >out/.entries.$$
mv -f out/.entries.$$ out/entries.json
