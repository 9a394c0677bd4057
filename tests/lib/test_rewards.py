"""Rewards: each kind by hand, their weighted sum, and one that is only watched."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, tensor

from tests.random_adapters import write_adapter
from tests.tiny_gpt2 import write_tiny_bert
from tests.training import HARDWARE, LORA, parent
from workflow.lib.chat import render, token_ids
from workflow.lib.classifiers import Classifier
from workflow.lib.errors import DataError
from workflow.lib.models import load_base, load_tokenizer
from workflow.lib.records import Prompt
from workflow.lib.rewards import KINDS, Asked, Episode, Means, Reward, Special, decoded, reward_of
from workflow.lib.rollouts import Crew

ROW = Prompt("r", "p", "g", "train", "propositional", "Is 1 odd?", ["yes", "no"], "yes", "gold", "")
SPECIAL = Special(eos=0, pad=0, tail=[7])
CLASSIFIER = {"kind": "classifier", "weight": 2.0, "model": "bert", "label": "POSITIVE", "output": "logit"}


@pytest.fixture(scope="module")
def means(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Means:
    folders = {name: tmp_path_factory.mktemp(name) for name in ("reward", "reward-other", "bert")}
    for seed, name in enumerate(("reward", "reward-other")):
        write_adapter(tiny_llama, folders[name], seed, reward=True)
    write_tiny_bert(folders["bert"])
    crew = Crew(load_base(tiny_llama, HARDWARE), LORA, [], seed=1)
    adapters = {name: parent(folders[name]) for name in ("reward", "reward-other")}
    snapshots = {"bert": str(folders["bert"])}
    return Means(crew, load_tokenizer(tiny_llama), SPECIAL, adapters, snapshots, HARDWARE)


def episodes(means: Means, *texts: str, row: Prompt = ROW, ends: bool = True) -> list[Episode]:
    """Return one response per text to the same prompt."""
    asked = Asked(token_ids(means.tokenizer, render(means.tokenizer, row.prompt)), row)
    return [Episode(asked, token_ids(means.tokenizer, text) + [0] * ends) for text in texts]


def test_a_conversation_is_closed_once(means: Means):
    (ended,), (cut,) = episodes(means, "yes"), episodes(means, "yes", ends=False)
    assert ended.closed(SPECIAL) == [*ended.asked.ids, *ended.response, 7]
    assert ended.closed(SPECIAL) == cut.closed(SPECIAL)
    assert cut.closed(SPECIAL).count(0) == cut.asked.ids.count(0) + 1


def test_an_adapter_reads_the_closed_conversation(means: Means):
    scorer = KINDS["adapter"]({"method": "reward"}, means)
    found = scorer(episodes(means, "yes", "no way", ends=False))
    rows = [e.closed(SPECIAL) for e in episodes(means, "yes", "no way")]
    torch.testing.assert_close(found, means.crew.scores("reward_1", rows, SPECIAL.pad))
    assert found[0] != found[1]


@pytest.mark.parametrize(("text", "read"), [("whole", "Is 1 odd?It is good"), ("response", "It is good")])
def test_a_classifier_reads_text_in_tokens_of_its_own(means: Means, text: str, read: str):
    about = {**CLASSIFIER, "text": text}
    found = KINDS["classifier"](about, means)(episodes(means, "It is good", "no"))
    alone = Classifier(means.snapshots["bert"], "POSITIVE", "logit", HARDWARE).scores([read])
    assert float(found[0]) == pytest.approx(float(alone[0]), rel=1e-4)
    assert found.shape == (2,)


def test_decoded_text_has_no_special_tokens(means: Means):
    (episode,) = episodes(means, "yes")
    assert decoded(means.tokenizer, episode.asked.ids + episode.response) == "Is 1 odd?yes"


def test_a_text_that_is_cut_is_told_once(means: Means, capsys: pytest.CaptureFixture[str]):
    scorer = KINDS["classifier"]({**CLASSIFIER, "text": "whole"}, means)
    for _ in range(2):
        scorer(episodes(means, "it is odd " * 9))
    assert capsys.readouterr().out.count("classifier 'bert': a text is longer than it reads") == 1


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("So the answer is yes.", 1.0),
        ("The answer is no.", 0.0),
        ("The answer is no. Wait, the answer is yes.", 1.0),
        ("I do not know.", -0.5),
    ],
)
def test_an_answer_is_checked_against_gold(means: Means, text: str, score: float):
    assert KINDS["verifier"]({"unparsed": -0.5}, means)(episodes(means, text)).tolist() == [score]


def test_an_answer_is_checked_by_the_verifier_of_its_problem(means: Means):
    instance = '{"numbers": [2, 3], "target": 6}'
    row = replace(ROW, choices=[], answer=None, verifier="countdown", instance=instance)
    found = KINDS["verifier"]({"unparsed": 0.0}, means)(
        episodes(means, "The answer is 2 * 3", "The answer is 2 + 3", row=row)
    )
    assert found.tolist() == [1.0, 0.0]


def test_a_row_without_an_answer_is_refused(means: Means):
    with pytest.raises(DataError, match="row r: nothing to check an answer by"):
        KINDS["verifier"]({"unparsed": 0.0}, means)(episodes(means, "x", row=replace(ROW, verifier="")))


def fixed(*scores: float):
    def scorer(episodes: Sequence[Episode]) -> Tensor:
        return tensor(scores)

    return scorer


def test_the_score_is_the_weighted_sum_and_what_is_held_out_is_no_part_of_it():
    reward = Reward({"a": fixed(1.0, 2.0), "b": fixed(10.0, 20.0)}, {"a": 3.0, "b": -0.5}, fixed(7.0, 8.0))
    found = {name: part.tolist() for name, part in reward.scores([]).items()}
    # 3·1 - 10/2 and 3·2 - 20/2
    assert found == {"score": [-2.0, -4.0], "a": [1.0, 2.0], "b": [10.0, 20.0], "held_out": [7.0, 8.0]}
    single = Reward({"a": fixed(1.0, 2.0)}, {"a": 1.0}, None).scores([])
    assert {name: part.tolist() for name, part in single.items()} == {"score": [1.0, 2.0]}


def test_settings_become_a_sum(means: Means):
    rewards = [
        {"kind": "adapter", "weight": 0.5, "method": "reward"},
        {**CLASSIFIER, "text": "response"},
        {"kind": "verifier", "weight": 4.0, "unparsed": 0.0},
    ]
    found = reward_of(rewards, "reward-other", means).scores(episodes(means, "The answer is yes"))
    assert set(found) == {"score", "reward_1_adapter", "reward_2_classifier", "reward_3_verifier", "held_out"}
    parts = [float(found[name]) for name in sorted(set(found) - {"score", "held_out"})]
    assert float(found["score"]) == pytest.approx(0.5 * parts[0] + 2.0 * parts[1] + 4.0 * parts[2])
    assert parts[2] == 1.0 and float(found["held_out"]) != parts[0]
