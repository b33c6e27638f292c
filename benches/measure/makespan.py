"""How long 8 shell workers take for a whole plan, against `make -j8` with the same commands; and how long a worker stands idle between a
task's end and the start of its next one."""

import datetime
import json
import shlex

from . import plans
from .rows import at_most, row
from .setting import Failed, median, per_cent, say

WORKERS = 8


def workloads(setting):
    few, dag, line = setting.size(1_000, 100), setting.size(500, 50), setting.size(200, 20)
    least, most = setting.size((20, 200), (2, 20))
    return [
        ("independent", f"{few:,} tasks of 10 ms", plans.independent(few, "sleep 0.01")),
        ("layered", f"{dag} tasks of {least}–{most} ms in layers", plans.layers(dag, setting.size(25, 10), least, most)),
        ("chain", f"a chain of {line} tasks of 5 ms", plans.chain(line, "sleep 0.005")),
    ]


def measure(setting):
    rows = []
    for name, what, tasks in workloads(setting):
        shelled, ours, spans, direct = [], [], [], []
        for number in range(setting.rounds):
            shelled.append(make(setting, tasks, WORKERS, shell=True))
            took, span = ganger(setting, tasks, WORKERS)
            ours.append(took)
            spans.append(span)
            direct.append(make(setting, tasks, WORKERS, shell=False))
            say(f"  {what}, round {number + 1}: make {shelled[-1]:.3f} s, ganger {took:.3f} s ({span:.3f} from claim to end), "
                f"make without a shell {direct[-1]:.3f} s")
        least = plans.least_seconds(tasks, WORKERS)
        make_is = f"`make -j{WORKERS}`"
        rows += [
            row(name, f"{what}, {WORKERS} workers, the whole command", "s", ours, [at_most("ratio", 1.10)],
                f"{make_is}, also by `sh -c`", shelled),
            row(f"{name}_span", "the same: from the first claim to the last completion", "s", spans, [], f"{make_is}, whole", shelled,
                ours_is="ganger, from its log"),
            row(f"{name}_direct", "the same; the peer starts `sleep` without a shell", "s", ours, [at_most("ratio", 1.10)], make_is, direct),
            row(f"{name}_least", "the same; against what no order could be faster than", "s", ours, [], "sleeps alone", [least] * len(ours)),
        ]
    return rows


def make(setting, tasks, workers, shell):
    folder = setting.fresh("make")
    plans.write_makefile(folder / "Makefile", tasks, shell)
    setting.settle()
    took = setting.quiet(["make", "-r", "-s", f"-j{workers}"], folder)
    setting.settle()
    return took


def ganger(setting, tasks, workers):
    """In a fresh project: making it and importing the plan is part of the whole. Gives that, and the span of the journal."""
    folder = setting.fresh("ganger-run")
    plans.write_toml(folder / "plan.toml", "measured", tasks)
    setting.settle()
    took = setting.quiet([setting.ganger, "run", "plan.toml", "--workers", workers], folder)
    _, said = setting.run([setting.ganger, "log", "--json", "--kind", "task_claimed,task_completed"], folder)
    events = [json.loads(line) for line in said.splitlines()]
    at = {kind: [when(event) for event in events if event["kind"] == kind] for kind in ("task_claimed", "task_completed")}
    if len(at["task_completed"]) != len(tasks):
        raise Failed(f"{len(at['task_completed'])} of {len(tasks)} tasks were completed")
    setting.settle()
    return took, (max(at["task_completed"]) - min(at["task_claimed"])).total_seconds()


def when(event):
    return datetime.datetime.fromisoformat(event["at"].replace("Z", "+00:00"))


def idle(setting):
    """The part `idle`: what the tasks themselves stamped."""
    tasks = setting.size(1_000, 100)
    rows = []
    for workers in (8, 2):
        seen = {"ours": [], "slots": [], "theirs": []}
        for number in range(setting.rounds):
            stamps = stamped(setting, tasks, workers, ganger)
            seen["ours"].append(between_tasks(stamps))
            seen["slots"].append(between_slots(stamps, workers))
            seen["theirs"].append(between_slots(stamped(setting, tasks, workers, lambda *all: make(*all, shell=True)), workers))
            say(f"  {workers} workers, round {number + 1}: " + ", ".join(
                f"{name} p50 {median(all[-1]):.2f} p99 {per_cent(all[-1], 99):.2f} max {max(all[-1]):.2f} ms" for name, all in seen.items()))

        def each(name, figure):
            return [figure(gaps) for gaps in seen[name]]

        what = f"{tasks:,} tasks of 10 ms, {workers} workers: from the end of a worker's task to the start of its next"
        peer = f"`make -j{workers}`, by slots"
        rows += [
            row(f"idle_{workers}_p99", f"{what}, p99", "ms", each("ours", lambda gaps: per_cent(gaps, 99)), [at_most("ours", 5)]),
            row(f"idle_{workers}_p50", "the same, p50", "ms", each("ours", median)),
            row(f"idle_{workers}_max", "the same, max", "ms", each("ours", max)),
            row(f"idle_{workers}_slots", "the same by slots (the end of any task to the start that took its place), p99", "ms",
                each("slots", lambda gaps: per_cent(gaps, 99)), [], peer, each("theirs", lambda gaps: per_cent(gaps, 99))),
            row(f"idle_{workers}_slots_p50", "the same by slots, p50", "ms", each("slots", median), [], peer, each("theirs", median)),
        ]
    return rows


def stamped(setting, tasks, workers, runner):
    """What the tasks of a run noted: worker, begin and end in nanoseconds."""
    folder = setting.fresh("stamps")
    file = folder / "stamps"
    runner(setting, plans.independent(tasks, f"{shlex.quote(str(setting.timer))} stamp {shlex.quote(str(file))} 10"), workers)
    lines = [line.split() for line in file.read_text().splitlines()]
    if len(lines) != tasks:
        raise Failed(f"{len(lines)} of {tasks} tasks left a stamp")
    setting.settle()
    return [(worker, int(began), int(ended)) for worker, began, ended in lines]


def between_tasks(stamps):
    """Milliseconds from each end to the same worker's next begin."""
    gaps = []
    for worker in {worker for worker, _, _ in stamps}:
        own = sorted((began, ended) for name, began, ended in stamps if name == worker)
        gaps += [(following[0] - before[1]) / 1e6 for before, following in zip(own, own[1:])]
    return gaps


def between_slots(stamps, workers):
    """For runners that do not say who worked: the n-th end frees the place that the (n + workers)-th start takes."""
    begins, ends = sorted(began for _, began, _ in stamps), sorted(ended for _, _, ended in stamps)
    return [(began - ended) / 1e6 for ended, began in zip(ends, begins[workers:])]
