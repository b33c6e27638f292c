#!/bin/sh
# Writes the page. What guests wrote is text, so it is escaped.
set -eu
{
    echo '<!doctype html><meta charset="utf-8"><title>Guest book</title><link rel="stylesheet" href="style.css">'
    awk '
        function text(value) { gsub(/&/, "\\&amp;", value); gsub(/</, "\\&lt;", value); gsub(/>/, "\\&gt;", value); return value }
        { split($0, part, ","); words = $0; sub(/^[^,]*,[^,]*,[^,]*,/, "", words)
          print "<article><h2>" text(part[3]) ", " text(part[2]) "</h2><p>" text(words) "</p></article>" }' input/entries.csv
} >out/.index.$$
mv -f out/.index.$$ out/index.html
