"""The plans and makefiles that are measured: generated, the same ones for the same seed."""

import json
import random

from .setting import say

SEED = 20_260
PLAN_TASKS_MAX = 10_000


def independent(tasks, command):
    return [(command, []) for _ in range(tasks)]


def chain(tasks, command):
    return [(command, [number - 1] if number else []) for number in range(tasks)]


def layers(tasks, width, least_ms, most_ms):
    """Layers of `width` tasks; each waits for three of the layer before. Lengths differ, so a good order matters."""
    dice = random.Random(SEED)
    made = []
    for number in range(tasks):
        layer = number // width
        before = range((layer - 1) * width, layer * width)
        after = sorted(dice.sample(before, 3)) if layer else []
        made.append((f"sleep {dice.randint(least_ms, most_ms) / 1000:.3f}", after))
    return made


def dense(tasks, edges):
    """So many edges between a task and earlier ones, evenly spread."""
    dice = random.Random(SEED)
    made = [("true", set()) for _ in range(tasks)]
    left = edges
    while left:
        number = dice.randrange(1, tasks)
        before = dice.randrange(number)
        if before not in made[number][1]:
            made[number][1].add(before)
            left -= 1
    return [(command, sorted(after)) for command, after in made]


def write_toml(path, title, tasks):
    lines = [f"title = {json.dumps(title)}", "", "[defaults]", 'tests = "none"']
    for number, (command, after) in enumerate(tasks):
        lines += ["", "[[task]]", f'id = "t{number}"', f'title = "measured task {number}"', f"run = {json.dumps(command)}"]
        if after:
            lines.append("after = [" + ", ".join(f'"t{before}"' for before in after) + "]")
    path.write_text("\n".join(lines) + "\n")


def write_makefile(path, tasks, shell):
    """`shell` makes `make` start /bin/sh for each command, as every runner does that takes a command line; without it `make` starts a
    command itself that has nothing for a shell in it. A name that differs from its default is what tells it so."""
    names = [f"t{number}" for number in range(len(tasks))]
    lines = [".SUFFIXES:", *(["SHELL = //bin/sh"] if shell else []), ".PHONY: all " + " ".join(names), "all: " + " ".join(names)]
    for name, (command, after) in zip(names, tasks):
        lines += [f"{name}: " + " ".join(f"t{before}" for before in after), f"\t{command}"]
    path.write_text("\n".join(lines) + "\n")


def least_seconds(tasks, workers):
    """No order can be faster than the longest chain of sleeps, nor than all sleeps shared evenly."""
    spans, ends = [float(command.split()[1]) for command, _ in tasks], []
    for span, (_, after) in zip(spans, tasks):
        ends.append(span + max((ends[before] for before in after), default=0.0))
    return max(max(ends), sum(spans) / workers)


def fill(setting, folder, tasks):
    """A project with so many tasks, by plans of at most as many as a plan may have."""
    setting.quiet([setting.ganger, "init"], folder)
    plan = folder / "plan.json"
    done = 0
    while done < tasks:
        part = min(PLAN_TASKS_MAX, tasks - done)
        made = [{"title": f"measured task {number}", "run": "true"} for number in range(done, done + part)]
        plan.write_text(json.dumps({"title": f"part from {done}", "defaults": {"tests": "none"}, "task": made}))
        setting.quiet([setting.ganger, "plan", plan], folder)
        done += part
        if done % 100_000 == 0 and done < tasks:
            say(f"  {done:,} tasks are in the store")
    plan.unlink()
