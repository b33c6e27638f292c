#!/bin/sh
# Finds lines that end in blanks, lines that end in CR LF, and files without a newline at their end: audit/hygiene.tsv.
# Two blanks at the end of a line of Markdown are a line break, not an accident.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

files kind text | (cd -- "$root" && xargs -0 awk '
    function put() { if (name != "") print blanks "\t" crlf "\t" records "\t" name }
    FNR == 1 {
        put()
        name = substr(FILENAME, 3); gsub(/\n/, "\001", name); gsub(/\t/, "\002", name)
        blanks = crlf = 0; markdown = name ~ /\.(md|markdown)$/
    }
    { records = FNR }
    sub(/\r$/, "") { crlf++ }
    /[ \t]$/ && !(markdown && /[^ \t]  $/) { blanks++ }
    END { put() }' /dev/null) >"$scratch/seen"

# wc counts newlines and awk counts lines: they differ where the last line has no newline.
{
    printf 'trailing blanks\tCR LF\tno final newline\tfile\n'
    awk -F '\t' '
        FILENAME ~ /files\.tsv$/ { lines[$NF] = $2; next }
        { open = ($3 == lines[$4] + 1) }
        $1 || $2 || open { print $1 "\t" $2 "\t" open "\t" $4 }
        ' "$audit/files.tsv" "$scratch/seen"
} >"$scratch/hygiene.tsv"
publish hygiene.tsv
say "$(counted "$(sh sum.sh hygiene.tsv)" file) to tidy"
