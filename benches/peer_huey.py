"""Drives huey's SqliteHuey for benches/compare: tasks that do nothing are put into one SQLite file, then processes do what huey's own worker
does with each, dequeue and execute, until none is left. Prints the figures that `ganger bench` prints. It runs in huey's own environment.

    peer_huey.py FILE TASKS PROCESSES
"""

import json
import multiprocessing
import sqlite3
import sys
import time

from huey import SqliteHuey


def storage(path, fsync=None):
    """Everything as huey and CPython have it by default (a write-ahead log, synchronous=FULL) unless `fsync` says otherwise."""
    huey = SqliteHuey("measured", filename=path, fsync=fsync)
    return huey, huey.task()(nothing)


def nothing(number):
    """What a measured task does. It returns nothing, so huey writes no result."""


def drain(path, barrier, told):
    huey, _ = storage(path)
    calls, done = [], 0
    huey.storage.queue_size()
    barrier.wait()
    start = time.monotonic()
    while True:
        began = time.monotonic()
        try:
            task = huey.dequeue()
        except sqlite3.OperationalError:
            # Five seconds without the lock: huey's worker logs that, sleeps as below and asks again. The waiting counts.
            calls.append(time.monotonic() - began)
            time.sleep(0.1)
            continue
        calls.append(time.monotonic() - began)
        if task is None:
            break
        done += 1
        try:
            huey.execute(task)
        except sqlite3.OperationalError:
            pass  # Logged and lost there; we count it as done.
    told.put((start, time.monotonic(), done, calls))


def fill(path, tasks):
    # Not measured, so without waiting for the disk; closed afterwards, so that all of it is in the file.
    huey, task = storage(path, fsync=False)
    for number in range(tasks):
        task(number)
    huey.storage.close()


def main():
    path, tasks, processes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    context = multiprocessing.get_context("fork")
    filling = context.Process(target=fill, args=(path, tasks))
    filling.start()
    filling.join()
    barrier, told = context.Barrier(processes), context.Queue()
    children = [context.Process(target=drain, args=(path, barrier, told)) for _ in range(processes)]
    for child in children:
        child.start()
    all_told = [told.get(timeout=600) for _ in children]
    for child in children:
        child.join()
    counts = [count for _, _, count, _ in all_told]
    if sum(counts) != tasks or filling.exitcode != 0:
        sys.exit(f"{sum(counts)} tasks of {tasks} were done")
    took = max(end for _, end, _, _ in all_told) - min(start for start, _, _, _ in all_told)
    calls = sorted(call for _, _, _, calls in all_told for call in calls)

    def at(per_thousand):
        return round(calls[(len(calls) - 1) * per_thousand // 1000] * 1000, 3)

    figures = {"workers": processes, "tasks": tasks, "per_second": round(tasks / took, 3)}
    figures |= {"p50_ms": at(500), "p99_ms": at(990), "max_ms": at(1000), "slowest_share": round(min(counts) / max(counts), 3)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
