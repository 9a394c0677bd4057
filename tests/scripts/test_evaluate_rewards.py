"""The reward model ranks right above wrong answers: pairs, rewards and their summary."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.random_adapters import HARDWARE, write_adapter
from workflow.lib.answer_scores import rewards_of
from workflow.lib.chat import render
from workflow.lib.errors import IntegrityError
from workflow.lib.files import read_json, write_json
from workflow.lib.models import load_scorer, load_tokenizer
from workflow.lib.parquet import rows_of, write_parquet
from workflow.lib.policies import load_policies
from workflow.lib.records import Sample, table
from workflow.scripts.evaluate_rewards import main, rankings_of, row_of, summary_of


def sample(problem: int, repeat: int, text: str, score: float) -> Sample:
    names = ("logic", "tiny", "base", 2, "drawn", f"p{problem}", f"g{problem // 2}", "propositional", "rule")
    return Sample(*names, repeat, f"prompt {problem}", "00", text, None, "yes", score, 3, [])


SAMPLES = [
    sample(0, 0, "It is. The answer is yes.", 1.0),
    sample(0, 1, "It is not. The answer is no.", 0.0),
    sample(0, 2, "It is. The answer is yes.", 1.0),  # the text of repeat 0 again
    sample(0, 3, "Hm.", 0.0),
    sample(1, 0, "The answer is yes.", 1.0),  # no wrong answer
    sample(2, 0, "The answer is no.", 0.0),  # no right answer
    sample(3, 0, "Yes: the answer is yes.", 1.0),
    sample(3, 1, "The answer is no.", 0.0),
]


def test_each_right_answer_meets_each_wrong_one_of_its_problem_once() -> None:
    found = [(r.right.problem_id, r.right.repeat, r.wrong.repeat) for r in rankings_of(SAMPLES)]
    assert found == [("p0", 0, 1), ("p0", 0, 3), ("p3", 0, 1)]


def test_summary_counts_a_tie_as_half() -> None:
    first, second, third = rankings_of(SAMPLES)
    rows = [
        row_of("reward", first, 2.0, 1.5),
        row_of("reward", second, 1.0, 1.0),
        row_of("reward", third, -1.0, 2.0),
    ]
    assert [row["correct"] for row in rows] == [1.0, 0.5, 0.0]
    # Accuracy (1 + 0.5 + 0) / 3; margin (0.5 + 0 - 3) / 3; groups g0 and g1.
    assert summary_of(rows) == {"n": 3, "groups": 2, "accuracy": 0.5, "margin": pytest.approx(-2.5 / 3)}


def test_a_reward_is_the_score_at_the_last_token_of_the_rendered_conversation(
    tmp_path: Path, tiny_llama: Path
) -> None:
    tokenizer = load_tokenizer(tiny_llama)
    folder = write_adapter(tiny_llama, tmp_path / "reward", 4, reward=True)
    base = load_scorer(tiny_llama, HARDWARE, pad=tokenizer.pad_token_id, seed=0)
    scorer = load_policies(base, {"reward": folder}, model="tiny")
    texts = [
        render(tokenizer, s.prompt, s.text).removesuffix("<|end|>") for s in SAMPLES
    ]  # its pad is its EOS
    found = rewards_of(scorer, tokenizer, texts, batch=3)
    assert len(found) == len(set(texts))
    for text in texts:
        ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
        with torch.no_grad():
            hidden = scorer.base_model.model.model(ids).last_hidden_state[:, -1]
            expected = scorer.base_model.model.score(hidden)
        assert found[text] == pytest.approx(float(expected), abs=1e-4)


@pytest.fixture
def paths(tmp_path: Path, tiny_llama: Path) -> dict[str, str]:
    folder = write_adapter(tiny_llama, tmp_path / "reward", 4, reward=True)
    write_json(tmp_path / "manifest.json", {"model": "tiny", "digest": "0" * 64})
    write_parquet(tmp_path / "samples.parquet", table(SAMPLES, Sample))
    return {
        "samples": str(tmp_path / "samples.parquet"),
        "adapter": str(folder / "adapter_model.safetensors"),
        "settings": str(folder / "adapter_config.json"),
        "manifest": str(tmp_path / "manifest.json"),
        "snapshot": str(tiny_llama),
        "scores": str(tmp_path / "out/scores.json"),
        "pairs": str(tmp_path / "out/pairs.parquet"),
        "method": "reward-held-out",
    }


def test_pairs_and_summary_are_written_twice_the_same(paths: dict[str, str]) -> None:
    main(**paths, hardware=HARDWARE)
    rows, summary = rows_of(paths["pairs"]), read_json(paths["scores"])
    assert [(r["problem_id"], r["seed"], r["task"], r["chosen"]) for r in rows] == [
        ("p0", 2, "drawn", SAMPLES[0].text),
        ("p0", 2, "drawn", SAMPLES[0].text),
        ("p3", 2, "drawn", SAMPLES[6].text),
    ]
    assert {row["method"] for row in rows} == {"reward-held-out"}
    assert summary["n"] == 3
    assert summary["accuracy"] == pytest.approx(
        sum(r["chosen_reward"] > r["rejected_reward"] for r in rows) / 3
    )
    first = Path(paths["pairs"]).read_bytes(), Path(paths["scores"]).read_bytes()
    main(**paths, hardware=HARDWARE)
    assert (Path(paths["pairs"]).read_bytes(), Path(paths["scores"]).read_bytes()) == first


def test_rewards_do_not_depend_on_the_batch(paths: dict[str, str]) -> None:
    main(**paths, hardware=HARDWARE)
    first = [(r["chosen_reward"], r["rejected_reward"]) for r in rows_of(paths["pairs"])]
    main(**paths, hardware={**HARDWARE, "evaluation_batch": 1})
    second = [(r["chosen_reward"], r["rejected_reward"]) for r in rows_of(paths["pairs"])]
    for one, two in zip(first, second, strict=True):
        assert one == pytest.approx(two, abs=1e-5)


def test_without_a_pair_there_is_no_accuracy_and_no_error(paths: dict[str, str]) -> None:
    write_parquet(paths["samples"], table([replace(s, score=0.0) for s in SAMPLES], Sample))
    main(**paths, hardware=HARDWARE)
    summary = read_json(paths["scores"])
    assert (summary["n"], summary["accuracy"], summary["margin"]) == (0, None, None)
    assert rows_of(paths["pairs"]) == []


def test_a_reward_model_of_another_base_is_refused(paths: dict[str, str]) -> None:
    write_json(paths["manifest"], {"model": "large", "digest": "1" * 64})
    with pytest.raises(IntegrityError, match="adapter of model 'tiny', expected one of 'large'"):
        main(**paths, hardware=HARDWARE)
