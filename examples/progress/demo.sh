#!/bin/sh
# Runs the plan and watches it from outside. Begins anew each time: removes out/ and .orchestrator/ here.
set -eu
# The same ganger from wherever a task runs it.
ganger=$(command -v -- "${GANGER:-ganger}") || { echo "there is no ganger on PATH: set GANGER to where it is" >&2; exit 2; }
case $ganger in /*) ;; *) ganger=$PWD/$ganger ;; esac
GANGER=$ganger; export GANGER
cd -- "$(dirname -- "$0")"
unset GANGER_PROJECT GANGER_STORE GANGER_TASK GANGER_CLAIM GANGER_ATTEMPT GANGER_BRIEF GANGER_WORKER
rm -rf out .orchestrator
mkdir out

"$ganger" init
"$ganger" plan plan.toml
"$ganger" run --workers 2 >out/run.log 2>&1 &
run=$!

# The observer reads. It holds nothing up, and nothing depends on it.
field() { tr -d ' \n' <out/status.json | sed -n "s/.*\"$1\":\"\{0,1\}\([A-Za-z0-9.]*\).*/\1/p"; }
for look in 1 2 3; do
    "$ganger" status --json >out/status.json
    echo "look $look: $(field percent) % of the tasks, phase $(field phase), $(field PENDING) to do, $(field IN_PROGRESS) in progress"
    sleep 1
done
"$ganger" poll --every 1s || :

if wait "$run"; then echo "the run has ended well"; else echo "the run has ended with exit code $?"; fi
echo
"$ganger" list
echo
cat out/report.md out/odd/*.md
