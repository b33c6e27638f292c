#!/bin/sh
# Lists every file of the repository with its size, its lines, whether it is text, and its language: audit/files.tsv.
# Tracked files where git can tell (all that are not ignored while nothing is tracked yet), else what find sees.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

if [ "$tracked" = yes ]; then
    repository ls-files -z --cached >"$scratch/listed"
    if [ ! -s "$scratch/listed" ]; then
        repository ls-files -z --others --exclude-standard >"$scratch/listed"
    fi
    to_table <"$scratch/listed" | sed 's,^,./,' >"$scratch/found"
else
    (cd -- "$root" && find . \( -name .git -o -name .orchestrator -o -name target -o -name node_modules \) -prune -o -type f -print0) |
        to_table >"$scratch/found"
fi

# Not the results of this audit.
own=${here#"$root"/}/audit/
export own
awk 'index($0, "./" ENVIRON["own"]) != 1 { print }' "$scratch/found" | sort -u | to_names | only_readable |
    to_table >"$scratch/names"

# wc puts one file on a line, so names with a newline in them are counted one by one.
newline=$(printf '\001')
{
    sed "/$newline/d" "$scratch/names" | to_names | (cd -- "$root" && xargs -0 wc -lc) |
        awk '{ match($0, /^ *[0-9]+ +[0-9]+ /); name = substr($0, RLENGTH + 1) }
             RLENGTH > 0 && index(name, "./") == 1 { gsub(/\t/, "\002", name); print $1 "\t" $2 "\t" name }'
    # shellcheck disable=SC2016 # the inner shell expands these
    sed -n "/$newline/p" "$scratch/names" | to_names |
        (cd -- "$root" && xargs -0 sh -c 'for f do set -- $(wc -lc <"$f"); printf "%s %s %s\000" "$1" "$2" "$f"; done' sh) | to_table |
        sed 's/ /	/; s/ /	/'
} >"$scratch/counted"

# Text is what holds no NUL. Some greps cannot tell many files at once.
if echo x | grep -I -l --null x >/dev/null 2>&1; then
    { to_names <"$scratch/names" | (cd -- "$root" && xargs -0 grep -I -l --null '' /dev/null) || : "none is text"; } | to_table
else
    # shellcheck disable=SC2016 # the inner shell expands these
    to_names <"$scratch/names" | (cd -- "$root" && xargs -0 sh -c '
        for f do if [ "$(tr -dc "\000" <"$f" | wc -c)" -eq 0 ]; then printf "%s\000" "$f"; fi; done' sh) | to_table
fi >"$scratch/text"

# What has no extension may say in its first line what it is.
# shellcheck disable=SC2016 # awk reads these
awk '{ name = $0; sub(/.*\//, "", name) } name !~ /\./' "$scratch/text" | to_names | only_readable |
    (cd -- "$root" && xargs -0 awk '
        FNR == 1 && /^#!/ {
            name = FILENAME; gsub(/\n/, "\001", name); gsub(/\t/, "\002", name)
            print name "\t" $0
        }' /dev/null) >"$scratch/shebangs"

awk -F '\t' '
    BEGIN {
        rows = "rs Rust,toml TOML,md Markdown,markdown Markdown,sh Shell,bash Shell,awk AWK,yml YAML,yaml YAML,json JSON,jsonl JSON," \
            "sql SQL,py Python,js JavaScript,mjs JavaScript,cjs JavaScript,jsx JavaScript,ts TypeScript,tsx TypeScript,html HTML," \
            "css CSS,c C,h C,cc C++,cpp C++,hpp C++,go Go,java Java,kt Kotlin,rb Ruby,lua Lua,tla TLA+,txt Text,csv CSV,svg SVG,xml XML," \
            "snap Snapshot,lock Lockfile,diff Patch,patch Patch,Makefile Make,Dockerfile Docker,LICENSE Licence,COPYING Licence"
        n = split(rows, pairs, ",")
        for (i = 1; i <= n; i++) { split(pairs[i], pair, " "); known[pair[1]] = pair[2] }
        OFS = "\t"
        print "bytes", "lines", "kind", "language", "file"
    }
    FILENAME ~ /\/text$/ { text[$0] = 1; next }
    FILENAME ~ /\/shebangs$/ { shebang[$1] = $2; next }
    {
        base = $3; sub(/.*\//, "", base)
        ending = base; if (ending ~ /^\.?[^.]*$/) ending = ""; else sub(/.*\./, "", ending)
        kind = ($2 == 0 || $3 in text) ? "text" : "binary"
        if (kind == "binary") { $1 = 0; language = "Binary" }
        else if (ending in known) language = known[ending]
        else if (base in known) language = known[base]
        else if (base ~ /^(LICEN[CS]E|COPYING|NOTICE)/) language = "Licence"
        else if (base ~ /^\.git/) language = "Git settings"
        else if (shebang[$3] ~ /[\/ ](ba|da|k|z)?sh([ \t\r]|$)/) language = "Shell"
        else if (shebang[$3] ~ /python/) language = "Python"
        else if (shebang[$3] ~ /awk/) language = "AWK"
        else language = "Other"
        print $2, $1, kind, language, substr($3, 3)
    }' "$scratch/text" "$scratch/shebangs" "$scratch/counted" >"$scratch/unsorted"
{ sed 1q "$scratch/unsorted"; sed 1d "$scratch/unsorted" | sort -t '	' -k 5; } >"$scratch/files.tsv"
publish files.tsv
say "$(counted "$(sh sum.sh files.tsv)" file) in $root"
