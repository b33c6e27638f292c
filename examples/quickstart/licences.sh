#!/bin/sh
# Finds the licence of each package where cargo keeps its source on this machine: audit/package-licences.tsv, and
# audit/licences.tsv with how many packages have which. Nothing is downloaded: what is not here is "unknown here".
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

cargo=${CARGO_HOME:-${HOME:-/nonexistent}/.cargo}

# The manifests: those of the registry as name-version, and those of the workspace.
sed 1d "$audit/packages.tsv" | while IFS='	' read -r name version from; do
    [ "$from" = registry ] || continue
    for manifest in "$cargo"/registry/src/*/"$name-$version"/Cargo.toml; do
        if [ -f "$manifest" ]; then printf '%s\000' "$manifest"; fi
    done
done >"$scratch/registry"
files language TOML | to_table | awk '/\/Cargo\.toml$/' | to_names >"$scratch/workspace"

# registry|workspace TAB package TAB version TAB licence; "inherited" where a member takes it from the workspace.
read_manifests() {
    # shellcheck disable=SC2016 # awk reads these
    xargs -0 awk -v origin="$1" '
        function put() {
            if (seen && package != "") print origin "\t" package "\t" version "\t" (licence != "" ? licence : "none given")
            if (seen && shared != "") print "shared\t\t\t" shared
            package = licence = shared = ""; version = "?"
        }
        FNR == 1 { put(); seen = 1; section = "" }
        { sub(/\r$/, "") }
        /^[ \t]*\[/ { section = $1; next }
        section == "[package]" && $1 == "name" { package = value($0) }
        section == "[package]" && $1 == "version" { version = value($0) }
        section == "[package]" && /^license *=/ { licence = value($0) }
        section == "[package]" && /^license-file *=/ && licence == "" { licence = "in a file of its own" }
        section == "[package]" && /^license(\.workspace *=|.*workspace *= *true)/ { licence = "inherited" }
        section == "[workspace.package]" && /^license *=/ { shared = value($0) }
        END { put() }
        function value(line) {
            sub(/^[^=]*= */, "", line)
            quote = substr(line, 1, 1); line = substr(line, 2)
            if (index(line, quote)) line = substr(line, 1, index(line, quote) - 1)
            gsub(/ *\/ */, " OR ", line)
            return line
        }' /dev/null
}
{
    read_manifests registry <"$scratch/registry"
    (cd -- "$root" && read_manifests workspace <"$scratch/workspace")
} >"$scratch/manifests"

{
    printf 'package\tversion\tlicence\n'
    awk -F '\t' '
        FILENAME ~ /manifests$/ && $1 == "registry" { licence[$2 "\t" $3] = $4; next }
        FILENAME ~ /manifests$/ && $1 == "workspace" { own[$2] = $4; next }
        FILENAME ~ /manifests$/ { shared = $4; next }
        FNR == 1 { next }
        $3 == "workspace" {
            found = ($1 in own) ? own[$1] : "unknown here"
            if (found == "inherited") found = shared != "" ? shared : "none given"
            print $1 "\t" $2 "\t" found; next
        }
        { print $1 "\t" $2 "\t" ((($1 "\t" $2) in licence) ? licence[$1 "\t" $2] : "unknown here") }
        ' "$scratch/manifests" "$audit/packages.tsv"
} >"$scratch/package-licences.tsv"

{
    printf 'packages\tlicence\n'
    sed 1d "$scratch/package-licences.tsv" | cut -f 3 | sort | uniq -c | awk '{ n = $1; sub(/^ *[0-9]+ /, ""); print n "\t" $0 }' |
        sort -t '	' -k 1,1nr -k 2
} >"$scratch/licences.tsv"
publish package-licences.tsv licences.tsv
say "$(counted "$(sed 1d "$audit/licences.tsv" | wc -l | tr -d ' ')" licence)"
