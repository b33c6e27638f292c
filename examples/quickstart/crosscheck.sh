#!/bin/sh
# Compares figures that different tasks found by different ways: audit/crosscheck.tsv. Fails when two differ.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

agree() {
    if [ "$2" -eq "$4" ]; then verdict=agree; else verdict=DIFFER; fi
    printf '%s\t%s\t%s\t%s\t%s\n' "$verdict" "$1" "$2" "$3" "$4"
}
column() { sh sum.sh "$@"; }
of() { awk -F '\t' -v key="$2" '$1 == key { print $2; exit }' "$audit/$1"; }

{
    printf 'verdict\tthis\tis\tthat\tis\n'
    agree "files by language" "$(column languages.tsv files)" "files in the inventory" "$(column files.tsv)"
    agree "lines by language" "$(column languages.tsv lines)" "lines in the inventory" "$(column files.tsv lines)"
    agree "bytes by language" "$(column languages.tsv bytes)" "bytes in the inventory" "$(column files.tsv bytes)"
    agree "Rust files by crate" "$(column tests.tsv files)" "Rust files by language" "$({ of languages.tsv Rust; echo 0; } | sed 1q)"
    agree "packages by licence" "$(column licences.tsv packages)" "packages in Cargo.lock" "$(column packages.tsv)"
    agree "commits by author" "$(column authors.tsv commits)" "commits by day" "$(column days.tsv commits)"
    agree "links that lead nowhere" "$(column broken-links.tsv)" "links less those that are fine" \
        "$(awk -F '\t' 'FNR > 1 && $1 != "ok" { n++ } END { print n + 0 }' "$audit/links.tsv")"
} >"$scratch/crosscheck.tsv"
publish crosscheck.tsv
cat "$audit/crosscheck.tsv"
say "$(grep -c '^agree' "$audit/crosscheck.tsv" || :) of $(sh sum.sh crosscheck.tsv) agree"
if grep -q '^DIFFER' "$audit/crosscheck.tsv"; then exit 1; fi
