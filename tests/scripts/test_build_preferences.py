"""From verified samples to the three files that methods learn from, and their card."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.lib.test_verification import NO, PROBLEM, YES, sample
from workflow.lib.answers import judge
from workflow.lib.errors import DataError
from workflow.lib.files import read_json
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Pair, Problem, Prompt, Rationale, SftRow, Verified, load, table
from workflow.lib.verification import verify
from workflow.scripts.build_preferences import main

SETTINGS = {
    "strategy": {"logic": "right_vs_wrong"},
    "ambiguous": "leave_out",
    "min_vote_margin": 0.0,
    "max_sft_per_problem": 2,
    "sft_length": "none",
    "max_pairs_per_problem": 2,
    "pair_choice": "random",
    "length_control": "none",
    "margin": "none",
    "seed": 5,
}
MIXED, EASY, HARD, SPLIT, HELD = (
    replace(PROBLEM, problem_id=key, question=f"Is it {key}?")
    for key in ("mixed", "easy", "hard", "split", "held")
)
TRAIN, DEV = [MIXED, EASY, HARD, SPLIT], [HELD]
TEXTS = {
    "mixed": ["A. " + YES, "B. " + YES, "C. " + YES, "D. " + NO],
    "easy": [YES, YES, YES, YES],
    "hard": [NO, "A. " + NO, "B. " + NO, "Hm."],
    "split": [YES, "A. " + YES, NO, "A. " + NO],
    "held": [YES, "A. " + YES, "B. " + YES, NO],
}


def samples(texts: dict[str, list[str]]) -> list[Rationale]:
    """Return the texts as samples; a teacher's prompt plays no part."""
    return [sample(text, key, i) for key, answers in texts.items() for i, text in enumerate(answers)]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    put(TRAIN, DEV, TEXTS)
    Path("student.j2").write_text("Student: {{ question }}")
    names = ("sft", "pairs", "prompts")
    return {
        "train": "train.parquet",
        "dev": "dev.parquet",
        "verified": "verified.parquet",
        "prompt": "student.j2",
        **{name: f"{name}.parquet" for name in names},
        "card": "card.json",
        "dataset": "logic",
        "settings": SETTINGS,
    }


def put(train: list[Problem], dev: list[Problem], texts: dict[str, list[str]]) -> None:
    write_parquet("train.parquet", table(train, Problem))
    write_parquet("dev.parquet", table(dev, Problem))
    rows = verify(samples(texts), {p.problem_id: p for p in [*train, *dev]}, 0.6)
    write_parquet("verified.parquet", table(rows, Verified))


def test_rows_come_from_problems_that_are_not_ambiguous(given: dict[str, Any]) -> None:
    main(**given)
    sft, pairs, prompts = (
        load("sft.parquet", SftRow),
        load("pairs.parquet", Pair),
        load("prompts.parquet", Prompt),
    )
    counts = {p.problem_id: sum(r.problem_id == p.problem_id for r in sft) for p in [*TRAIN, *DEV]}
    assert counts == {"mixed": 2, "easy": 1, "hard": 0, "split": 0, "held": 2}
    counts = {p.problem_id: sum(r.problem_id == p.problem_id for r in pairs) for p in [*TRAIN, *DEV]}
    assert counts == {"mixed": 2, "easy": 0, "hard": 0, "split": 0, "held": 2}
    assert [(r.problem_id, r.split) for r in prompts] == [
        ("easy", "train"),
        ("hard", "train"),
        ("mixed", "train"),
        ("held", "dev"),
    ]
    assert {r.prompt for r in [*sft, *pairs] if r.problem_id == "mixed"} == {"Student: Is it mixed?"}


def test_every_chosen_text_is_right_and_every_rejected_wrong(given: dict[str, Any]) -> None:
    main(**given)
    checks = {p.row_id: p for p in load("prompts.parquet", Prompt)}
    for row in load("pairs.parquet", Pair):
        asked = checks[f"{row.problem_id}/prompt/0"]
        right = [
            judge(
                text,
                choices=asked.choices,
                answer=asked.answer,
                verifier=asked.verifier,
                instance=asked.instance,
            ).right
            for text in (row.chosen, row.rejected)
        ]
        assert right == [True, False]


