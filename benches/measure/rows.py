"""One line of the table: our figures, a peer's, the ratios pair by pair, and whether the goal is met. The only place that judges."""

from .setting import median


def row(name, what, unit, ours, goals=(), peer=None, theirs=None, ours_is="ganger"):
    """`ours` and `theirs` are lists with one figure a round, taken in turn; a ratio is ours divided by theirs of the same round."""
    pairs = [a / b for a, b in zip(ours, theirs)] if theirs and all(theirs) else None
    made = {"name": name, "what": what, "unit": unit, "ours_is": ours_is, "ours": _rounded(ours), "peer": peer}
    made |= {"theirs": _rounded(theirs) if theirs else None, "ratios": _rounded(pairs) if pairs else None, "goals": list(goals)}
    return made | {"met": met(made)}


def at_most(of, limit):
    """A goal on the median: `of` is "ours" or "ratio". Several goals of one row are alternatives."""
    return {"of": of, "at_most": limit}


def at_least(of, limit):
    return {"of": of, "at_least": limit}


def met(made):
    """True, false, or nothing where there is no goal."""
    return any(_holds(made, goal) for goal in made["goals"]) if made["goals"] else None


def _holds(made, goal):
    values = made["ours"] if goal["of"] == "ours" else made["ratios"]
    if not values:
        return False
    value = median(values)
    return value <= goal["at_most"] if "at_most" in goal else value >= goal["at_least"]


def _rounded(values):
    return [float(f"{value:.5g}") for value in values]
