"""Examples are chosen by seed, by kind in turn, from the right task."""

from tests.hand_samples import SETTINGS, sample, write_samples
from workflow.lib.files import read_json
from workflow.scripts import collect_examples
from workflow.scripts.collect_examples import kind_of, task_to_show


def quiz():
    """Return answers of two methods to 12 problems: 6 gained, 2 lost, 4 unchanged."""
    right = {"base": [0] * 6 + [1] * 2 + [0, 0, 1, 1], "dpo": [1] * 6 + [0] * 2 + [0, 0, 1, 1]}
    return [
        sample(
            **{"method": method, "problem_id": f"p{i:02d}", "seed": seed, "repeat": repeat},
            **{"score": float(score), "text": f"{method} {i} {seed} {repeat}"},
        )
        for method, scores in right.items()
        for seed in (1, 2)
        for repeat in (0, 1)
        for i, score in enumerate(scores)
    ]


def run(tmp_path, samples, **settings):
    path = write_samples(tmp_path / "samples.parquet", samples)
    examples = tmp_path / "examples.json"
    collect_examples.main(samples=[path], examples=str(examples), settings=SETTINGS | settings)
    return read_json(examples)


def test_kinds_take_turns_until_they_are_used_up(tmp_path):
    found = run(tmp_path, quiz(), examples=8)["sets"][0]
    kinds = [example["kind"] for example in found["examples"]]
    assert kinds == ["gained", "lost", "unchanged"] * 2 + ["gained", "unchanged"]
    assert found["counts"] == {"gained": 6, "lost": 2, "unchanged": 4}
    assert len({example["problem_id"] for example in found["examples"]}) == 8


def test_first_seed_and_repeat_of_every_method_are_shown(tmp_path):
    for example in run(tmp_path, quiz(), examples=12)["sets"][0]["examples"]:
        number = int(example["problem_id"][1:])
        assert [a["text"] for a in example["answers"]] == [f"base {number} 1 0", f"dpo {number} 1 0"]
        outcomes = [answer["right"] for answer in example["answers"]]
        expected = {"gained": [False, True], "lost": [True, False]}
        assert outcomes == expected.get(example["kind"], [outcomes[0]] * 2)
        assert (example["gold"], example["prompt"]) == ("yes", "Is it so?")


def test_seed_decides_the_choice_and_the_order_of_rows_does_not(tmp_path):
    first, again, other = (
        run(tmp_path, rows, seed=seed)["sets"]
        for rows, seed in ((quiz(), 1), (sorted(quiz(), key=lambda s: (s.method, s.text)), 1), (quiz(), 2))
    )
    assert first == again
    assert first != other


def test_sampled_generation_is_shown_before_greedy_and_choices():
    options = sample(task="options", loglikelihoods=[-1.0, -2.0], repeat=0)
    greedy, drawn = sample(task="greedy"), sample(task="drawn", repeat=3)
    assert task_to_show([options, greedy, drawn]) == "drawn"
    assert task_to_show([options, greedy]) == "greedy"
    assert task_to_show([options]) == "options"


def test_one_method_that_differs_makes_a_change():
    right, wrong = sample(score=1.0), sample(score=0.0)
    assert kind_of({"base": wrong, "sft": wrong, "dpo": right}) == "gained"
    assert kind_of({"base": right, "sft": right, "dpo": wrong}) == "lost"
    assert kind_of({"base": wrong, "sft": wrong, "dpo": wrong}) == "unchanged"
