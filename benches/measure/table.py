"""The Markdown table: printed after a measurement, and put between two marks of benches/README.md."""

from .setting import median

BEGIN = "<!-- figures: begin (benches/compare --write puts them here) -->"
END = "<!-- figures: end -->"
TITLES = {
    "queues": "Queues: claim and complete, durable",
    "commands": "One command, one process",
    "makespan": "A whole plan",
    "idle": "Between two tasks of a worker",
    "graph": "A large plan",
    "large": "A large store",
}


def render(results, only=tuple(TITLES)):
    machine = results["machine"]
    lines = [
        f"{machine['cores']} cores, {machine['memory_gib']} GiB, Linux {machine['kernel']}, {machine['file_system']}, {machine['rustc']}, "
        f"{machine['make']}. Medians, in brackets the least and the most of all rounds.",
    ]
    for name, title in TITLES.items():
        if name in only and name in results["parts"]:
            lines += ["", *part(title, results["parts"][name])]
    return "\n".join(lines) + "\n"


def part(title, part):
    load = part["load"]
    yield f"### {title}"
    yield ""
    yield f"{part['at']}, revision {part['revision']}, {part['rounds']} rounds, load {load[0]} before and {load[1]} after{', small sizes' if part['quick'] else ''}."
    yield ""
    yield "| what | goal | ganger | peer | ratio |  |"
    yield "|---|---|---|---|---|---|"
    for row in part["rows"]:
        unit = f" {row['unit']}" if row["unit"] else ""
        peer = f"{spread(row['theirs'])}{unit} · {row['peer']}" if row["theirs"] else ""
        ratio = f"{spread(row['ratios'])} ×" if row["ratios"] else ""
        yield f"| {row['what']} | {goals(row)} | {spread(row['ours']) + unit if row['ours'] else 'failed'} | {peer} | {ratio} | {verdict(row['met'])} |"


def verdict(met):
    return "" if met is None else "met" if met else "**missed**"


def goals(row):
    return " or ".join(goal_text(goal, row["unit"]) for goal in row["goals"])


def goal_text(goal, unit):
    sign, limit = ("≤", goal["at_most"]) if "at_most" in goal else ("≥", goal["at_least"])
    return f"{sign} {number(limit)} ×" if goal["of"] == "ratio" else f"{sign} {number(limit)} {unit}".rstrip()


def spread(values):
    middle = number(median(values))
    if len(values) == 1 or number(min(values)) == number(max(values)):
        return middle
    return f"{middle} ({number(min(values))}–{number(max(values))})"


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1 else f"{value:.2g}"


def put_into(readme, results):
    text = readme.read_text()
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{readme.name} has lost the marks of its table")
    readme.write_text(f"{before}{BEGIN}\n\n{render(results)}\n{END}{after}")
