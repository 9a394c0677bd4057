"""Names, starts and seeds of rounds, written out by hand."""

import hashlib

import pytest

from workflow.lib.rounds import Round, methods_of, round_seed, round_teacher, rounds_of

SAMPLED = {"samples": 4, "temperature": 0.8, "top_p": 0.9, "max_tokens": 64, "seed": 3, "max_yield_drop": 0.1}
STUDY = {
    "methods": {
        "sft": {"learns_from": "sft", "start_from": "base"},
        "dpo": {"learns_from": "pairs", "start_from": "sft", "beta": 0.1},
        "orpo": {"learns_from": "pairs", "start_from": "base"},
    },
    "rounds": {"dpo": {"count": 3, "start_from": "previous", **SAMPLED}},
}


def test_each_round_samples_from_the_one_before() -> None:
    assert rounds_of(STUDY) == {"dpo-round-2": Round("dpo", 2), "dpo-round-3": Round("dpo", 3)}
    assert [one.before for one in rounds_of(STUDY).values()] == ["dpo", "dpo-round-2"]


def test_a_round_is_a_method_that_stands_behind_its_own() -> None:
    methods = methods_of(STUDY)
    assert list(methods) == ["sft", "dpo", "dpo-round-2", "dpo-round-3", "orpo"]
    assert methods["dpo"] == STUDY["methods"]["dpo"]
    assert methods["dpo-round-3"] == {"learns_from": "pairs", "start_from": "dpo-round-2", "beta": 0.1}


@pytest.mark.parametrize(
    ("start", "expected"), [("previous", ["dpo", "dpo-round-2"]), ("own", ["sft", "sft"])]
)
def test_training_starts_from_the_round_before_or_where_the_method_did(
    start: str, expected: list[str]
) -> None:
    study = {**STUDY, "rounds": {"dpo": {**STUDY["rounds"]["dpo"], "start_from": start}}}
    assert [methods_of(study)[f"dpo-round-{n}"]["start_from"] for n in (2, 3)] == expected


def test_without_rounds_the_methods_are_those_of_the_config() -> None:
    assert methods_of({**STUDY, "rounds": {}}) == STUDY["methods"]
    assert rounds_of({**STUDY, "rounds": {}}) == {}


def test_a_seed_is_the_digest_of_the_three_numbers_and_all_differ() -> None:
    digest = hashlib.sha256(b"[3, 1, 2]").hexdigest()
    assert round_seed(3, 1, 2) == int(digest[:7], 16)
    drawn = {round_seed(seed, study, number) for seed in (3, 4) for study in (1, 2) for number in (2, 3)}
    assert len(drawn) == 8 and max(drawn) < 2**28


def test_the_student_is_sampled_as_the_config_says() -> None:
    teacher = round_teacher(STUDY, "tiny", Round("dpo", 2), 1)
    assert teacher == {
        **{"kind": "adapter", "model": "tiny", "samples": 4, "temperature": 0.8, "top_p": 0.9},
        **{"max_tokens": 64, "seed": round_seed(3, 1, 2)},
    }
