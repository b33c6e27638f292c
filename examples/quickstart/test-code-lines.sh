#!/bin/sh
# Tests audit/code-lines.tsv against a second count that shares nothing with the counter: grep, no awk.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

wrong=0
sed 1d "$audit/code-lines.tsv" >"$scratch/rows"
while IFS='	' read -r language mark counted; do
    files language "$language" >"$scratch/names"
    expected=$({ (cd -- "$root" && xargs -0 grep -a -h -v -e '^[[:space:]]*$' -e "^[[:space:]]*$mark") <"$scratch/names" || :; } | wc -l | tr -d ' ')
    if [ "$counted" -eq "$expected" ]; then
        echo "ok     $language: $counted lines of code"
    else
        echo "wrong  $language: counted $counted lines of code, and there are $expected"
        wrong=1
    fi
done <"$scratch/rows"
exit "$wrong"
