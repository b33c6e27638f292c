#!/bin/sh
# Collects the notes that people left for later, each a TODO, FIXME, HACK or XXX, in audit/markers.tsv.
# Only a marker with a colon counts, perhaps behind a name in brackets, so that a text may speak about markers.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

{
    printf 'marker\tline\ttext\tfile\n'
    # shellcheck disable=SC2016 # awk reads these
    files kind text | (cd -- "$root" && xargs -0 awk '
        FNR == 1 { name = substr(FILENAME, 3); gsub(/\n/, "\001", name); gsub(/\t/, "\002", name) }
        match($0, /(^|[^A-Za-z0-9_])(TODO|FIXME|HACK|XXX)(\([^()]*\))?:/) {
            found = substr($0, RSTART, RLENGTH); match(found, /TODO|FIXME|HACK|XXX/); marker = substr(found, RSTART, RLENGTH)
            text = $0; gsub(/[ \t\r]+/, " ", text); sub(/^ /, "", text); sub(/ $/, "", text)
            print marker "\t" FNR "\t" substr(text, 1, 160) "\t" name
        }' /dev/null)
} >"$scratch/markers.tsv"
publish markers.tsv
say "$(counted "$(sed 1d "$audit/markers.tsv" | wc -l | tr -d ' ')" marker)"
