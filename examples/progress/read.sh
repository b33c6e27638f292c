#!/bin/sh
# read.sh STATION: copies its good readings to out/clean and its odd ones to out/odd. Where there are odd ones it adds a task to the
# project that looks into them: the plan could not know.
set -eu
station=$1
mkdir -p out/clean out/odd
sleep "${PACE:-1}"

good='^[0-9][0-9]*-[0-9][0-9]-[0-9][0-9];-\{0,1\}[0-9]\{1,2\}\.[0-9]$'
grep "$good" "input/$station.csv" >"out/clean/.$station" || :
grep -n -v "$good" "input/$station.csv" >"out/odd/.$station" || :
mv -f "out/clean/.$station" "out/clean/$station.csv"
mv -f "out/odd/.$station" "out/odd/$station.csv"

count=$(wc -l <"out/odd/$station.csv" | tr -d ' ')
echo "$station: $(wc -l <"out/clean/$station.csv" | tr -d ' ') good readings, $count odd ones"

# Asked once is enough, also when this task runs again after a crash.
if [ "$count" -gt 0 ] && [ ! -e "out/odd/$station.asked" ]; then
    "${GANGER:-ganger}" add "Look into odd readings of $station ($count)" ${GANGER_TASK:+--after "$GANGER_TASK"} \
        --run "sh odd.sh $station" --check "test -s out/odd/$station.md" --output "out/odd/$station.md" --estimate 2s
    : >"out/odd/$station.asked"
fi
