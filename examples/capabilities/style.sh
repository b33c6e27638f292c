#!/bin/sh
# Writes the style sheet.
set -eu
mkdir -p out
cat >out/.style.$$ <<'END'
body { font: 1rem/1.5 serif; margin: 2rem auto; max-width: 40rem; }
article { border-bottom: 1px solid silver; }
END
mv -f out/.style.$$ out/style.css
