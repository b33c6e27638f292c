#!/bin/sh
# Counts commits by author and by day: audit/authors.tsv, audit/days.tsv. Without any history both stay empty.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

: >"$scratch/log"
if [ "$tracked" = no ]; then
    say "this is not a git repository: no history"
elif ! repository rev-parse --verify --quiet HEAD >/dev/null; then
    say "there is no commit yet: no history"
else
    repository log --date=short --format='%ad%x09%aN' >"$scratch/log"
    if [ "$(repository rev-parse --is-shallow-repository)" = true ]; then say "this is a shallow clone: its history is cut off"; fi
fi
{
    printf 'commits\tauthor\n'
    cut -f 2- "$scratch/log" | tr '\t' ' ' | sort | uniq -c | awk '{ n = $1; sub(/^ *[0-9]+ /, ""); print n "\t" $0 }' | sort -t '	' -k 1,1nr -k 2
} >"$scratch/authors.tsv"
{
    printf 'day\tcommits\n'
    cut -f 1 "$scratch/log" | sort | uniq -c | awk '{ print $2 "\t" $1 }'
} >"$scratch/days.tsv"
publish authors.tsv days.tsv
say "$(counted "$(wc -l <"$scratch/log" | tr -d ' ')" commit)"
