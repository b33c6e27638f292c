"""What one command costs as a whole process, in a small store and in a large one, against the start of a process that does nothing."""

import json

from . import plans
from .rows import at_most, row
from .setting import say


def measure(setting):
    sizes = [setting.size(1_000, 100), setting.size(100_000, 1_000)]
    runs = setting.size(40, 5)
    projects = []
    for size in sizes:
        folder = setting.fresh(f"store-{size}")
        plans.fill(setting, folder, size)
        projects.append(folder)
    setting.settle()
    seen = []
    for number in range(setting.rounds):
        _, said = setting.run([setting.timer, "one-shot", setting.ganger, runs, *projects], setting.work)
        seen.append(json.loads(said))
        say(f"  round {number + 1}: " + ", ".join(f"{name} {one['median_us']} µs" for name, one in seen[-1][-1].items()))
    log_mib = [(projects[1] / ".orchestrator" / "ganger.db-wal").stat().st_size / 2**20]
    for folder in projects:
        setting.settle()

    def ms(store, command, figure="median_us"):
        return [round[store][command][figure] / 1_000 for round in seen]

    rows = []
    small, large = (f"{size:,}" for size in sizes)
    for command in ("add", "claim", "complete"):
        rows.append(row(f"{command}_large", f"`ganger {command}` with {large} tasks in the store, median of {runs}", "ms", ms(1, command),
                        [at_most("ours", 2.5), at_most("ratio", 5)], "start of `/bin/true`", ms(1, "bare")))
        rows.append(row(f"{command}_growth", f"`ganger {command}`: {large} tasks against {small}", "ms", ms(1, command),
                        [at_most("ratio", 1.2)], f"ganger with {small}", ms(0, command)))
        rows.append(row(f"{command}_p99", f"`ganger {command}` with {large} tasks: the slowest in 100", "ms", ms(1, command, "p99_us"),
                        [], "start of `/bin/true`", ms(1, "bare", "p99_us")))
    done = setting.rounds * (runs + 3) * 3
    rows.append(row("log_size", f"the write-ahead log after the import of {large} tasks and {done} commands, which each of them reads", "MiB", log_mib))
    return rows
