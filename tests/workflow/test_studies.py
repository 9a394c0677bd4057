"""Every study that ships runs from raw files to its report, on stand-ins for what it fetches from the hub.

The file is read from the repository. Sources, models, prompts, adapters and methods stay as they are; seeds,
sizes, hardware and teachers are changed, and nothing else (``small``).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from tests.api_teacher import TEACHER
from tests.fake_api import FakeApi, serving
from tests.stand_ins import write_mirror
from tests.studies import ROOT, Study, clone_with
from workflow.lib.files import read_csv, read_json
from workflow.lib.models import load_tokenizer
from workflow.lib.records import GivenPair, Pair, Passage, Problem, Prompt, SftRow, load

pytestmark = pytest.mark.demo
CPU = {"device": "cpu", "micro_batch": 4, "vllm_memory_fraction": 0.0, "vllm_tensor_parallel": 1}
CPU |= {"vllm_kv_cache_mib": 128}
SIZES = {"epochs": 1, "batch_size": 4, "max_length": 1024, "max_new_tokens": 8, "updates": 1}


def shipped(name: str) -> dict[str, Any]:
    """Return a study as the repository has it."""
    return dict(yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))


def small(study: dict[str, Any]) -> dict[str, Any]:
    """Return ``study`` with one seed and sizes for a CPU, where its models have a token per character."""
    study["seeds"] = [1]
    study["hardware"] |= CPU
    if study["hardware"]["quantisation"] == "none":
        study["hardware"]["precision"] = "float32"
    for settings in study["methods"].values():
        settings |= {key: value for key, value in SIZES.items() if key in settings}
    for task in study["evaluation"]["tasks"].values():
        task["max_new_tokens"] = min(task["max_new_tokens"], 8)
    study["analysis"] |= {"resamples": 200, "examples": 2}
    return study


@contextmanager
def run(folder: Path, study: dict[str, Any]) -> Iterator[Study]:
    """Run ``study`` where its mirror is all there is of the hub."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUMBLINE_MIRROR", str(write_mirror(folder / "mirror", study)))
        made = clone_with(folder / "clone", study)
        made.run()
        yield made


def check_methods(made: Study, name: str) -> None:
    """Check that every method of the shipped file was trained with its settings, sizes apart, and shown."""
    study = shipped(name)
    for method, settings in study["methods"].items():
        (path,) = made.root.glob(f"results/adapters/*/*/{method}/seed-1/run.json")
        found = read_json(path)
        assert {k: v for k, v in found["settings"].items() if k not in SIZES} == {
            k: v for k, v in settings.items() if k not in SIZES
        }
        assert found["lora"] == study["lora"] and found["steps"] > 0
    checks = read_json(made.root / "results/checks.json")
    assert checks and (made.root / "results/report.html").stat().st_size > 50_000
    deltas = read_csv(made.root / "results/analysis/deltas.csv")
    compared = {(row["task"], row["method"], row["against"]) for row in deltas if row["primary"] == "true"}
    assert compared == {tuple(study["study"]["primary"].values())}


@pytest.fixture(scope="module")
def imdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with run(tmp_path_factory.mktemp("imdb"), small(shipped("studies/imdb-ppo"))) as made:
        yield made


def test_imdb_runs_to_its_report(imdb: Study) -> None:
    check_methods(imdb, "studies/imdb-ppo")


def test_reviews_over_200_characters_are_prompts_and_completions(imdb: Study) -> None:
    card = read_json(imdb.root / "results/data/imdb/card.json")
    assert card["funnel"][0]["rows_in"] == 64 and sum(card["rows"].values()) == 48  # one of four is shorter
    data = [
        p
        for split in ("train", "dev")
        for p in load(imdb.root / f"results/data/imdb/{split}.parquet", Passage)
    ]
    assert all(len(p.text) > 200 and len(p.prompt) == 8 for p in data)  # a token is a character
    prompts = load(imdb.root / "results/preferences/imdb/prompts.parquet", Prompt)
    assert {p.prompt for p in prompts} == {p.prompt.strip() for p in data}
    texts = {p.text: p.prompt for p in data}
    for row in load(imdb.root / "results/preferences/imdb/sft.parquet", SftRow):
        assert f"{row.prompt} {row.completion}" in texts


def test_the_classifier_rewards_by_its_own_tokens(imdb: Study) -> None:
    folder = imdb.root / "results/adapters/imdb/gpt2"
    ppo = read_json(folder / "ppo/seed-1/run.json")
    judge = read_json(imdb.root / "results/models/distilbert-sentiment/manifest.json")
    assert ppo["inputs"]["judge 1"] == judge["digest"] and ppo["settings"]["learning_rate"] == 1.41e-5
    curves = pq.read_table(folder / "ppo/seed-1/curves.parquet").to_pylist()
    assert {"score", "kl", "kl_coefficient"} <= {row["quantity"] for row in curves}
    config = read_json(folder / "ppo/seed-1/adapter_config.json")
    assert config["target_modules"] == ["c_attn"]
    names = {entry["path"] for entry in judge["files"]}
    assert "vocab.txt" in names and "tokenizer.json" not in names


@pytest.fixture(scope="module")
def stack_exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    study = small(shipped("studies/stack-exchange-dpo"))
    study["train"]["budget"]["amount"] = 2
    with run(tmp_path_factory.mktemp("stack-exchange"), study) as made:
        yield made


