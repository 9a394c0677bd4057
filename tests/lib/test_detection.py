"""How well the votes find bad problems: every number by hand, and against scikit-learn."""

from dataclasses import replace
from random import Random

import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.lib.test_problems import NEVER, RIDES, answers, asked, signals
from tests.lib.test_verification import NO, PROBLEM, YES
from tests.source import ROOT
from workflow.lib.config import load_schema
from workflow.lib.detection import (
    AGREED,
    DISAGREEMENT,
    THRESHOLDS,
    auroc,
    average_precision,
    detection,
    label_detection,
)
from workflow.lib.problems import AGREEMENT, IN_WORDS
from workflow.lib.records import ProblemSignals

SHARES = {"p0": (2, 2), "p1": (3, 1), "p2": (3, 1), "p3": (4, 0), "p4": (4, 0)}  # yes and no
PLANTED = ("p0", "p1")


def found(kind: str = "ambiguous") -> list[ProblemSignals]:
    problems = {
        key: replace(PROBLEM, problem_id=key, planted=kind if key in PLANTED else "") for key in SHARES
    }
    rows = [row for key, (yes, no) in SHARES.items() for row in answers(key, *[YES] * yes, *[NO] * no)]
    return [replace(s, ambiguous=s.vote_share < 0.8) for s in signals(rows, problems)]


@pytest.mark.parametrize(
    ("bad", "sound", "area", "precision"),
    [
        pytest.param([2.0], [1.0], 1.0, 1.0, id="above"),
        pytest.param([1.0], [2.0], 0.0, 1 / 2, id="below: one of the two flagged"),
        pytest.param([1.0], [1.0], 1 / 2, 1 / 2, id="equal"),
        # flagged from the highest on: 3 (bad) 1/1, then 2 (both) 2/3
        pytest.param([3.0, 2.0], [2.0], 3 / 4, 1 / 2 * 1 + 1 / 2 * 2 / 3, id="one tie"),
        # 4 sound, 3 bad (1/2), 2 sound, 1 bad (2/4)
        pytest.param([3.0, 1.0], [4.0, 2.0], 1 / 4, 1 / 2 * 1 / 2 + 1 / 2 * 2 / 4, id="in turns"),
        pytest.param([5.0], [1.0] * 99, 1.0, 1.0, id="rare"),
    ],
)
def test_auroc_and_average_precision(
    bad: list[float], sound: list[float], area: float, precision: float
) -> None:
    assert auroc(bad, sound) == pytest.approx(area)
    assert average_precision(bad, sound) == pytest.approx(precision)


def test_both_equal_scikit_learns() -> None:
    rng = Random(1)
    for _ in range(20):
        bad = [rng.randint(2, 9) / 8 for _ in range(7)]
        sound = [rng.randint(0, 7) / 8 for _ in range(13)]
        truth, scores = [1] * 7 + [0] * 13, bad + sound
        assert auroc(bad, sound) == pytest.approx(roc_auc_score(truth, scores))
        assert average_precision(bad, sound) == pytest.approx(average_precision_score(truth, scores))


def test_detection_is_scored_against_what_was_planted() -> None:
    # 1 − vote share: planted 1/2 and 1/4; sound 1/4, 0 and 0. Of the 6 pairs planted × sound the planted
    # one is above in 5 and equal in 1: AUROC 5.5 / 6. Below 0.8 are p0, p1 and p2: two of them planted.
    # Flagging from the top: p0 (1 of 1), then p1 and p2 (2 of 3): ½ · 1 + ½ · 2/3.
    told = detection(found())
    assert told is not None
    thresholds, scores = told.pop("thresholds"), told.pop("scores")
    assert told == {
        "planted": 2,
        "sound": 3,
        "unanswered": 0,
        "flagged": 3,
        "auroc": pytest.approx(5.5 / 6),
        "average_precision": pytest.approx(5 / 6),
        "precision": pytest.approx(2 / 3),
        "recall": 1.0,
    }
    lines = {e["ambiguous_below"]: (e["flagged"], e["precision"], e["recall"]) for e in thresholds}
    assert list(lines) == list(THRESHOLDS)
    assert lines[0.5] == (0, None, 0.0)  # half is not below half
    assert lines[0.55] == lines[0.75] == (1, 1.0, 0.5)
    assert lines[0.8] == lines[1.0] == (3, pytest.approx(2 / 3), 1.0)
    # Entropy of two answers orders as their share does; nothing is paired, and there is one teacher.
    assert [(e["score"], e["auroc"]) for e in scores] == [
        ("vote_share", pytest.approx(5.5 / 6)),
        ("entropy", pytest.approx(5.5 / 6)),
        ("untold", 0.5),  # the question claims nothing, so no step answers it
    ]


def test_the_rule_may_cut_another_score() -> None:
    # Told: p0 in none of 2 samples, p1 in 1 of 2, p2 in both; p0 and p1 are planted. Every vote is unanimous.
    told, untold = "So Ann rides. The answer is yes.", "Ann hikes. The answer is yes."
    (rides,) = asked(RIDES).values()
    problems = {
        key: replace(rides, problem_id=key, planted="ambiguous" if key != "p2" else "")
        for key in ("p0", "p1", "p2")
    }
    texts = {"p0": [untold, untold], "p1": [told, untold], "p2": [told, told]}
    rows = signals([r for key, some in texts.items() for r in answers(key, *some)], problems)
    found = detection(rows, "untold")
    assert found is not None
    assert found["auroc"] == 1.0 and found["scores"][0]["score"] == "untold"
    assert [e["score"] for e in found["scores"]].count("untold") == 1
    (votes,) = (e for e in found["scores"] if e["score"] == "vote_share")
    assert (votes["auroc"], votes["auroc_of_untold"]) == (0.5, 1.0)
    flagged = {e["ambiguous_below"]: (e["flagged"], e["precision"]) for e in found["thresholds"]}
    assert flagged[0.5] == (1, 1.0) and flagged[0.55] == (2, 1.0) == flagged[1.0]


