#!/bin/sh
# Names the fifteen files of today that the last 1,000 commits changed most often: audit/churn.tsv.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

: >"$scratch/changed"
if [ "$(sed 1d "$audit/authors.tsv" | wc -l)" -gt 0 ]; then
    repository log -n 1000 --no-renames --no-ext-diff --name-only --format= -z | to_table | sed '/^$/d' >"$scratch/changed"
fi
{
    printf 'commits\tfile\n'
    awk -F '\t' '
        FILENAME ~ /changed$/ { commits[$0]++; next }
        FNR > 1 && $NF in commits { print commits[$NF] "\t" $NF }
        ' "$scratch/changed" "$audit/files.tsv" | sort -t '	' -k 1,1nr -k 2 | sed 15q
} >"$scratch/churn.tsv"
publish churn.tsv
