#!/bin/sh
# Kills a worker with SIGKILL in the middle of a task and shows who finishes it. Begins anew each time: removes out/ and .orchestrator/ here.
set -eu
# The same ganger from wherever a task runs it.
ganger=$(command -v -- "${GANGER:-ganger}") || { echo "there is no ganger on PATH: set GANGER to where it is" >&2; exit 2; }
case $ganger in /*) ;; *) ganger=$PWD/$ganger ;; esac
GANGER=$ganger; export GANGER
cd -- "$(dirname -- "$0")"
unset GANGER_PROJECT GANGER_STORE GANGER_TASK GANGER_CLAIM GANGER_ATTEMPT GANGER_BRIEF GANGER_WORKER
rm -rf out .orchestrator
mkdir out

# waits for a condition, 30 seconds at the most
await() { i=0; until "$@"; do i=$((i + 1)); [ "$i" -lt 300 ] || { echo "gave up waiting for: $*" >&2; return 1; }; sleep 0.1; done; }
three_parts() { grep -q 'part 2$' out/diary.txt 2>/dev/null; }
ended() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.*zombie' "/proc/$1/status" 2>/dev/null; }

"$ganger" init
"$ganger" plan plan.toml

"$ganger" work --worker first &
first=$!
trap 'kill "$first" 2>/dev/null || :' EXIT
await three_parts
"$ganger" work --worker second --idle-exit 10s &
second=$!

command=$(cat out/pid)
echo "killing the worker 'first', process $first, in the middle of T-001"
kill -9 "$first"
trap 'kill "$second" 2>/dev/null || :' EXIT
wait "$first" 2>/dev/null || :
await ended "$command"
if grep -q 'first: part 9$' out/diary.txt; then echo "its command, process $command, outlived it" >&2; exit 1; fi
echo "its command, process $command, has ended with it"

# The second worker notices within a second that the first has died, does the task anew and then what waited for it.
wait "$second" || { echo "the worker 'second' has ended with an error" >&2; exit 1; }
trap - EXIT
if ! grep -q 'second: part 9$' out/diary.txt || [ ! -s out/total ]; then
    echo "'second' has not done the work of 'first'" >&2
    "$ganger" status >&2
    exit 1
fi

echo
cat out/diary.txt
echo "primes below 20000: $(cat out/total)"
echo
"$ganger" log
