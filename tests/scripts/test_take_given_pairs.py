"""Pairs that a dataset brings along become the three files, without any teacher."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.lib.test_given import PAIR
from tests.scripts.test_build_preferences import SETTINGS
from workflow.lib.errors import DataError
from workflow.lib.files import read_json
from workflow.lib.parquet import write_parquet
from workflow.lib.records import GivenPair, Pair, Prompt, SftRow, load, table
from workflow.scripts.take_given_pairs import main

TRAIN = [
    PAIR,
    replace(PAIR, problem_id="r2", rejected="Worse."),
    replace(PAIR, problem_id="r3", rejected="Worst of all."),
    replace(PAIR, problem_id="r4", group_id="q2", question="Why?", chosen="So.", rejected="So. "),
    replace(PAIR, problem_id="r5", group_id="q3", question="When?", chosen="Now.", rejected="Never."),
    replace(PAIR, problem_id="r6", group_id="q3", question="When?", chosen="Never.", rejected="Now."),
]
DEV = [replace(PAIR, problem_id="r7", group_id="q4", question="Where?")]
SOUND = {**SETTINGS, "strategy": {"so": "given"}, "max_pairs_per_problem": 2}


def given(folder: Path, train: list[GivenPair], **settings: Any) -> dict[str, Any]:
    """Return the arguments of ``main`` for these pairs."""
    write_parquet(folder / "train.parquet", table(train, GivenPair))
    write_parquet(folder / "dev.parquet", table(DEV, GivenPair))
    (folder / "student.j2").write_text("Student: {{ question }}{{ context }}")
    files = ("train", "dev", "sft", "pairs", "prompts")
    return {
        **{name: str(folder / f"{name}.parquet") for name in files},
        "prompt": str(folder / "student.j2"),
        "card": str(folder / "card.json"),
        "dataset": "so",
        "settings": {**SOUND, **settings},
    }


def test_pairs_are_taken_as_they_are(tmp_path: Path) -> None:
    main(**given(tmp_path, TRAIN))
    pairs = load(tmp_path / "pairs.parquet", Pair)
    assert len(pairs) == 2 + 1
    assert {(p.prompt, p.chosen) for p in pairs} == {
        ("Student: How?", "Good."),
        ("Student: Where?", "Good."),
    }
    assert {p.rejected for p in pairs} <= {"Bad.", "Worse.", "Worst of all."}
    assert [(p.split, p.margin) for p in pairs] == [("train", None)] * 2 + [("dev", None)]
    assert [(r.prompt, r.completion) for r in load(tmp_path / "sft.parquet", SftRow)] == [
        ("Student: How?", "Good."),
        ("Student: Where?", "Good."),
    ]
    assert [r.problem_id for r in load(tmp_path / "prompts.parquet", Prompt)] == ["r1", "r7"]


def test_the_card_counts_and_names_what_was_left_out(tmp_path: Path) -> None:
    main(**given(tmp_path, TRAIN))
    card = read_json(tmp_path / "card.json")
    assert [(s["rows_in"], s["rows_out"], s["reason"]) for s in card["funnel"]] == [
        (7, 7, "a side is empty"),
        (7, 6, "both sides are the same text"),
        (6, 4, "the same two answers stand in both orders"),
        (4, 2, "same text as another one of the problem, or as a bad one"),
        (2, 2, "over max_sft_per_problem"),
        (4, 3, "over max_pairs_per_problem"),
    ]
    assert card["left_out"] == {
        "a side is empty": [],
        "both sides are the same text": ["r4"],
        "the same two answers stand in both orders": ["r5", "r6"],
    }
    assert card["rows_per_split"]["pairs"] == {"train": 2, "dev": 1}
    assert (card["pairs_without_vote"], card["negatives_without_logprob"]) == (3, 3)


def test_lengths_are_controlled_within_a_question(tmp_path: Path) -> None:
    # one pair of each question: one word against one, or two against one
    many = [replace(PAIR, problem_id=f"s{i}", group_id=f"g{i}", question=f"Q{i}?") for i in range(12)]
    long = [replace(p, problem_id=p.problem_id + "b", chosen="Two words.") for p in many]
    settings = {"max_pairs_per_problem": 1, "length_control": "match_means"}
    main(**given(tmp_path, [*many, *long], **settings))
    card = read_json(tmp_path / "card.json")
    after = card["length_bias"]["after"]
    assert after["mean_words_chosen"] == after["mean_words_rejected"] == 1.0
    before = card["length_bias"]["before"]["mean_words_chosen"]
    # every question that drew "Two words." exchanged it; with the pair of dev there are 13
    assert card["exchanged_for_length"] == round((before - 1) * 13) > 0


def test_nothing_left_in_train_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'so': no pair in train teaches which answer is better"):
        main(**given(tmp_path, TRAIN[3:]))
    assert not (tmp_path / "pairs.parquet").exists()


def test_the_same_pairs_give_the_same_bytes(tmp_path: Path) -> None:
    names = ("sft.parquet", "pairs.parquet", "prompts.parquet", "card.json")
    main(**given(tmp_path, TRAIN))
    first = [(tmp_path / name).read_bytes() for name in names]
    main(**given(tmp_path, TRAIN))
    assert [(tmp_path / name).read_bytes() for name in names] == first
