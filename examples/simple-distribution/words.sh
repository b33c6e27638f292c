#!/bin/sh
# words.sh FILE: writes how often each word of the file occurs, the most frequent first, to out/NAME.words.
set -eu
LC_ALL=C; export LC_ALL
name=$(basename -- "$1" .txt)
mkdir -p out
tr -cs '[:alpha:]' '\n' <"$1" | tr '[:upper:]' '[:lower:]' | sed '/^$/d' | sort | uniq -c | sort -k 1,1nr -k 2 >"out/.$name.$$"
mv -f -- "out/.$name.$$" "out/$name.words"
echo "$name: $(wc -l <"out/$name.words" | tr -d ' ') different words"
