#!/bin/sh
# Adds up files, lines and bytes by language: audit/languages.tsv, the largest first.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

{
    printf 'language\tfiles\tlines\tbytes\n'
    awk -F '\t' '
        FNR > 1 { files[$4]++; lines[$4] += $2; bytes[$4] += $1 }
        END { for (language in files) printf "%s\t%d\t%.0f\t%.0f\n", language, files[language], lines[language], bytes[language] }
        ' "$audit/files.tsv" | sort -t '	' -k 3,3nr -k 1,1
} >"$scratch/languages.tsv"
publish languages.tsv
say "$(counted "$(sed 1d "$audit/languages.tsv" | wc -l | tr -d ' ')" language)"
