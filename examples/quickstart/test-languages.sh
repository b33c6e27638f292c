#!/bin/sh
# Tests audit/languages.tsv against a second count for three languages: names by their ending, lines by cat.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

wrong=0
for pair in Rust:rs TOML:toml Markdown:md; do
    language=${pair%:*} ending=${pair#*:}
    awk -F '\t' 'FNR > 1 && $3 == "text" { print "./" $NF }' "$audit/files.tsv" | sed -n "/\\.$ending\$/p" >"$scratch/names"
    files=$(wc -l <"$scratch/names" | tr -d ' ')
    lines=$(to_names <"$scratch/names" | (cd -- "$root" && xargs -0 cat /dev/null) | wc -l | tr -d ' ')
    listed=$(awk -F '\t' -v language="$language" '$1 == language { print $2, $3 }' "$audit/languages.tsv")
    if [ "${listed:-0 0}" = "$files $lines" ]; then
        echo "ok     $language: $files files, $lines lines"
    else
        echo "wrong  $language: listed are $listed, and there are $files $lines"
        wrong=1
    fi
done
exit "$wrong"