def test_stack_exchange_runs_to_its_report(stack_exchange: Study) -> None:
    check_methods(stack_exchange, "studies/stack-exchange-dpo")


def test_weights_are_in_four_bits_and_steps_are_those_of_the_budget(stack_exchange: Study) -> None:
    for method in ("sft", "dpo"):
        found = read_json(
            stack_exchange.root / f"results/adapters/stack-exchange/llama-2-7b/{method}/seed-1/run.json"
        )
        assert (found["hardware"]["quantisation"], found["hardware"]["precision"]) == ("nf4", "bfloat16")
        assert (found["steps"], found["budget"]["used"]) == (2, 2)


def test_pairs_are_asked_as_questions_and_split_by_question(stack_exchange: Study) -> None:
    data = stack_exchange.root / "results/data/stack-exchange"
    groups = {
        split: {pair.group_id for pair in load(data / f"{split}.parquet", GivenPair)}
        for split in ("train", "dev", "test")
    }
    assert len(groups["train"]) + len(groups["dev"]) == 16 and len(groups["test"]) == 16
    assert not (groups["train"] | groups["dev"]) & groups["test"] and not groups["train"] & groups["dev"]
    tokenizer = load_tokenizer(stack_exchange.root / "results/models/llama-2-7b/snapshot")
    pairs = load(stack_exchange.root / "results/preferences/stack-exchange/pairs.parquet", Pair)
    assert len(pairs) == 16  # one of two per question
    for pair in pairs:
        said = [{"role": "user", "content": pair.prompt}, {"role": "assistant", "content": pair.chosen}]
        text = tokenizer.apply_chat_template(said, tokenize=False)
        assert text.startswith("<s>Question: ") and text.endswith(f"\n\nAnswer: {pair.chosen}</s>")


@pytest.fixture(scope="module")
def piqa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    study = small(shipped("studies/piqa"))
    study["teachers"]["phi-4"] |= {"samples": 2, "max_tokens": 8}
    study["prompts"] |= {"candidates": ["direct"], "slice": 2}
    study["rationales"] |= {"shards": 1, "max_failed_fraction": 1.0}  # it says nothing that can be read
    study["hardware"] |= {"vllm_kv_cache_mib": 64, "max_model_len": 512}
    with run(tmp_path_factory.mktemp("piqa"), study) as made:
        yield made


def test_piqa_runs_to_its_report(piqa: Study) -> None:
    check_methods(piqa, "studies/piqa")


def test_dev_is_carved_from_train_and_the_validation_file_is_the_test(piqa: Study) -> None:
    splits = {
        split: load(piqa.root / f"results/data/piqa/{split}.parquet", Problem)
        for split in ("train", "dev", "test")
    }
    assert {Path(p.source).name.split("-")[0] for p in splits["test"]} == {"validation"}
    assert {Path(p.source).name.split("-")[0] for p in [*splits["train"], *splits["dev"]]} == {"train"}
    assert len(splits["test"]) == 8 and len(splits["train"]) + len(splits["dev"]) == 24


def scripted(study: dict[str, Any], address: str, name: str) -> dict[str, Any]:
    """Return ``study`` with one teacher, a scripted server that is right every other time."""
    asked = {**TEACHER, "endpoint": address, "api_key_env": "OPENAI_API_KEY", "samples": 4}
    study["teachers"] = {name: asked}
    study["prompts"] |= {"candidates": ["cot"], "slice": 2}
    study["rationales"] |= {"shards": 1, "ambiguous_below": 0.3}
    used = {*study["train"]["models"]}
    study["models"] = {key: model for key, model in study["models"].items() if key in used}
    study["hardware"]["vllm_tensor_parallel_of"] = {}
    return study


@pytest.fixture(scope="module")
def tinyllama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with ExitStack() as stack:
        api = stack.enter_context(serving(FakeApi()))
        study = scripted(small(shipped("studies/tinyllama-dpo")), api.address, "scripted")
        yield stack.enter_context(run(tmp_path_factory.mktemp("tinyllama"), study))


def test_tinyllama_runs_to_its_report(tinyllama: Study) -> None:
    check_methods(tinyllama, "studies/tinyllama-dpo")


def test_answers_before_and_after_stand_side_by_side(tinyllama: Study) -> None:
    examples = read_json(tinyllama.root / "results/analysis/examples.json")
    assert {"base", "sft", "dpo"} <= set(str(examples).replace("'", " ").split())


@pytest.fixture(scope="module")
def flagship(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with ExitStack() as stack:
        api = stack.enter_context(serving(FakeApi()))
        study = scripted(small(shipped("config")), api.address, "gpt-4o")
        study["sweeps"] |= {"methods": {"dpo": {"beta": [0.1, 0.3]}}, "problems": 2}
        study["sweeps"]["intervals"]["resamples"] = 200
        yield stack.enter_context(run(tmp_path_factory.mktemp("flagship"), study))


def test_the_flagship_runs_to_its_report(flagship: Study) -> None:
    chosen = read_json(flagship.root / "results/sweeps/logicbench/llama-3.1-8b/dpo/choice.json")
    assert chosen["trials"] == 2
    rows = read_csv(flagship.root / "results/analysis/accuracy.csv")
    assert {row["task"] for row in rows} == {"logicbench_sampled", "piqa", "logicbench_greedy"}
    check_methods(flagship, "config")
