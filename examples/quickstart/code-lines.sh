#!/bin/sh
# Counts lines of code, without blank lines and lines that are only a comment: audit/code-lines.tsv.
# The counter is audit/code-lines.awk, a working copy of the draft. With "again" the copy is used as it stands.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

if [ "${1:-}" != again ]; then
    cp code-lines.draft.awk "$scratch/code-lines.awk"
    publish code-lines.awk
fi

{
    printf 'language\tcomments\tcode lines\n'
    while read -r mark languages; do
        for language in $languages; do
            files language "$language" >"$scratch/names"
            [ -s "$scratch/names" ] || continue
            lines=$(cd -- "$root" && xargs -0 awk -v mark="$mark" -f "$audit/code-lines.awk" <"$scratch/names" | awk '{ n += $1 } END { print n + 0 }')
            printf '%s\t%s\t%s\n' "$language" "$mark" "$lines"
        done
    done <comment-marks | sort -t '	' -k 3,3nr -k 1,1
} >"$scratch/code-lines.tsv"
publish code-lines.tsv
say "$(sh sum.sh code-lines.tsv 'code lines') lines of code"