def test_the_card_counts_rows_in_and_out(given: dict[str, Any]) -> None:
    main(**given)
    card = read_json("card.json")
    assert (card["dataset"], card["stage"]) == ("logic", "preferences")
    assert [(s["step"], s["rows_in"], s["rows_out"]) for s in card["funnel"]] == [
        ("prompts", 5, 4),
        ("problems with a good completion", 4, 3),
        ("distinct good completions", 3 + 4 + 3, 3 + 1 + 3),
        ("sft", 7, 2 + 1 + 2),
        ("problems with a pair", 4, 2),
        ("pairs", 3 * 1 + 3 * 1, 2 + 2),
    ]
    assert card["rows_per_split"] == {
        "sft": {"train": 3, "dev": 2},
        "pairs": {"train": 2, "dev": 2},
        "prompts": {"train": 3, "dev": 1},
    }
    assert card["lengths"]["chosen"]["texts"] == card["lengths"]["rejected"]["texts"] == 4
    # twice "D. It is not. The answer is no." and twice the same without "D."
    assert card["lengths"]["rejected"]["mean_words"] == (8 + 8 + 7 + 7) / 4


def test_the_same_samples_give_the_same_bytes(given: dict[str, Any]) -> None:
    names = ("sft.parquet", "pairs.parquet", "prompts.parquet", "card.json")
    main(**given)
    first = [Path(name).read_bytes() for name in names]
    main(**given)
    assert [Path(name).read_bytes() for name in names] == first


def test_gold_choices_need_no_right_sample(given: dict[str, Any]) -> None:
    goal = replace(HARD, choices=["Use a sieve.", "Use a spoon."], answer="Use a spoon.")
    put([goal], [], {"hard": ["Hm.", "Hm."]})
    main(**{**given, "settings": {**SETTINGS, "strategy": {"logic": "gold_vs_wrong"}}})
    assert [r.completion for r in load("sft.parquet", SftRow)] == ["Use a spoon."]
    assert [(r.chosen, r.rejected) for r in load("pairs.parquet", Pair)] == [("Use a spoon.", "Use a sieve.")]


def rows_with(given: dict[str, Any], **settings: Any) -> list[Pair]:
    """Return the pairs of a run with some settings changed."""
    main(**{**given, "settings": {**SETTINGS, **settings}})
    return load("pairs.parquet", Pair)


def test_votes_ask_for_no_gold(given: dict[str, Any]) -> None:
    hard = replace(HARD, answer=None)
    put([MIXED, EASY, hard, SPLIT], DEV, TEXTS)
    pairs = rows_with(given, strategy={"logic": "votes"}, max_pairs_per_problem=99)
    # hard: three times no, nobody else voted, so there is nothing to reject; split: two against two
    assert {p.problem_id for p in pairs} == {"mixed", "held"}
    assert {(p.chosen.endswith(YES), p.rejected.endswith(NO)) for p in pairs} == {(True, True)}
    sft = load("sft.parquet", SftRow)
    assert {r.problem_id for r in sft} == {"mixed", "easy", "hard", "held"}
    steps = {s["step"]: s for s in read_json("card.json")["funnel"]}
    assert (
        steps["problems with a good completion"]["reason"] == "no answer leads by more than min_vote_margin"
    )


def test_a_lead_has_to_be_above_min_vote_margin(given: dict[str, Any]) -> None:
    put([MIXED, EASY], DEV, {key: TEXTS[key] for key in ("mixed", "easy", "held")})
    votes = {"strategy": {"logic": "votes"}, "max_pairs_per_problem": 99}
    assert len(rows_with(given, **votes, min_vote_margin=0.49)) == 6  # leads of 3/4 - 1/4
    with pytest.raises(DataError, match="no train problem has both"):
        rows_with(given, **votes, min_vote_margin=0.5)


def test_ambiguous_problems_can_be_kept(given: dict[str, Any]) -> None:
    kept = rows_with(given, ambiguous="keep")
    assert {p.problem_id for p in kept} == {"mixed", "split", "held"}
    assert read_json("card.json")["left_out"] == {"ambiguous": []}
    assert {p.problem_id for p in rows_with(given)} == {"mixed", "held"}
    assert read_json("card.json")["left_out"] == {"ambiguous": ["split"]}


