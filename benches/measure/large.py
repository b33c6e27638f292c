"""Large plans and large stores: how long, and with how much memory."""

import json

from . import plans
from .rows import at_most, row
from .setting import Failed, say


def graph(setting):
    """The part `graph`: the largest plan that there may be, checked and imported."""
    tasks, edges = setting.size((10_000, 100_000), (1_000, 10_000))
    seen = {"check": [], "import": []}
    for number in range(setting.rounds):
        folder = setting.fresh("graph")
        setting.quiet([setting.ganger, "init"], folder)
        plans.write_toml(folder / "plan.toml", "measured", plans.dense(tasks, edges))
        setting.settle()
        seen["check"].append(setting.peak_mib([setting.ganger, "plan", "--dry-run", "plan.toml"], folder))
        setting.settle()
        seen["import"].append(setting.peak_mib([setting.ganger, "plan", "plan.toml"], folder))
        setting.settle()
        say(f"  round {number + 1}: " + ", ".join(f"{name} {all[-1][1]:.2f} s, {all[-1][0]:.0f} MiB" for name, all in seen.items()))
    size = f"a plan of {tasks:,} tasks and {edges:,} edges"
    rows = []
    for name, what, goal in (("check", "`ganger plan --dry-run`", 1), ("import", "`ganger plan`", 2)):
        rows.append(row(f"graph_{name}", f"{size}, {what}", "s", [took for _, took in seen[name]], [at_most("ours", goal)]))
        rows.append(row(f"graph_{name}_peak", "the same: most memory", "MiB", [peak for peak, _ in seen[name]]))
    return rows


def measure(setting):
    """The part `large`: a store as large as we promise anything about."""
    tasks = setting.size(1_000_000, 5_000)
    folder = setting.fresh("large")
    plans.fill(setting, folder, tasks)
    setting.settle()
    rows = []
    what = f"with {tasks:,} tasks in the store"
    limit = 100 * 1_000_000 / 2**20
    for name in ("status", "list --json", "show T-001", "log --limit 10", "workers", "report", "poll --once T-001", "add", "claim", "complete"):
        peaks, times = [], []
        for _ in range(setting.rounds):
            try:
                peak, took = setting.peak_mib([setting.ganger, *words(setting, folder, name)], folder, ok=(0, 1) if "poll" in name else (0,))
            except Failed as failed:
                say(f"  {name}: {failed}")
                break
            peaks.append(peak)
            times.append(took * 1_000)
        say(f"  {name}: " + ", ".join(f"{peak:.0f} MiB {took:.0f} ms" for peak, took in zip(peaks, times)))
        slug = name.replace(" ", "_").replace("--", "")
        rows.append(row(f"large_{slug}_peak", f"`ganger {name}` {what}: most memory", "MiB", peaks, [at_most("ours", limit)]))
        if name not in CHANGES:
            rows.append(row(f"large_{slug}", "the same: the whole process, started from `time`", "ms", times))
    rows += changes(setting, folder, what)
    setting.settle()
    return rows


CHANGES = ("add", "claim", "complete")


def words(setting, folder, name):
    """The whole command line; `poll` says by 1 that not all is done yet, `complete` needs a claim."""
    if name == "add":
        return ["add", "measured"]
    if name == "claim":
        return ["claim", "--worker", "measure"]
    if name == "complete":
        _, said = setting.run([setting.ganger, "claim", "--worker", "measure", "--json"], folder)
        return ["complete", json.loads(said)["claim"]]
    return name.split()


def changes(setting, folder, what):
    """What changes one task is timed as in a small store."""
    runs = setting.size(40, 5)
    seen = [json.loads(setting.run([setting.timer, "one-shot", setting.ganger, runs, folder], folder)[1])[0] for _ in range(setting.rounds)]

    def ms(command):
        return [one[command]["median_us"] / 1_000 for one in seen]

    return [row(f"large_{command}", f"`ganger {command}` {what}, median of {runs}", "ms", ms(command), [], "start of `/bin/true`", ms("bare"))
            for command in CHANGES]
