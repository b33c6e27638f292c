#!/bin/sh
# Looks for markup on the page that is not the page's own, and says who looked: perhaps not the specialist that was asked for.
set -eu
own='doctype|meta|title|/title|link|article|/article|h2|/h2|p|/p'
tr '<' '\n' <out/index.html | sed -n 's/^!\{0,1\}\([A-Za-z0-9/]\{1,\}\).*/\1/p' | grep -v -x -E "$own" >out/.foreign.$$ || :
{
    echo "looked at by: ${GANGER_WORKER:-nobody}"
    echo "foreign tags: $(wc -l <out/.foreign.$$ | tr -d ' ')"
    cat out/.foreign.$$
} >out/.security.$$
rm -f out/.foreign.$$
mv -f out/.security.$$ out/security.txt
cat out/security.txt
grep -q '^foreign tags: 0$' out/security.txt
