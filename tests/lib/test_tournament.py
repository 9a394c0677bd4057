"""What each arm reached, which arms are tied with the best one, and whom each rule chooses, by hand."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.lib.test_examples import problem
from workflow.lib.errors import IntegrityError
from workflow.lib.records import Rationale
from workflow.lib.statistics import Settings
from workflow.lib.tournament import IN_WORDS, RULES, Entry, Price, arms_of, entries_of

SETTINGS = Settings(resamples=2000, confidence=0.95, seed=3, examples=0)
PROBLEMS = {key: problem(key) for key in "abcdefgh"}  # gold is yes, each of its own group
STEPS = "Ann ran. So she was fast.\nThe answer is yes."
YES, NO = "The answer is yes.", "The answer is no."


def row(text: str, key: str = "a", index: int = 0, prompt: str = "cot", tokens: int = 10) -> Rationale:
    return Rationale(
        rationale_id=f"{key}/t/{prompt}/{index}",
        problem_id=key,
        split="dev",
        teacher="t",
        prompt=prompt,
        index=index,
        seed=index,
        text=text,
        logprob=-1.0,
        tokens=tokens,
        prompt_tokens=100,
        finish_reason="stop",
    )


def arm(prompt: str, right: str, tokens: int = 10, wrong: str = NO) -> list[Rationale]:
    """Return one sample for each of eight problems, right for those whose keys are in ``right``."""
    return [row(YES if key in right else wrong, key, prompt=prompt, tokens=tokens) for key in PROBLEMS]


def entries(*arms: Sequence[Rationale], price: Price | None = None) -> dict[str, Entry]:
    prices = {"t": price} if price else {}
    table = entries_of([r for rows in arms for r in rows], PROBLEMS, prices, SETTINGS)
    assert list(table) == ["t"]
    return {entry.arm.prompt: entry for entry in table["t"]}


def winner(rule: str, found: dict[str, Entry]) -> str:
    return RULES[rule](list(found.values())).prompt


def test_an_arm_is_counted() -> None:
    rows = [
        row(STEPS, tokens=30),  # right; 2 steps, 10 words
        row(NO, index=1, tokens=10),  # wrong; 0 steps, 4 words
        row("no no no no no no", index=2, tokens=6),  # unparsed; 1 step, 6 words, 3 4-grams of which 2 repeat
        replace(row(YES, index=3, tokens=40), finish_reason="length"),  # truncated; 0 steps, 4 words
    ]
    ((found, judged),) = arms_of(rows, PROBLEMS, {"t": Price(input=2.0, output=10.0)}).items()
    assert [verdict for _, verdict in judged] == ["right", "wrong", "unparsed", "truncated"]
    assert (found.problems, found.samples, found.right, found.unparsed, found.truncated) == (1, 4, 1, 1, 1)
    assert (found.tokens, found.prompt_tokens) == (86, 400)
    assert found.usd == pytest.approx((400 * 2 + 86 * 10) / 1e6)
    assert (found.mean_steps, found.mean_words) == (3 / 4, 24 / 4)
    assert found.mean_repetition == pytest.approx(2 / 3 / 4)
    told = found.row()
    assert (told["tokens_per_right"], told["unparsed_rate"], told["truncated_rate"]) == (86, 0.25, 0.25)
    assert told["usd_per_right"] == found.usd


def test_without_a_price_or_a_right_answer_there_is_no_cost() -> None:
    (free,), (useless,) = arms_of(arm("cot", "a"), PROBLEMS, {}), arms_of(arm("cot", ""), PROBLEMS, {})
    assert free.usd is None and free.row()["usd_per_right"] is None
    assert free.row()["tokens_per_right"] == 80 and useless.row()["tokens_per_right"] is None
    (dear,) = arms_of(arm("cot", ""), PROBLEMS, {"t": Price(1.0, 1.0)})
    assert dear.usd and dear.row()["usd_per_right"] is None


def test_accuracy_is_among_the_answers_that_could_be_read() -> None:
    (found,) = entries([*arm("cot", "abcdef", wrong="Hm.")[:7], row(NO, "h")]).values()
    # six right, one wrong, one unread: 6 / 7 of the read, 6 / 8 of all
    assert (found.accuracy.value, found.accuracy.n, found.yields.value) == (pytest.approx(6 / 7), 7, 0.75)
    told = found.row()
    assert told["accuracy_low"] < 6 / 7 <= told["accuracy_high"] and told["yield_low"] < told["yield"] == 0.75
    (unread,) = entries(arm("cot", "", wrong="Hm.")).values()
    assert unread.row()["accuracy"] is None


def test_a_bad_prompt_loses_and_is_not_tied() -> None:
    found = entries(arm("bad", "", tokens=1), arm("good", "abcdefgh", tokens=500))
    # All eight groups differ by -1: at 95 % at most u = 1 - 0.025 ** (1 / 8) = 0.369 of all groups do not,
    # and those differ by +1 at worst: -1 + 2 u = -0.261, below zero.
    assert found["bad"].difference.value == -1
    assert found["bad"].difference.high == pytest.approx(-1 + 2 * (1 - 0.025 ** (1 / 8)))
    assert not found["bad"].tied and found["good"].tied and found["good"].difference.value == 0
    assert {winner(rule, found) for rule in RULES} == {"good"}


def test_the_cheapest_of_the_tied_wins_and_a_cheaper_but_worse_one_does_not() -> None:
    found = entries(
        arm("bad", "h", tokens=1),  # 8 tokens per right answer, but 1 of 8
        arm("best", "abcdefgh", tokens=50),  # 50
        arm("tied", "abcdefg", tokens=20),  # 160 / 7 = 23; without the group h in (7/8)^8 = 34 % of the draws
    )
    assert {name: entry.tied for name, entry in found.items()} == {"bad": False, "best": True, "tied": True}
    assert found["tied"].difference.value == -1 / 8 and found["tied"].difference.high == 0
    assert winner("best_yield", found) == "best"
    assert winner("cheapest_in_tie_group", found) == "tied"


def test_where_there_is_a_price_dollars_decide_and_not_sampled_tokens() -> None:
    long = [replace(r, prompt_tokens=900) for r in arm("few", "abcdefgh", tokens=10)]
    plain = arm("cot", "abcdefgh", tokens=40)
    # dollars per million: 900 + 10 · 4 = 940 for each sample of few, 100 + 40 · 4 = 260 of cot
    assert winner("cheapest_in_tie_group", entries(long, plain)) == "few"
    assert winner("cheapest_in_tie_group", entries(long, plain, price=Price(1.0, 4.0))) == "cot"


@pytest.mark.parametrize(
    ("arms", "best"),
    [
        pytest.param([arm("cot", "abc"), arm("direct", "abcd")], "direct", id="more right"),
        pytest.param([arm("cot", "abc", 20), arm("direct", "abc", 10)], "direct", id="tie: fewer tokens"),
        pytest.param([arm("b", "abc"), arm("a", "abc")], "a", id="tie: by name"),
        pytest.param([arm("cot", ""), arm("direct", "a", 9000)], "direct", id="one right beats none"),
        pytest.param([arm("b", ""), arm("a", "")], "a", id="none right"),
    ],
)
def test_the_best_yield_wins(arms: list[list[Rationale]], best: str) -> None:
    assert winner("best_yield", entries(*arms)) == best


def test_arms_are_paired_by_problem() -> None:
    # Forty problems from never right to always right; the second prompt gets one sample of ten less on each.
    # The intervals of the yields overlap, but the difference is -0.1 in every group:
    # its upper limit is -0.1 + u · 1.1 with u = 1 - 0.025 ** (1 / 40) = 0.088, so -0.003.
    problems = {f"p{i}": problem(f"p{i}") for i in range(40)}
    rows = [
        row(YES if j < 1 + i % 10 - less else NO, f"p{i}", j, prompt)
        for prompt, less in (("better", 0), ("worse", 1))
        for i in range(40)
        for j in range(10)
    ]
    better, worse = entries_of(rows, problems, {}, SETTINGS)["t"]
    assert better.yields.low is not None and worse.yields.high is not None
    assert better.yields.low < worse.yields.high
    assert worse.difference.value == pytest.approx(-0.1)
    assert worse.difference.high == pytest.approx(-0.1 + 1.1 * (1 - 0.025 ** (1 / 40)))
    assert not worse.tied


def test_answers_of_one_group_are_one_witness() -> None:
    together = {key: replace(p, group_id="g") for key, p in PROBLEMS.items()}
    rows = [*arm("good", "abcdefgh"), *arm("bad", "")]
    bad, good = entries_of(rows, together, {}, SETTINGS)["t"]
    assert bad.difference.interval == "n/a (1 group)" and bad.row()["difference_high"] is None
    assert bad.tied and RULES["best_yield"]([bad, good]).prompt == "good"


def test_each_teacher_has_its_own_best_arm() -> None:
    other = [replace(r, teacher="u") for r in [*arm("cot", "a"), *arm("direct", "abcdefgh")]]
    found = entries_of([*arm("cot", "abcdefgh"), *arm("direct", "a"), *other], PROBLEMS, {}, SETTINGS)
    assert {teacher: RULES["best_yield"](table).prompt for teacher, table in found.items()} == {
        "t": "cot",
        "u": "direct",
    }
    assert [e.difference.value for e in found["u"]] == [-7 / 8, 0]


def test_arms_on_other_problems_are_refused() -> None:
    with pytest.raises(IntegrityError, match="teacher 't': prompt 'direct' was asked other problems"):
        entries(arm("cot", "abcdefgh"), arm("direct", "a")[:7])


def test_every_rule_is_told_in_words() -> None:
    assert RULES.keys() == IN_WORDS.keys()
