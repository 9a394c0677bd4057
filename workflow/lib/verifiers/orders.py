"""People in an order that keeps constraints: every such order is right."""

import json


def ordering(answer: str, instance: str) -> bool:
    """Return whether ``answer`` ("Ann, Bob, Cy") orders every name once and keeps every constraint.

    Args:
        answer: Names separated by commas or "then", first to last.
        instance: JSON ``{"names": [...], "before": [[earlier, later], ...]}``.
    """
    puzzle = json.loads(instance)
    order = [name.strip().casefold() for name in answer.replace(" then ", ",").split(",")]
    if sorted(order) != sorted(name.casefold() for name in puzzle["names"]):
        return False
    place = {name: i for i, name in enumerate(order)}
    return all(place[a.casefold()] < place[b.casefold()] for a, b in puzzle["before"])
