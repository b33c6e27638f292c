#!/bin/sh
# Three specialists, six tasks, and one task that nobody is a specialist for. Begins anew each time: removes out/ and .orchestrator/ here.
set -eu
# The same ganger from wherever a task runs it.
ganger=$(command -v -- "${GANGER:-ganger}") || { echo "there is no ganger on PATH: set GANGER to where it is" >&2; exit 2; }
case $ganger in /*) ;; *) ganger=$PWD/$ganger ;; esac
GANGER=$ganger; export GANGER
cd -- "$(dirname -- "$0")"
unset GANGER_PROJECT GANGER_STORE GANGER_TASK GANGER_CLAIM GANGER_ATTEMPT GANGER_BRIEF GANGER_WORKER
rm -rf out .orchestrator

"$ganger" init
"$ganger" config set fallback_after 2s
"$ganger" plan plan.toml

# Each claims only what it can do, and leaves when there has been nothing for it for six seconds.
"$ganger" work --worker api --can backend --idle-exit 6s &
"$ganger" work --worker ui --can frontend --idle-exit 6s &
"$ganger" work --worker db --can database --idle-exit 6s &
wait

echo
"$ganger" list
echo
"$ganger" log
echo
cat out/security.txt
