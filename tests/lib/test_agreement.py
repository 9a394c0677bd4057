"""The spot check's problems, and how far two backends agree, by hand."""

from pathlib import Path

import pytest

from tests.random_adapters import yes_no_problems
from workflow.lib.agreement import Agreement, Spot, compare, greedy, spot_of, spread
from workflow.lib.errors import IntegrityError
from workflow.lib.harness import read_task
from workflow.lib.records import Sample

TASKS = Path(__file__).parents[2] / "workflow/tasks"
LIMITS = Agreement(problems=4, least_same=0.75, most_nats=0.5)


class Words:
    """A language model to which a text's log-likelihood is minus its words; words are tokens."""

    def tok_encode(self, text: str) -> list[str]:
        """Return the words."""
        return text.split()

    def loglikelihood(self, asked: list) -> list[tuple[float, bool]]:
        """Return a number for each continuation."""
        return [(-float(len(instance.args[1].split())), False) for instance in asked]


def said(problem: str, text: str, parsed: str | None, scores: list[float]) -> Sample:
    ids = ("logic", "tiny", "", 0, "t", problem, "g", "c", "r", 0, "turn", "00")
    return Sample(*ids, text, parsed, "yes", 0.0, 3, scores)


def test_problems_are_spread_over_the_split() -> None:
    problems = yes_no_problems(10)
    # Places 0 × 10 / 4, 1 × 10 / 4, … rounded down: 0, 2, 5, 7.
    assert [p.problem_id for p in spread(problems, 4)] == ["p000", "p002", "p005", "p007"]
    assert spread(problems[:3], 4) == problems[:3]


def test_a_task_with_draws_is_asked_greedily() -> None:
    drawn = read_task(TASKS / "logicbench/logicbench_bqa_sampled.yaml", 8)
    once = greedy(drawn)
    assert drawn.sampled and not once.sampled
    assert once.config["repeats"] == 1
    assert once.config["generation_kwargs"] == {"until": [], "do_sample": False, "max_gen_toks": 8}
    assert {**once.config, "repeats": 0, "generation_kwargs": 0} == {
        **drawn.config,
        "repeats": 0,
        "generation_kwargs": 0,
    }
    options = read_task(TASKS / "piqa/piqa_goals.yaml", 0)
    assert greedy(options) is options


def test_generated_texts_are_those_of_the_first_backend() -> None:
    seen = {"p0": "one two", "p1": "one two", "p2": "one two"}
    first = [said("p0", " a b", "a", []), said("p1", "", None, []), said("p2", " a b c d e", "a", [])]
    told = spot_of(first, seen, Words(), None, 6)
    # The second answer is empty, and the third with its prompt has 7 words of the 6 that are read.
    assert told.loglikelihoods == [-2.0]
    second = [said("p0", " x y z", "x", []), said("p1", " x", "x", []), said("p2", " x", "x", [])]
    other = spot_of(second, seen, Words(), told, 6)
    assert (other.texts, other.parsed, other.loglikelihoods) == (told.texts, ["x"] * 3, [-2.0])


def test_options_bring_their_own_log_likelihoods() -> None:
    found = spot_of([said("p0", "b", "b", [-3.0, -1.0])], {"p0": "p"}, Words(), None, 9)
    assert found == Spot([], ["b"], [-3.0, -1.0])


def test_shares_and_differences() -> None:
    one = Spot([], ["yes", "no", None, "yes"], [-1.0, -2.0])
    other = Spot([], ["yes", "no", None, "no"], [-1.25, -2.125])
    # Three of four alike, nothing read counting as an answer; |-1 + 1.25| = 0.25 is the larger difference.
    assert compare(one, other, LIMITS, "t") == {"problems": 4, "same_answers": 0.75, "nats": 0.25}


@pytest.mark.parametrize(
    ("parsed", "loglikelihood", "told"),
    [
        (["yes", "no", "no", "no"], -1.0, r"of 4 problems .* answer 0\.500 alike \(least 0\.75\)"),
        (["yes", "no", None, "yes"], -1.625, r"log-likelihoods differ by 0\.625 nats \(most 0\.5\)"),
        (["yes", "no", None, "yes"], float("nan"), "log-likelihoods differ by nan nats"),
    ],
)
def test_what_is_too_far_apart_fails(parsed: list[str | None], loglikelihood: float, told: str) -> None:
    one = Spot([], ["yes", "no", None, "yes"], [-1.0])
    with pytest.raises(IntegrityError, match=f"task 't', dpo: .*{told}"):
        compare(one, Spot([], parsed, [loglikelihood]), LIMITS, "task 't', dpo")