def test_the_measures_of_agreement_have_one_name_everywhere() -> None:
    named = load_schema(ROOT / "config/schemas/config.schema.yaml")["properties"]["rationales"]["properties"]
    assert list(AGREED) == list(AGREEMENT) == list(IN_WORDS) == named["ambiguous_by"]["enum"]
    assert set(AGREED) <= set(DISAGREEMENT)


def test_a_score_that_few_problems_have_is_compared_on_those() -> None:
    # g1 is planted and answered "no" twice, so its gaps are 1; g2 is answered as it should be. Every vote
    # is unanimous: the vote share tells nothing. p9 has no opposite and does not count there.
    ambiguous = {key: replace(p, planted="ambiguous") for key, p in asked(RIDES, NEVER).items()}
    sound = {
        f"q{key}": replace(p, problem_id=f"q{key}") for key, p in asked(RIDES, NEVER, group="g2").items()
    }
    problems = {**ambiguous, **sound, "p9": replace(PROBLEM, problem_id="p9", group_id="g9")}
    texts = {"p0": [NO], "p1": [NO], "qp0": [YES], "qp1": [NO], "p9": [YES, NO]}
    told = detection(signals([r for key, some in texts.items() for r in answers(key, *some)], problems))
    assert told is not None
    (gap,) = (line for line in told["scores"] if line["score"] == "pair_gap")
    assert gap == {
        "score": "pair_gap",
        "planted": 2,
        "sound": 2,
        "auroc": 1.0,
        "average_precision": 1.0,
        "auroc_of_vote_share": 0.5,
    }
    assert told["auroc"] == pytest.approx((4 * 0.5 + 0) / 6)  # p9 is above both of g1


def test_the_limits_flag_only_problems_with_gold() -> None:
    puzzle = {"choices": [], "answer": None, "verifier": "aiw", "instance": '{"answer": "1"}'}
    problems = {"p0": replace(PROBLEM, problem_id="p0", planted="ambiguous"), "p1": PROBLEM}
    problems["p2"] = replace(PROBLEM, problem_id="p2", **puzzle)
    several = ["The answer is 1.", "The answer is 2."]
    rows = [*answers("p0", YES, NO), *answers("p1", YES, YES), *answers("p2", *several)]
    told = detection(signals(rows, problems))
    assert told is not None
    assert [e["flagged"] for e in told["thresholds"] if e["ambiguous_below"] in (0.6, 1.0)] == [1, 1]


def test_two_teachers_that_differ_are_a_score() -> None:
    problems = {"p0": replace(PROBLEM, problem_id="p0", planted="ambiguous")} | {
        "p1": replace(PROBLEM, problem_id="p1")
    }
    rows = [
        row
        for teacher, texts in {"t": (YES, YES), "u": (NO, YES)}.items()
        for key, text in zip(("p0", "p1"), texts, strict=True)
        for row in answers(key, text, teacher=teacher)
    ]
    told = detection(signals(rows, problems))
    assert told is not None
    assert (told["scores"][-1]["score"], told["scores"][-1]["auroc"]) == ("teachers", 1.0)


def test_unanswered_problems_take_no_part_and_are_counted() -> None:
    problems = {key: replace(PROBLEM, problem_id=key) for key in ("p0", "p1", "p2")}
    problems["p0"] = replace(problems["p0"], planted="ambiguous")
    rows = [*answers("p0", YES, NO), *answers("p1", YES), *answers("p2", "Hm.")]
    told = detection(signals(rows, problems))
    assert told is not None
    assert (told["planted"], told["sound"], told["unanswered"], told["auroc"]) == (1, 1, 1, 1.0)


def test_detection_has_no_score_where_nothing_is_planted_or_flagged() -> None:
    assert detection(signals(answers("p1", YES), {"p1": PROBLEM})) is None
    assert label_detection(found("ambiguous")) is None
    problems = {"p1": PROBLEM, "p2": replace(PROBLEM, problem_id="p2", planted="ambiguous")}
    told = detection(signals([*answers("p1", YES), *answers("p2", YES)], problems))
    assert told is not None
    assert (told["precision"], told["recall"], told["auroc"]) == (None, 0.0, 0.5)


def test_wrong_labels_are_scored_by_the_votes_against_them() -> None:
    # Gold is "yes". Share against it: bad 1 and 1/4; sound 3/4, 1/4 and 0. Above in 4 of 6, equal in 1.
    # The vote of another majority: bad 1 and 0; sound 3/4, 0, 0: above in 3, equal in 2.
    shares = {"p0": (0, 4), "p1": (3, 1), "p2": (1, 3), "p3": (3, 1), "p4": (4, 0)}
    problems = {
        key: replace(PROBLEM, problem_id=key, planted="mislabelled" if key in PLANTED else "")
        for key in shares
    }
    rows = [row for key, (yes, no) in shares.items() for row in answers(key, *[YES] * yes, *[NO] * no)]
    told = label_detection(signals(rows, problems))
    assert told is not None
    assert (told["planted"], told["sound"]) == (2, 3)
    # From three of four on: p0 and p2, one of them bad.
    assert (told["flagged"], told["precision"], told["recall"]) == (2, 0.5, 0.5)
    assert [(e["score"], e["auroc"]) for e in told["scores"]] == [
        ("gold_share", pytest.approx(4.5 / 6)),
        ("vote_share", pytest.approx(4 / 6)),
    ]