def test_margins_are_written(given: dict[str, Any]) -> None:
    assert {p.margin for p in rows_with(given)} == {None}
    # mixed and held: three of four say yes; every sample is of -1 nat over 9 tokens
    assert {p.margin for p in rows_with(given, margin="votes")} == {0.75 - 0.25}
    assert {p.margin for p in rows_with(given, margin="logprob")} == {0.0}


def test_pairs_and_completions_are_chosen_by_name(given: dict[str, Any]) -> None:
    short, long = "B. " + YES, "C. Surely. " + YES
    put([MIXED], DEV, {"mixed": [YES, short, long, "Hm. " + NO], "held": TEXTS["held"]})
    # words: good 7, 8, 9; bad 8
    one = {"max_pairs_per_problem": 1, "max_sft_per_problem": 1}
    (pair,) = (p for p in rows_with(given, **one, pair_choice="nearest_length") if p.split == "train")
    assert (pair.chosen, pair.rejected) == (short, "Hm. " + NO)
    for rule, expected in (("shortest", YES), ("balanced", short)):
        rows_with(given, **one, sft_length=rule)
        assert load("sft.parquet", SftRow)[0].completion == expected


def test_the_control_of_lengths_is_told(given: dict[str, Any]) -> None:
    many = {f"p{i}": [YES, "So it is indeed. " + YES, NO, "Hm, and so on. " + NO] for i in range(8)}
    put([replace(MIXED, problem_id=key) for key in many], DEV, {**many, "held": TEXTS["held"]})
    as_drawn = {"ambiguous": "keep", "max_pairs_per_problem": 1}
    rows_with(given, **as_drawn)
    plain = read_json("card.json")
    assert plain["length_bias"]["before"] == plain["length_bias"]["after"]
    assert plain["exchanged_for_length"] == 0
    pairs = rows_with(given, **as_drawn, length_control="match_means")
    card = read_json("card.json")
    assert card["length_bias"]["before"] == plain["length_bias"]["after"]
    train = [p for p in pairs if p.split == "train"]
    # YES and NO have 7 words, the longer ones 11: gaps 0, 0, 4 and -4 can always come to 0
    assert sum(len(p.chosen.split()) - len(p.rejected.split()) for p in train) == 0
    assert len(train) == 8 and card["exchanged_for_length"] > 0


def test_pairs_that_most_answers_speak_against_are_counted(given: dict[str, Any]) -> None:
    put([MIXED], DEV, {"mixed": [YES, NO, "2. " + NO], "held": TEXTS["held"]})
    assert len(rows_with(given, max_pairs_per_problem=99)) == 2 + 3
    # the two of mixed; the three of held have the vote on their side
    assert read_json("card.json")["pairs_against_the_vote"] == 2


def test_a_problem_without_samples_is_only_a_prompt(given: dict[str, Any]) -> None:
    put([MIXED, EASY], DEV, {key: TEXTS[key] for key in ("mixed", "held")})
    rows_with(given)
    assert [r.problem_id for r in load("prompts.parquet", Prompt)] == ["easy", "mixed", "held"]
    steps = {s["step"]: (s["rows_in"], s["rows_out"]) for s in read_json("card.json")["funnel"]}
    assert steps["problems with a good completion"] == (3, 2)


def test_no_right_sample_is_an_error_that_tells_what_to_do(given: dict[str, Any]) -> None:
    put([HARD], DEV, {"hard": [NO, "Hm."], "held": TEXTS["held"]})
    with pytest.raises(
        DataError, match=r"'logic': no verified completion for any train problem. Fix: .*gold_vs_wrong"
    ):
        main(**given)
    assert not Path("sft.parquet").exists()


def test_only_right_samples_leave_no_pair(given: dict[str, Any]) -> None:
    put([EASY], DEV, {"easy": TEXTS["easy"], "held": TEXTS["held"]})
    with pytest.raises(DataError, match=r"no train problem has both.*Fix: raise the samples"):
        main(**given)


def test_an_unknown_setting_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="max_pair"):
        main(**{**given, "settings": {**SETTINGS, "max_pair": 3}})
