#!/bin/sh
# Writes audit/summary.md from all tables of the audit.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

# table NAME ROWS: the first rows of a table in Markdown, figures to the right, and how many more there are.
table() {
    awk -F '\t' -v most="$2" -v name="$1" '
        function cell(text) {
            gsub(/\001/, "\\n", text); gsub(/\002/, "\\t", text); gsub(/[[:cntrl:]]/, "?", text)
            gsub(/[]|*_`[]/, "\\\\&", text); gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text)
            return text
        }
        { rows++ }
        FNR == 1 || FNR <= most + 1 {
            line = "|"
            for (i = 1; i <= NF; i++) { line = line " " cell($i) " |"; if (FNR > 1 && $i !~ /^[0-9]+$/) words[i] = 1 }
            kept[FNR] = line; if (FNR == 1) columns = NF
        }
        END {
            if (rows < 2) { print "None."; print ""; exit }
            rule = "|"
            for (i = 1; i <= columns; i++) rule = rule ((i in words) ? " --- |" : " ---: |")
            print kept[1]; print rule
            for (i = 2; i in kept; i++) print kept[i]
            print ""
            if (rows - 1 > most) { printf "… and %d more in `audit/%s`.\n\n", rows - 1 - most, name }
        }' "$audit/$1"
}
section() { printf '## %s\n\n' "$1"; table "$2" "$3"; }
sum() { sh sum.sh "$@"; }

state="not under git"
if [ "$tracked" = yes ]; then state=$(repository rev-parse --verify --quiet --short HEAD || echo "no commit yet"); fi
unknown=$(awk -F '\t' '$2 == "unknown here" { print $1 }' "$audit/licences.tsv")

{
    printf '# Audit of %s\n\n' "$(basename -- "$root" | tr '[:cntrl:]' '?' | sed '$s/?$//')"
    cat <<END
| what | figure |
| --- | ---: |
| state | $state |
| files | $(sum files.tsv) |
| lines | $(sum files.tsv lines) |
| lines of code | $(sum code-lines.tsv "code lines") |
| tests in Rust | $(sum tests.tsv tests) |
| commits | $(sum authors.tsv commits) |
| authors | $(sum authors.tsv) |
| days with commits | $(sum days.tsv) |
| packages in Cargo.lock | $(sum packages.tsv) |
| … whose licence is unknown here | ${unknown:-0} |
| relative links in Markdown | $(sum links.tsv) |
| … that lead nowhere | $(sum broken-links.tsv) |
| notes to do | $(sum markers.tsv) |
| files to tidy | $(sum hygiene.tsv) |
| cross-checks that agree | $(grep -c '^agree' "$audit/crosscheck.tsv" || :) of $(sum crosscheck.tsv) |

END
    section "Languages" languages.tsv 20
    section "Lines of code" code-lines.tsv 20
    section "Tests by crate" tests.tsv 20
    section "Largest files" largest.tsv 10
    section "Files that change most" churn.tsv 10
    section "Authors" authors.tsv 10
    { sed 1q "$audit/days.tsv"; sed 1d "$audit/days.tsv" | sort -t '	' -k 2,2nr -k 1,1; } >"$scratch/busiest-days.tsv"
    publish busiest-days.tsv
    section "Busiest days" busiest-days.tsv 10
    section "Licences" licences.tsv 20
    section "Links that lead nowhere" broken-links.tsv 20
    section "Notes to do" markers.tsv 20
    section "Files to tidy" hygiene.tsv 20
    section "Cross-checks" crosscheck.tsv 20
} | sed '$d' >"$scratch/summary.md"
publish summary.md
say "audit/summary.md is written"
