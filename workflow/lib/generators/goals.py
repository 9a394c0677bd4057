"""Everyday goals with a right and a wrong tool, in the files of PIQA's authors (rows and labels apart)."""

from itertools import product
from pathlib import Path
from random import Random

from workflow.lib.errors import DataError
from workflow.lib.files import write_jsonl, write_text
from workflow.lib.generators.spaces import for_datasets

TOOLS = {
    **{"stir the soup": "spoon", "drive in the nail": "hammer", "paint the fence": "brush"},
    **{"dry the dishes": "towel", "slice the bread": "knife", "wash the car": "sponge"},
    **{"sew the shirt": "needle", "reach the shelf": "ladder", "carry the water": "bucket"},
    **{"tie up the boat": "rope", "cut the paper": "scissors", "dig the hole": "shovel"},
    **{"sweep the floor": "broom", "open the door": "key", "light the room": "lamp"},
    **{"fell the tree": "axe", "rake the leaves": "rake", "boil the eggs": "pot"},
    **{"measure the desk": "ruler", "catch the fish": "net", "comb the dog": "comb"},
    **{"fry the onions": "pan", "turn the screw": "screwdriver", "pump up the tyre": "pump"},
}
PLACES = ("at home", "at work", "in the garden", "by the lake", "in the yard", "at school")
TIMES = ("in the morning", "at noon", "at night", "in winter", "on a rainy day", "on Sunday")
MANNERS = ("", "quickly ", "carefully ", "slowly ")


def goal_texts() -> dict[str, str]:
    """Return every goal with the task in it."""
    return {
        f"How do you {manner}{task} {place} {time}?": task
        for task, manner, place, time in product(TOOLS, MANNERS, PLACES, TIMES)
    }


def solution(tool: str) -> str:
    """Return the answer that names ``tool``."""
    return f"Take the {tool} and use it."


def write(folder: Path, seed: int, size: int, ambiguous: float) -> None:
    """Write ``size`` goals; for a share ``ambiguous`` of them both tools are wrong, the label arbitrary."""
    rng = Random(seed)
    goals = {goal: task for goal, task in goal_texts().items() if for_datasets(goal)}
    if size > len(goals):
        raise DataError(f"goals: size: expected at most {len(goals)}, found {size}. Fix: ask for fewer.")
    chosen = rng.sample(sorted(goals), size)
    planted = set(rng.sample(chosen, round(ambiguous * size)))
    labels = rng.sample([i % 2 for i in range(size)], size)
    rows = []
    for goal, label in zip(chosen, labels, strict=True):
        right = TOOLS[goals[goal]]
        wrong = rng.sample([tool for tool in TOOLS.values() if tool != right], 2)
        pair = wrong if goal in planted else [right, wrong[0]]
        sol1, sol2 = pair if label == 0 else pair[::-1]
        rows.append({"goal": goal, "sol1": solution(sol1), "sol2": solution(sol2)})
    write_jsonl(folder / "valid.jsonl", rows)
    write_text(folder / "valid-labels.lst", "".join(f"{label}\n" for label in labels))
    marks = [{"context": "", "question": g, "planted": "ambiguous"} for g in chosen if g in planted]
    write_jsonl(folder / "planted.jsonl", marks)
