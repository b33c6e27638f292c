"""How many tasks a second are claimed and completed, durably: callers of one process against beanstalkd, processes on one file against
huey. One round measures all of them, one after the other."""

import json
import socket
import subprocess
import time

from .rows import at_least, at_most, row
from .setting import Failed, say

CALLERS = 16
PROCESSES = 4


def measure(setting):
    tasks = setting.size(20_000, 1_000)
    seen = {name: [] for name in ("callers", "processes", "apart", "together", "huey")}
    for number in range(setting.rounds):
        for name, figures in one_round(setting, tasks).items():
            seen[name].append(figures)
        say(f"  round {number + 1}: " + ", ".join(f"{name} {all[-1]['per_second']:.0f}/s" for name, all in seen.items()))

    def of(name, field):
        return [figures[field] for figures in seen[name]]

    callers, processes = of("callers", "per_second"), of("processes", "per_second")
    beanstalkd = "beanstalkd -b DIR -f 0"
    return [
        row("callers", f"claim and complete, {CALLERS} callers of one process", "tasks/s", callers,
            [at_least("ratio", 2.5)], f"{beanstalkd}, {CALLERS} connections", of("apart", "per_second")),
        row("callers_together", "the same; the peer's `delete` and next `reserve` in one packet", "tasks/s", callers,
            [], beanstalkd, of("together", "per_second")),
        row("callers_p99", "the same: 99 of 100 calls took no longer", "ms", of("callers", "p99_ms"),
            [], f"{beanstalkd}, `reserve` and `delete`", of("apart", "p99_ms")),
        row("processes", f"claim and complete, {PROCESSES} processes on one file", "tasks/s", processes,
            [at_least("ratio", 1.2)], "huey, SqliteHuey", of("huey", "per_second")),
        row("processes_share", "the same: tasks of the slowest divided by those of the fastest", "", of("processes", "slowest_share"),
            [at_least("ours", 0.8)], "huey", of("huey", "slowest_share")),
        row("processes_longest", "the same: the longest claim", "ms", of("processes", "max_ms"),
            [at_most("ours", 50)], "huey", of("huey", "max_ms")),
    ]


def one_round(setting, tasks):
    figures = ours(setting, tasks)
    for how in ("apart", "together"):
        figures[how] = beanstalkd(setting, tasks, how)
    figures["huey"] = huey(setting, tasks)
    return figures


def ours(setting, tasks):
    folder = setting.fresh("ganger-bench")
    _, said = setting.run([setting.ganger, "bench", "--json", "--tasks", tasks], folder)
    rows = {figures["name"]: figures for figures in json.loads(said)["rows"]}
    callers, processes = rows["claim_complete"], rows["claim_complete_processes"]
    if (callers["workers"], processes["workers"]) != (CALLERS, PROCESSES):
        raise Failed(f"`ganger bench` measures {callers['workers']} callers and {processes['workers']} processes by default")
    setting.settle()
    return {"callers": callers, "processes": processes}


def beanstalkd(setting, tasks, how):
    folder = setting.fresh(f"beanstalkd-{how}")
    log = folder / "log"
    log.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([setting.beanstalkd, "-l", "127.0.0.1", "-p", str(port), "-b", log, "-f", "0"], cwd=folder)
    try:
        until_it_listens(port)
        _, said = setting.run([setting.beanstalkd_client, f"127.0.0.1:{port}", tasks, CALLERS, how], folder)
    finally:
        server.terminate()
        server.wait()
    setting.settle()
    return json.loads(said)


def until_it_listens(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Failed("beanstalkd does not listen")


def huey(setting, tasks):
    folder = setting.fresh("huey")
    _, said = setting.run([setting.huey_python, "-B", setting.here / "peer_huey.py", folder / "huey.db", tasks, PROCESSES], folder)
    setting.settle()
    return json.loads(said)
