#!/bin/sh
# Names the fifteen largest files: audit/largest.tsv.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

{
    printf 'bytes\tlines\tfile\n'
    sed 1d "$audit/files.tsv" | sort -t '	' -k 1,1nr -k 5 | sed 15q | cut -f 1,2,5
} >"$scratch/largest.tsv"
publish largest.tsv
