"""Measures the parts one after the other, prints the table and writes the figures. Started by benches/compare, which has the options."""

import argparse
import json
import shutil
import sys
from pathlib import Path

from . import commands, large, makespan, queues, setting, table

PARTS = {
    "queues": queues.measure,
    "commands": commands.measure,
    "makespan": makespan.measure,
    "idle": makespan.idle,
    "graph": large.graph,
    "large": large.measure,
}
QUIET_LOAD_PER_CORE = 0.5


def main():
    options = parse()
    results = read(options.out)
    failed = []
    if not options.render_only:
        names = chosen(options)
        failed = measure(options, names, results)
        print(table.render(results, names), end="")
    if options.write:
        table.put_into(Path(__file__).resolve().parent.parent / "README.md", results)
    if failed:
        sys.exit(f"benches/compare: these parts failed and are not in the figures: {', '.join(failed)}")


def parse():
    parser = argparse.ArgumentParser(prog="benches/compare", add_help=False)
    for name in ("--ganger", "--tools", "--huey-python", "--work", "--out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--beanstalkd")
    parser.add_argument("--revision", default="unknown")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    for name in ("--quick", "--large", "--write", "--render-only"):
        parser.add_argument(name, action="store_true")
    return parser.parse_args()


def chosen(options):
    if not options.only:
        return [name for name in PARTS if name != "large" or options.large]
    return [name for name in PARTS if name in options.only.split(",")]


def measure(options, names, results):
    """Measures part by part, and gives the names of those that failed; what is measured is written at once."""
    failed = []
    place = setting.Setting(options)
    try:
        results["machine"] = setting.machine(place.work)
        for name in names:
            before = setting.load()
            setting.say(f"{name}: load {before}")
            if before > QUIET_LOAD_PER_CORE * results["machine"]["cores"]:
                setting.say("  this machine is busy: take these figures for a trial only")
            part = {"at": setting.now(), "revision": options.revision, "rounds": options.rounds, "quick": options.quick}
            try:
                part["rows"] = PARTS[name](place)
            except setting.Failed as error:
                setting.say(f"  {error}")
                failed.append(name)
                continue
            part["load"] = [before, setting.load()]
            results["parts"][name] = part
            options.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    finally:
        shutil.rmtree(place.work, ignore_errors=True)
    return failed


def read(out):
    """What is there stays, but for the parts that are measured again."""
    known = json.loads(out.read_text()) if out.exists() else {}
    return {"machine": known.get("machine", {}), "parts": known.get("parts", {})}


if __name__ == "__main__":
    main()
