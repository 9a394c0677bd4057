"""What questions and sentences claim: tables of cases, many of them in LogicBench's own words."""

import time

import pytest

from workflow.lib.claims import answer_in, claim_of, opposites, stem, tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("Ann didn't, can't and won't.", "ann did not can not and will not", id="contractions"),
        pytest.param("She doesn’t; he cannot", "she does not he can not", id="typographic and joined"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_words(text: str, words: str) -> None:
    assert tokens(text) == words.split()


@pytest.mark.parametrize(
    "forms",
    [
        ("ride", "rides", "riding", "rode"),
        ("study", "studies", "studied"),
        ("finish", "finished", "finishes", "finishing"),
        ("win", "wins", "won"),
        ("leave", "leaves", "left", "leaving"),
        ("go", "goes", "went"),
        ("bus",),
    ],
)
def test_forms_of_a_word_have_one_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == (2 if forms[0] == "study" else 1)  # studied: "studi"
    assert stem("Ann".casefold()) != stem("Ben".casefold())


OPPOSITES = [
    ("Is it true that Ann rides?", "Does this imply that Ann never rides?"),
    (
        "does this imply that someone won the marathon race?",
        "does this mean that no one win the marathon race?",
    ),
    (
        "Does this entail that isabella didn't finish her project on time?",
        "Does this infer that isabella finished her project on time?",
    ),
    (
        "Does this imply that daniel didn't forget to take his umbrella?",
        "Does this infer that daniel forgot to take his umbrella?",
    ),
    ("does this entail that dogs have fur?", "does this imply that dogs don't have fur?"),
    (
        "Does the context imply that Bananas are in basket?",
        "Does the context imply that no bananas are in basket?",
    ),
    (
        "If henry studies for four hours , does this entail that he will be eligible?",
        "If henry studies for four hours , does this imply that he won't be eligible?",
    ),
    ("Can we conclude that all birds fly?", "Can we conclude that some birds do not fly?"),
    ("Can we conclude that all birds fly?", "Can we conclude that not all birds fly?"),
    ("Can we conclude that all birds fly?", "Can we conclude that no birds fly?"),
    ("Is Tom at home?", "Is Tom not at home?"),
    ("Is it true that Tom is at home?", "Is it false that Tom is at home?"),
]
NO_OPPOSITES = [
    pytest.param("Is it true that Ann rides?", "Is it true that Ann rides?", id="the same"),
    pytest.param("Is it true that Ann rides?", "Is it true that Ben never rides?", id="another one"),
    pytest.param("Is it true that Ann rides?", "Is it true that Ann never hikes?", id="another verb"),
    pytest.param("Is it true that Ann rides?", "Is it true that Ann never rides far?", id="more is denied"),
    pytest.param("Is it true that block B stands?", "Is it true that block C does not stand?", id="letters"),
    pytest.param("Is it true that Ann has a station?", "Is it true that Ann has no statue?", id="half alike"),
    pytest.param("Is it true that Ann met Ben?", "Is it true that Ben did not meet Ann?", id="order"),
    pytest.param(
        "Is it true that it is not so that Ann never rides?", "Is it true that Ann rides?", id="two negations"
    ),
    pytest.param(
        "Does it follow that some birds fly?",
        "Does it follow that some birds do not fly?",
        id="some and some",
    ),
    pytest.param(
        "Does it follow that some birds fly?", "Does it follow that not all birds fly?", id="some and not all"
    ),
    pytest.param(
        "Does it follow that Ann rides or Ben hikes?",
        "Does it follow that Ann never rides or Ben hikes?",
        id="alternatives",
    ),
    pytest.param(
        "Does it follow that at least Ann rides?",
        "Does it follow that at least Ann never rides?",
        id="at least",
    ),
    pytest.param(
        "Does it follow that if Ann rides, Ben hikes?",
        "Does it follow that if Ann rides, Ben never hikes?",
        id="if nothing, both hold",
    ),
    pytest.param(
        "If sam studies, does this mean that he sleeps?",
        "If sam doesn't study, does this mean that he doesn't sleep?",
        id="conditions that are opposites",
    ),
    pytest.param(
        "If sam studies, does this mean that he sleeps?",
        "If sam paints, does this mean that he doesn't sleep?",
        id="other conditions",
    ),
    pytest.param("Is it so?", "Is it not so?", id="nothing is claimed"),
    pytest.param(
        "Is it true that Ann fails to ride?", "Is it true that Ann rides?", id="limit: denied without a cue"
    ),
    pytest.param("Is it true that Ann is happy?", "Is it true that Ann is unhappy?", id="limit: prefix"),
]


@pytest.mark.parametrize(("one", "other"), OPPOSITES)
def test_opposites(one: str, other: str) -> None:
    assert opposites(claim_of(one), claim_of(other))
    assert opposites(claim_of(other), claim_of(one))


@pytest.mark.parametrize(("one", "other"), NO_OPPOSITES)
def test_what_could_both_be_true_or_is_not_the_same_is_no_pair(one: str, other: str) -> None:
    assert not opposites(claim_of(one), claim_of(other))
    assert not opposites(claim_of(other), claim_of(one))


RIDES, NEVER = "Is it true that Ann rides?", "Is it true that Ann never rides?"


@pytest.mark.parametrize(
    ("step", "question", "answer"),
    [
        pytest.param("So Ann rides.", RIDES, "yes", id="claimed"),
        pytest.param("So Ann never rides.", RIDES, "no", id="denied"),
        pytest.param("So Ann rides.", NEVER, "no", id="the denial is denied"),
        pytest.param("So Ann doesn't ride.", NEVER, "yes", id="the denial is claimed"),
        pytest.param("It is not true that Ann rides.", RIDES, "no", id="not true"),
        pytest.param("It is false that Ann never rides.", RIDES, "yes", id="two cues"),
        pytest.param("Ann does not hike, so Ann rides.", RIDES, "yes", id="the last clause"),
        pytest.param("Ann rides because Ben does not.", RIDES, "yes", id="the clause with the claim"),
        pytest.param("Ann rides, but Ann never rides.", RIDES, "no", id="the last of two"),
        pytest.param("Ann, it seems, rides.", RIDES, None, id="limit: the claim is torn"),
        pytest.param("If Ann hikes, Ann rides.", RIDES, None, id="a condition"),
        pytest.param("Ann rides or Ben hikes.", RIDES, None, id="an alternative"),
        pytest.param("We must see whether Ann rides.", RIDES, None, id="a question"),
        pytest.param("Ben rides.", RIDES, None, id="another one"),
        pytest.param("Rides are for Ann.", RIDES, None, id="another order"),
        pytest.param("So this follows.", RIDES, "yes", id="it follows"),
        pytest.param("The conclusion does not hold.", RIDES, "no", id="it does not hold"),
        pytest.param("Therefore, the statement is false.", NEVER, "no", id="false"),
        pytest.param("Hence that is not false.", NEVER, "yes", id="not false"),
        pytest.param("So: no.", RIDES, "no", id="no"),
        pytest.param("Thus, yes!", NEVER, "yes", id="yes"),
        pytest.param("No one knows.", RIDES, None, id="no is no answer"),
        pytest.param("Her bike is the correct one.", RIDES, None, id="correct, but of what"),
        pytest.param("", RIDES, None, id="nothing"),
        pytest.param("So someone rides.", "Does it follow that someone rides?", "yes", id="someone"),
        pytest.param("So no one rides.", "Does it follow that someone rides?", "no", id="no one"),
        pytest.param("Ann rides.", "Does it follow that someone rides?", "yes", id="one is someone"),
        pytest.param("Ann never rides.", "Does it follow that someone rides?", None, id="one is not all"),
        pytest.param("Ann never rides.", "Does it follow that no one rides?", None, id="one is not no one"),
        pytest.param("Ann rides.", "Does it follow that no one rides?", "no", id="one is enough"),
        pytest.param("Anything is so.", "Is it so?", None, id="nothing was claimed"),
    ],
)
def test_what_a_sentence_answers(step: str, question: str, answer: str | None) -> None:
    assert answer_in(step, claim_of(question)) == answer


def test_long_texts_take_no_time() -> None:
    started = time.process_time()
    for text in (
        "not " * 10_000,
        "Ann " * 10_000,
        "," * 50_000,
        "that " * 10_000,
        "a" * 50_000,
        "," + " " * 50_000,
    ):
        claim = claim_of(text)
        opposites(claim, claim_of("Ann " * 10_000))
        answer_in(text, claim_of(RIDES))
    assert time.process_time() - started < 5
