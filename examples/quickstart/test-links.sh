#!/bin/sh
# Tests links.sh on a small folder whose broken links are known.
set -eu
cd -- "$(dirname -- "$0")"
. ./repository.sh

sample=$scratch/sample
mkdir -p "$sample/docs/two words"
echo x >"$sample/docs/two words/a (b).txt"
echo x >"$sample/-n=1.md"
cat >"$sample/README.md" <<'END'
[fine](docs/) [fine](./docs/two%20words/a%20(b).txt) [fine](<docs/two words/>) [fine](-n=1.md#part "title") [fine](/docs)
[gone](docs/none.md) ![gone](docs/none.png) [![both](docs/one.svg)](docs/two.svg) [far](https://example.org/none) [here](#part)
`[code](docs/code.md)` <!-- [comment](docs/comment.md) --> [named] <a href="docs/href.html">gone</a>

```
[code](docs/code.md)
```

[named]: docs/named.md
[^note]: a footnote, not a link
[outside](../../elsewhere.md)
END
cat >"$scratch/expected" <<'END'
missing 2 docs/none.md
missing 2 docs/none.png
missing 2 docs/one.svg
missing 2 docs/two.svg
missing 3 docs/href.html
missing 9 docs/named.md
outside 11 ../../elsewhere.md
END

AUDIT_ROOT=$sample AUDIT_OUT=${scratch#"$here"/}/result
export AUDIT_ROOT AUDIT_OUT
sh inventory.sh
sh links.sh
awk -F '\t' 'FNR > 1 { print $1, $2, $3 }' "$AUDIT_OUT/broken-links.tsv" | sort >"$scratch/found"
diff "$scratch/expected" "$scratch/found"
test "$(sh sum.sh links.tsv)" -eq 12
echo "ok     7 broken links found, 5 good ones left alone"
