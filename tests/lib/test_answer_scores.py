"""Scores of answers and their log-probabilities, against one plain forward pass per answer."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from tests.families import write_tiny
from tests.hand_samples import sample
from tests.random_adapters import HARDWARE, write_adapter
from tests.tiny_gpt2 import write_tiny_bert
from workflow.lib.answer_scores import (
    Means,
    Turn,
    answer_logps,
    batches,
    by_adapter,
    by_classifier,
    rewards_of,
)
from workflow.lib.errors import NumericalError
from workflow.lib.models import load_base, load_scorer, load_tokenizer
from workflow.lib.policies import active, load_policies

TURNS = [
    *(Turn("Is it so?", "It is.", False), Turn("Is it so?", "", False)),
    *(Turn("Why", "Because it rains, road 3 is wet.", True), Turn("?", "No", False)),
]
TEMPERATURE = 0.7


def alone(snapshot: Path, folder: Path | None, turn: Turn, temperature: float) -> float:
    """Return the log-probability of one answer, token by token, with its end unless it was cut."""
    model = AutoModelForCausalLM.from_pretrained(snapshot).eval()
    if folder:
        model = PeftModel.from_pretrained(model, folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(snapshot)
    before = tokenizer.encode(f"<|user|>{turn.prompt}<|end|><|assistant|>", add_special_tokens=False)
    said = tokenizer.encode(turn.answer + "<|end|>" * (not turn.cut), add_special_tokens=False)
    total = 0.0
    with torch.no_grad():
        logits = model(torch.tensor([before + said])).logits[0] / temperature
    for place, token in enumerate(said, len(before)):
        total += float(logits[place - 1][token] - torch.logsumexp(logits[place - 1], 0))
    return total


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Path:
    return write_adapter(tiny_llama, tmp_path_factory.mktemp("policy"), 3)


@pytest.mark.parametrize("batch", [1, 3])
def test_log_probabilities_are_those_of_each_answer_alone(
    tiny_llama: Path, adapter: Path, batch: int
) -> None:
    base, tokenizer = load_base(tiny_llama, HARDWARE), load_tokenizer(tiny_llama)
    model = load_policies(base, {"p": adapter}, model="tiny")
    for name, folder in ((None, None), ("p", adapter)):
        with active(model, name):
            found = answer_logps(base, tokenizer, TURNS, temperature=TEMPERATURE, batch=batch)
        expected = {turn: alone(tiny_llama, folder, turn, TEMPERATURE) for turn in TURNS}
        assert found == {turn: pytest.approx(value, abs=1e-3) for turn, value in expected.items()}
    hot = answer_logps(base, tokenizer, TURNS[:1], temperature=1.0, batch=batch)
    assert hot[TURNS[0]] == pytest.approx(alone(tiny_llama, adapter, TURNS[0], 1.0), abs=1e-3)
    assert abs(hot[TURNS[0]] - found[TURNS[0]]) > 1  # which makes the temperature matter here


def test_log_probabilities_are_of_the_logits_that_a_model_scales(tmp_path: Path) -> None:
    granite = write_tiny("granite", tmp_path)
    found = answer_logps(
        load_base(granite, HARDWARE), load_tokenizer(granite), TURNS, temperature=1.0, batch=3
    )
    assert found == {turn: pytest.approx(alone(granite, None, turn, 1.0), abs=1e-3) for turn in TURNS}


def test_batches_begin_with_the_longest_and_hold_every_place_once() -> None:
    assert list(batches([3, 9, 3, 5, 1], 2)) == [[1, 3], [0, 2], [4]]
    assert list(batches([], 2)) == []


def means(snapshot: Path, **changes: object) -> Means:
    """Return what scorers are made from, in batches of two."""
    given = {"snapshot": snapshot, "model": "tiny", "tokenizer": load_tokenizer(snapshot)}
    given |= {"adapters": {}, "classifiers": {}, "hardware": HARDWARE | {"evaluation_batch": 2}}
    return Means(**given | changes)  # type: ignore[arg-type]


def test_each_answer_is_scored_by_the_reward_model_of_its_own_seed(tmp_path: Path, tiny_llama: Path) -> None:
    folders = {
        (name, seed): write_adapter(
            tiny_llama, tmp_path / f"{name}-{seed}", seed + 7 * len(name), reward=True
        )
        for name in ("reward", "reward-other")
        for seed in (1, 2)
    }
    samples = [
        sample(method=method, seed=seed, prompt=prompt, text=text)
        for method in ("dpo", "base")
        for seed in (2, 1)
        for prompt, text, _ in TURNS[::2]
    ]
    given = means(tiny_llama, adapters=folders)
    found = by_adapter({"kind": "adapter", "method": "reward"}, given, samples)
    for one, score in zip(samples, found, strict=True):
        base = load_scorer(tiny_llama, HARDWARE, pad=0, seed=0)
        model = load_policies(base, {"r": folders["reward", one.seed]}, model="tiny")
        text = f"<|user|>{one.prompt}<|end|><|assistant|>{one.text}"
        # the model scores the last token that is no padding, and this one pads with the end of a turn
        ids = torch.tensor([given.tokenizer.encode(text, add_special_tokens=False)])
        with torch.no_grad():
            assert score == pytest.approx(float(model(ids).logits[0, 0]), abs=1e-4)
    assert found[:4] == found[4:]  # whoever said it
    assert found[0] != pytest.approx(found[2], abs=1e-3)  # whichever seed scored it


@pytest.mark.parametrize("text", ["whole", "response"])
def test_a_classifier_reads_prompt_and_answer_or_the_answer_alone(
    tmp_path: Path, tiny_llama: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bert = write_tiny_bert(tmp_path / "bert")
    samples = [sample(prompt="bad odd ", text=said) for said in ("it is good", "no", "yes it is " * 6)]
    about = {"kind": "classifier", "model": "bert", "label": "POSITIVE", "output": "logit", "text": text}
    found = by_classifier(about, means(tiny_llama, classifiers={"bert": bert}), samples)
    model = AutoModelForSequenceClassification.from_pretrained(bert).eval()
    tokenizer = AutoTokenizer.from_pretrained(bert)
    for one, score in zip(samples[:2], found[:2], strict=True):
        read = one.prompt + one.text if text == "whole" else one.text
        with torch.no_grad():
            logits = model(**tokenizer(read, return_tensors="pt")).logits[0]
        assert score == pytest.approx(float(logits[1]), rel=1e-4, abs=1e-5)
    assert len(found) == 3 and found[2] != 0.0
    assert "classifier 'bert': 3 texts, of 1 of which it read the end only" in capsys.readouterr().out


def test_a_reward_that_is_not_finite_stops(tiny_llama: Path) -> None:
    tokenizer = load_tokenizer(tiny_llama)
    scorer = load_scorer(tiny_llama, HARDWARE, pad=0, seed=0)
    with torch.no_grad():
        scorer.score.weight.fill_(float("nan"))
    with pytest.raises(NumericalError, match="a reward is not finite, among 1 answers"):
        rewards_of(scorer, tokenizer, ["a", "a"], 2)
