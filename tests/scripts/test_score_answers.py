"""Every policy's answers are scored by every scorer, beside how far the policy has moved."""

from pathlib import Path
from typing import Any

import pytest

from tests.hand_samples import sample, write_samples
from tests.random_adapters import HARDWARE, write_adapter
from tests.tiny_gpt2 import write_tiny_bert
from workflow.lib.answer_scores import Turn, answer_logps, rewards_of
from workflow.lib.chat import render
from workflow.lib.errors import DataError
from workflow.lib.models import load_base, load_scorer, load_tokenizer
from workflow.lib.policies import load_policies
from workflow.lib.records import AnswerScore, load
from workflow.scripts.score_answers import main

TASKS = Path(__file__).parents[2] / "workflow/tasks/logicbench"
FILES = ("adapter_model.safetensors", "adapter_config.json")
SEEDS = [1, 2]
BERT = {"kind": "classifier", "model": "bert", "label": "POSITIVE", "output": "probability"}
SCORERS = {"reward": {"kind": "adapter", "method": "reward"}, "tone": {**BERT, "text": "response"}}
TEXTS = {"base": ["It is.", "yes it is"], "sft": ["It is.", "no, it is odd"]}  # the first is the same


@pytest.fixture
def given(tmp_path: Path, tiny_llama: Path) -> dict[str, Any]:
    """Return the arguments of ``main`` for a base and SFT of two seeds."""
    folders = {
        name: [
            write_adapter(tiny_llama, tmp_path / f"{name}-{s}", s + first, reward=bool(first)) for s in SEEDS
        ]
        for name, first in (("sft", 0), ("reward", 5))
    }
    samples = [
        write_samples(
            tmp_path / f"{method}-{seed}.parquet",
            [
                sample(
                    method=method, seed=seed, problem_id=f"p{i}", group_id=f"g{i}", text=text, tokens=3 + i
                )
                for i, text in enumerate(texts)
            ],
        )
        for method, texts in TEXTS.items()
        for seed in SEEDS
    ]
    files = {name: [str(f / file) for f in some for file in FILES] for name, some in folders.items()}
    return {
        "samples": samples,
        "adapters": files["sft"],
        "rewards": files["reward"],
        "classifiers": [str(write_tiny_bert(tmp_path / "bert"))],
        "snapshot": str(tiny_llama),
        "definition": [str(TASKS / "logicbench_bqa_sampled.yaml"), str(TASKS / "utils.py")],
        "scores": str(tmp_path / "scores.parquet"),
        "model": "tiny",
        "policies": ["base", "sft"],
        "seeds": SEEDS,
        "scorers": SCORERS,
        "longest": 4,  # the second answer of each policy was cut
        "hardware": HARDWARE,
    }


def test_scores_and_log_ratios_of_every_answer(given: dict[str, Any], tiny_llama: Path) -> None:
    main(**given)
    rows = load(given["scores"], AnswerScore)
    assert [(r.scorer, r.method, r.seed, r.problem_id, r.tokens) for r in rows] == [
        (scorer, method, seed, f"p{i}", 3 + i)
        for scorer in SCORERS
        for method in TEXTS
        for seed in SEEDS
        for i in (0, 1)
    ]
    tokenizer, prompt = load_tokenizer(tiny_llama), "Is it so?"
    for row in rows:
        if row.method == "base":
            assert row.log_ratio == 0.0
            continue
        number = int(row.problem_id[1])
        turn = Turn(prompt, TEXTS["sft"][number], cut=number == 1)
        base = load_base(tiny_llama, HARDWARE)
        before = answer_logps(base, tokenizer, [turn], temperature=0.7, batch=1)[turn]
        folder = Path(given["adapters"][2 * (row.seed - 1)]).parent
        load_policies(base, {"p": folder}, model="tiny")
        after = answer_logps(base, tokenizer, [turn], temperature=0.7, batch=1)[turn]
        assert row.log_ratio == pytest.approx(after - before, abs=1e-3) and abs(after - before) > 1e-2


def test_a_reward_is_that_of_the_seed_and_equal_texts_have_equal_scores(
    given: dict[str, Any], tiny_llama: Path
) -> None:
    main(**given)
    rows = {(r.scorer, r.method, r.seed, r.problem_id): r for r in load(given["scores"], AnswerScore)}
    tokenizer = load_tokenizer(tiny_llama)
    for seed in SEEDS:
        folder = Path(given["rewards"][2 * (seed - 1)]).parent
        scorer = load_scorer(tiny_llama, HARDWARE, pad=0, seed=0)
        model = load_policies(scorer, {"r": folder}, model="tiny")
        (expected,) = rewards_of(model, tokenizer, [render(tokenizer, "Is it so?", "It is.")], 1).values()
        for method in TEXTS:
            assert rows["reward", method, seed, "p0"].reward == pytest.approx(expected, abs=1e-4)
    tones = {rows["tone", method, seed, "p0"].reward for method in TEXTS for seed in SEEDS}
    assert len(tones) == 1 and 0 < tones.pop() < 1  # a probability, whatever the seed


def test_the_same_answers_give_the_same_bytes(given: dict[str, Any]) -> None:
    main(**given)
    first = Path(given["scores"]).read_bytes()
    main(**given)
    assert Path(given["scores"]).read_bytes() == first


def test_greedy_answers_are_scored_and_have_no_log_ratio(given: dict[str, Any]) -> None:
    main(**given | {"definition": [str(TASKS / "logicbench_bqa.yaml"), str(TASKS / "utils.py")]})
    rows = load(given["scores"], AnswerScore)
    assert len(rows) == 16 and {row.log_ratio for row in rows} == {None}


def test_a_task_that_scores_options_is_refused(given: dict[str, Any], tmp_path: Path) -> None:
    options = sample(method="sft", seed=2, loglikelihoods=[-1.0, -2.0])
    given["samples"][-1] = write_samples(tmp_path / "options.parquet", [options])
    with pytest.raises(DataError) as caught:
        main(**given)
    told = f"{tmp_path / 'options.parquet'}: options were scored, and nothing was said. Fix: scorers: []."
    assert str(caught.value) == told
    assert not Path(given["scores"]).exists()
