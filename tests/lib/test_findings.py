"""Sentences chosen from numbers by rules."""

from tests.report_inputs import delta, needed, score, tables
from workflow.lib.findings import answer, judged, requests, summaries


def test_the_answer_is_the_primary_comparison_with_both_scores() -> None:
    # 0.72 - 0.55 = 0.17, interval 0.17 ± 0.05
    text = answer([score("base"), score("dpo")], [delta("sft"), delta("dpo", primary="true")])
    assert text.startswith(
        "DPO is better than Base on logicbench: 72.0\u202f% of the answers are right against 55.0"
    )
    assert (
        "+17.0 percentage points (95% cluster bootstrap [12.0, 22.0], Holm-corrected p\u00a0<\u202f0.001"
        in text
    )
    assert "n\u00a0=\u00a0400 answers in 200 groups; counting in other trainings [7.0, 27.0]" in text
    one_seed = answer([], [delta("dpo", primary="true", seeds_low="", seeds_high="")])
    assert "other trainings" not in one_seed


def test_no_difference_is_said_with_what_could_have_been_found() -> None:
    row = delta("dpo", primary="true", delta="0.004", low="-0.02", high="0.03", p_holm="0.7")
    text = answer([], [row])
    assert text.startswith(
        "No difference that this study could detect between DPO and Base on logicbench: +0.4"
    )
    assert "[−2.0, 3.0]" in text
    assert "p\u00a0=\u00a00.700" in text
    assert text.endswith("A true difference of 4.1 points would be found four times in five.")
    assert "better" not in text


def test_a_worse_method_is_called_worse() -> None:
    row = delta("dpo", primary="true", delta="-0.1", low="-0.15", high="-0.05")
    assert answer([], [row]).startswith("DPO is worse than Base on logicbench: a difference of −10.0 ")


def test_a_study_without_its_primary_comparison_says_so() -> None:
    assert "has not been run" in answer([score("base")], [delta("dpo")])


def test_every_point_of_the_summary() -> None:
    (summary,) = summaries(tables())
    assert summary.place == "logic · tiny"
    assert summary.points == [
        "Against Base on logicbench, better by points of accuracy: SFT (+9.0) and DPO (+17.0).",
        "Against SFT on logicbench, no difference that this study could detect: DPO (+8.0).",
        "Highest accuracy on logicbench: DPO, 72.0\u202f% (95% cluster bootstrap [67.0, 77.0], "
        "n\u00a0=\u00a0400 answers in 200 groups). The highest of several estimates is on average too high.",
        "Groups on logicbench that this study cannot tell apart, best first: DPO and SFT; Base.",
        "Answers on logicbench that score above the base's by reward: "
        "DPO 75.0\u202f% [70.0, 80.0], 2.50\u00a0nats from the base "
        "(n\u00a0=\u00a0400 answers in 200 groups each).",
        "Answers on logicbench that the judge tiny finds better than the base's: "
        "DPO 73.1\u202f% [60.0, 85.0] (n\u00a0=\u00a040 pairs in 20 groups each; half would be no "
        "difference). Of a right and a wrong answer it names the right one: "
        "DPO 75.0\u202f% [50.0, 95.0] of 16 pairs.",
        "The reward model ranks 86.0\u202f% of the held-out pairs of logicbench right (95% cluster bootstrap "
        "[82.0, 90.0], n\u00a0=\u00a0300 pairs in 100 groups).",
        "One training run took from 23\u202fs (SFT) to 1\u202fmin 20\u202fs (DPO); 2 runs in all.",
        "Each method was trained with 2 seeds: the intervals tell of other problems, and hardly of how far "
        "another training would differ.",
        "Only the comparison at the top was named in advance; all others are exploratory.",
    ]


def test_a_study_with_nothing_scored_has_no_summary() -> None:
    assert summaries({name: [] for name in tables()}) == []


def test_each_dataset_and_model_has_its_own_summary() -> None:
    rows = tables()
    other = {name: [row | {"model": "other"} for row in some] for name, some in rows.items()}
    both = {name: rows[name] + other[name] for name in rows}
    assert [s.place for s in summaries(both)] == ["logic · tiny", "logic · other"]
    assert summaries(both)[0] == summaries(rows)[0]


def test_what_to_ask_for_is_told_or_why_there_is_nothing_to_tell() -> None:
    said = "train asked for 64 GB: <b>2 GB</b> would do."
    lost = "1 job left no measurement: the benchmark file is missing."
    assert requests(tables()["resources"]) == [said, lost]
    assert requests([needed("train", "3")]) == [
        "No rule with enough jobs to tell asked for much more or less than it took."
    ]
    assert requests([needed("train", "3", mem_mb="", advice_time=said)]) == [said]
    assert requests([needed("train", "3", mem_mb="", runtime_min="")]) == [
        "No job asked for memory or time, so there is nothing to compare."
    ]
    assert requests([]) == []


def test_judges_and_tasks_are_told_apart_and_what_was_not_asked_is_not_told() -> None:
    (row, _) = tables()["wins"]
    other = row | {"judge": "large", "agreement": "", "exact": "0"}
    told = judged([row, row | {"method": "sft", "n": "38"}, other, row | {"win": ""}])
    assert len(told) == 2
    assert "DPO 73.1\u202f% [60.0, 85.0] and SFT 73.1\u202f% [60.0, 85.0] (n" in told[0]
    assert "40 pairs in 20 groups and n\u00a0=\u00a038 pairs in 20 groups each" in told[0]
    assert "right one: DPO 75.0\u202f% [50.0, 95.0] of 16 pairs and SFT 75.0" in told[0]
    assert told[1].endswith("half would be no difference).")
    assert judged([]) == []
