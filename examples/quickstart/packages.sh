#!/bin/sh
# Reads the packages that Cargo.lock lists: audit/packages.tsv. Without a Cargo.lock the table stays empty.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

lock=$root/Cargo.lock
if [ ! -f "$lock" ]; then say "there is no Cargo.lock"; lock=/dev/null; fi
{
    printf 'package\tversion\tfrom\n'
    awk '
        function put() { if (name != "") print name "\t" version "\t" from; name = "" }
        { sub(/\r$/, "") }
        /^\[/ { put(); inside = ($0 == "[[package]]"); from = "workspace"; version = "?" }
        inside && /^(name|version|source) = "/ {
            value = $3; gsub(/"/, "", value)
            if ($1 == "name") name = value
            if ($1 == "version") version = value
            if ($1 == "source") { from = value; sub(/\+.*/, "", from) }
        }
        END { put() }' "$lock" | sort
} >"$scratch/packages.tsv"
publish packages.tsv
say "$(counted "$(sed 1d "$audit/packages.tsv" | wc -l | tr -d ' ')" package)"
