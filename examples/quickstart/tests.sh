#!/bin/sh
# Counts Rust tests, that is #[test] and the like, by crate: audit/tests.tsv. A file belongs to the nearest crate above it.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

# shellcheck disable=SC2016 # awk reads these
files language TOML | to_table | awk '/\/Cargo\.toml$/' | to_names | (cd -- "$root" && xargs -0 awk '
    FNR == 1 { section = ""; folder = FILENAME; gsub(/\n/, "\001", folder); gsub(/\t/, "\002", folder); sub(/\/Cargo\.toml$/, "", folder) }
    { sub(/\r$/, "") }
    /^[ \t]*\[/ { section = $1 }
    section == "[package]" && $1 == "name" { name = $0; sub(/^[^"]*"/, "", name); sub(/".*$/, "", name); print folder "\t" name }
    ' /dev/null) >"$scratch/crates"

files language Rust | (cd -- "$root" && xargs -0 awk '
    function put() { if (name != "") print name "\t" tests "\t" ignored }
    FNR == 1 { put(); name = FILENAME; gsub(/\n/, "\001", name); gsub(/\t/, "\002", name); tests = ignored = 0 }
    /^[ \t]*#\[([A-Za-z0-9_]+::)*test[](]/ { tests++ }
    /^[ \t]*#\[ignore[]( =]/ { ignored++ }
    END { put() }' /dev/null) >"$scratch/counted"

{
    printf 'crate\tfiles\ttests\tignored\n'
    awk -F '\t' '
        FILENAME ~ /crates$/ { crate[$1] = $2; next }
        FILENAME ~ /counted$/ { tests[$1] = $2; ignored[$1] = $3; next }
        $4 == "Rust" {
            file = folder = "./" $5
            while (sub(/\/[^\/]*$/, "", folder)) if (folder in crate) break
            name = (folder in crate) ? crate[folder] : "(no crate)"
            files[name]++; tests_of[name] += tests[file]; ignored_of[name] += ignored[file]
        }
        END { for (name in files) print name "\t" files[name] "\t" tests_of[name] "\t" ignored_of[name] }
        ' "$scratch/crates" "$scratch/counted" "$audit/files.tsv" | sort -t '	' -k 3,3nr -k 1,1
} >"$scratch/tests.tsv"
publish tests.tsv
say "$(counted "$(sh sum.sh tests.tsv tests)" test)"
