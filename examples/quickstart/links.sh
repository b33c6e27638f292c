#!/bin/sh
# Follows the relative links of the Markdown files: audit/links.tsv has them all, audit/broken-links.tsv those that lead nowhere.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

files language Markdown | (cd -- "$root" && xargs -0 awk -f "$here/links.awk" /dev/null) >"$scratch/found"
{
    printf 'state\tline\ttarget\tfile\n'
    cut -f 4 "$scratch/found" | to_names | (
        cd -- "$root"
        # shellcheck disable=SC2016 # the inner shell expands these
        xargs -0 sh -c 'for f do
            if [ -z "$f" ]; then echo outside; elif [ -e "$f" ]; then echo ok; else echo missing; fi
        done' sh
    ) | paste - "$scratch/found" | awk -F '\t' 'NF > 1 { print $1 "\t" $3 "\t" $4 "\t" $2 }'
} >"$scratch/links.tsv"
awk -F '\t' 'FNR == 1 || $1 != "ok"' "$scratch/links.tsv" >"$scratch/broken-links.tsv"
publish links.tsv broken-links.tsv
say "$(counted "$(sed 1d "$audit/links.tsv" | wc -l | tr -d ' ')" link), $(sed 1d "$audit/broken-links.tsv" | wc -l | tr -d ' ') broken"
