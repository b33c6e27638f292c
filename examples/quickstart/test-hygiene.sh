#!/bin/sh
# Tests hygiene.sh on a small folder whose untidy files are known, one of them with a name that few tools like.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

sample=$scratch/sample
mkdir -p "$sample"
odd=$(printf 'a new\nline\tand\ta tab.txt')
printf 'good\n' >"$sample/good.txt"
: >"$sample/empty.txt"
printf 'one \ntwo\t\nthree\n' >"$sample/blanks.txt"
printf 'break  \nnot a break \n' >"$sample/break.md"
printf 'one\r\ntwo\r\n' >"$sample/crlf.txt"
printf 'open' >"$sample/$odd"
printf 'binary \000 \r\n' >"$sample/binary.bin"
cat >"$scratch/expected" <<'END'
2 0 0 blanks.txt
1 0 0 break.md
0 2 0 crlf.txt
0 0 1 a new?line?and?a tab.txt
END

AUDIT_ROOT=$sample AUDIT_OUT=${scratch#"$here"/}/result
export AUDIT_ROOT AUDIT_OUT
sh inventory.sh
sh hygiene.sh
awk -F '\t' 'FNR > 1 { gsub(/[\001\002]/, "?"); print $1, $2, $3, $4 }' "$AUDIT_OUT/hygiene.tsv" | sort >"$scratch/found"
sort "$scratch/expected" | diff - "$scratch/found"
test "$(sh sum.sh files.tsv)" -eq 7
echo "ok     4 untidy files found, 3 others left alone"
