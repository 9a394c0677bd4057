"""All tables of the page by the names under which its template knows them."""

from collections.abc import Mapping, Sequence
from typing import Any

from workflow.lib.answer_tables import (
    calibration_tables,
    frontier_tables,
    length_tables,
    reward_tables,
    win_tables,
)
from workflow.lib.card_tables import (
    dataset_tables,
    detection_tables,
    label_tables,
    rationale_tables,
    teacher_tables,
)
from workflow.lib.figures import Row
from workflow.lib.run_tables import (
    check_tables,
    cost_tables,
    curve_tables,
    efficiency_tables,
    funnel_tables,
    request_tables,
    sweep_tables,
)
from workflow.lib.score_tables import (
    accuracy_tables,
    baseline_tables,
    category_delta_tables,
    category_tables,
    delta_tables,
    headline_tables,
    noise_tables,
    pair_tables,
    rank_tables,
    subset_tables,
    transfer_tables,
)
from workflow.lib.tables import Table


def all_tables(
    rows: Mapping[str, Sequence[Row]], cards: Sequence[dict[str, Any]], checks: Mapping[str, Any]
) -> dict[str, list[Table]]:
    """Return every table of the page by the name under which the template knows it."""
    return {
        "headline": headline_tables(rows["accuracy"], rows["deltas"], rows["baselines"], rows["noise"]),
        "accuracy": accuracy_tables(rows["accuracy"]),
        "deltas": delta_tables(rows["deltas"]),
        "transfer": transfer_tables(rows["deltas"]),
        "ranks": rank_tables(rows["ranks"]),
        "pairs": pair_tables(rows["pairs"]),
        "category_deltas": category_delta_tables(rows["category_deltas"]),
        "baselines": baseline_tables(rows["baselines"]),
        "noise": noise_tables(rows["noise"]),
        "frontier": frontier_tables(rows["frontier"]),
        "wins": win_tables(rows["wins"]),
        "calibration": calibration_tables(rows["calibration"]),
        "lengths": length_tables(rows["lengths"]),
        "efficiency": efficiency_tables(rows["efficiency"]),
        "subsets": subset_tables(rows["subsets"]),
        "categories": category_tables(rows["categories"]),
        "rewards": reward_tables(rows["rewards"]),
        "sweeps": sweep_tables(rows["sweeps"]),
        "curves": curve_tables(rows["curves"]),
        "costs": cost_tables(rows["costs"]),
        "requests": request_tables(rows["resources"]),
        "funnel": funnel_tables(rows["funnel"]),
        "teachers": teacher_tables(cards),
        "rationales": rationale_tables(cards),
        "detection": detection_tables(cards),
        "labels": label_tables(cards),
        "datasets": dataset_tables(cards),
        "checks": check_tables(checks),
    }
