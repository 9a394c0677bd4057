"""The study's configuration: what is wrong with it is told with file, line, key and what to do."""

import copy
from pathlib import Path

import pytest
import yaml

from workflow.lib.balance import CONTROLS
from workflow.lib.config import load_schema, read_nodes, study_problems
from workflow.lib.datasets.registry import ADAPTERS
from workflow.lib.exports import WRITERS
from workflow.lib.pairing import MARGINS, PAIR_CHOICES, SFT_CHOICES
from workflow.lib.references import RECORDS, TAKES
from workflow.lib.sides import STRATEGIES

ROOT = Path(__file__).parents[2]
SCHEMA = load_schema(ROOT / "config/schemas/config.schema.yaml")
DEMO = ROOT / "config/demo.yaml"


def told(tmp_path: Path, old: str, new: str) -> list[str]:
    """Return the problems of the demo study after replacing ``old`` by ``new`` in its text."""
    text = DEMO.read_text()
    assert text.count(old) >= 1, f"the demo has no {old!r}"
    path = tmp_path / "study.yaml"
    path.write_text(text.replace(old, new, 1))
    return study_problems(yaml.safe_load(path.read_text()), SCHEMA, [path], ROOT)


@pytest.mark.parametrize(
    "study", sorted([*ROOT.glob("config/*.yaml"), *ROOT.glob("config/studies/*.yaml")]), ids=lambda p: p.stem
)
def test_shipped_studies_are_sound(study):
    assert study_problems(yaml.safe_load(study.read_text()), SCHEMA, [study], ROOT) == []


CASES = {
    "typo in a key": ("  dpo:\n", "  dop:\n", "methods.dop: not a known key. Did you mean 'dpo'?"),
    "text for a number": (
        "beta: 0.1",
        "beta: 1e-5",
        "methods.dpo.beta: expected number, found '1e-5'. Fix: write it as a number with a point",
    ),
    "word for a number": ("beta: 0.1", "beta: small", "methods.dpo.beta: expected number, found 'small'."),
    "negative": ("beta: 0.1", "beta: -0.1", "methods.dpo.beta: found -0.1"),
    "wrong enum": ("device: cpu", "device: tpu", "hardware.device: expected one of cpu, cuda, found 'tpu'."),
    "missing key": ("    beta: 0.1\n", "", "methods.dpo: key 'beta' is missing."),
    "unknown start": (
        "start_from: sft",
        "start_from: stf",
        "'stf' is not among methods. Did you mean 'sft'?",
    ),
    "missing prompt file": (
        "student: cot",
        "student: cott",
        "there is no file config/prompts/cott.j2. Did you mean 'cot'?",
    ),
    "a student shown solved examples": (
        "student: cot",
        "student: few_shot_cot",
        "prompts.student: prompt 'few_shot_cot' sees examples, which it may not here.",
    ),
    "a candidate shown the answer": (
        "candidates: [cot, direct]",
        "candidates: [cot, answer_conditioned]",
        "prompts.candidates[1]: prompt 'answer_conditioned' sees answer, which it may not here.",
    ),
    "a hint that shows no answer": (
        "hint_failed: null",
        "hint_failed: cot",
        "rationales.hint_failed: prompt 'cot' does not see the answer.",
    ),
    "a hint that is no file": (
        "hint_failed: null",
        "hint_failed: answer_conditionned",
        "there is no file config/prompts/answer_conditionned.j2. Did you mean 'answer_conditioned'?",
    ),
    "unknown rule of choice": ("rule: best_yield", "rule: best", "expected one of best_yield, cheapest_in"),
    "missing task file": (
        "logicbench/logicbench_bqa_sampled",
        "logicbench/other",
        "there is no file workflow/tasks/logicbench/other.yaml.",
    ),
    "name with a slash": ("  tiny:\n    kind: scratch", "  a/b:\n    kind: scratch", "models"),
    "kind": (
        "kind: scratch",
        "kind: skratch",
        "models.tiny.kind: expected one of scratch, local, hub, found 'skratch'",
    ),
    "batch": ("micro_batch: 16", "micro_batch: 7", "expected a multiple of hardware.micro_batch (7)"),
    "no for a name": ("student: cot", "student: no", "prompts.student: expected string, found False."),
    "repeated key": ("seeds: [1, 2]", "seeds: [1, 2]\nseeds: [3]", "key 'seeds' stands here and in line"),
    "alias": ("seeds: [1, 2]", "seeds: &a [1, 2]\nother: *a", "alias '*a'. Fix: write the value out."),
}


@pytest.mark.parametrize(("old", "new", "expected"), CASES.values(), ids=CASES.keys())
def test_one_clear_line(tmp_path, old, new, expected):
    problems = told(tmp_path, old, new)
    assert any(expected in line for line in problems), problems
    assert all(str(tmp_path / "study.yaml") in line for line in problems)


def test_the_line_number_is_that_of_the_key(tmp_path):
    (line,) = told(tmp_path, "beta: 0.1", "beta: 1e-5")
    number = 1 + (tmp_path / "study.yaml").read_text().split("beta: 1e-5")[0].count("\n")
    assert line.startswith(f"{tmp_path / 'study.yaml'}:{number}: ")


def test_a_dataset_without_a_strategy_is_told():
    study = yaml.safe_load(DEMO.read_text())
    study["train"]["datasets"] = ["goals"]
    (line,) = study_problems(study, SCHEMA, [DEMO], ROOT)
    assert "no strategy for dataset 'goals'" in line


def test_generated_and_fetched_files_do_not_mix_in_one_dataset(tmp_path):
    study = yaml.safe_load(DEMO.read_text())
    fetched = {"name": "own", "kind": "local", "path": str(tmp_path), "files": ["*"], "into": "all"}
    study["datasets"]["logic"]["sources"].append({**fetched, "adapter": "logicbench_bqa"})
    (line,) = study_problems(study, SCHEMA, [DEMO], ROOT)
    assert "datasets.logic.sources: expected generators only or none, found both." in line


def fetched(name: str, adapter: str, folder: Path) -> dict:
    """Return a source of local files."""
    local = {"kind": "local", "path": str(folder), "files": ["*"], "into": "all"}
    return {"name": name, "adapter": adapter, **local}


def test_sources_of_a_dataset_make_one_kind_of_record(tmp_path):
    study = yaml.safe_load(DEMO.read_text())
    mixed = [fetched("a", "logicbench_bqa", tmp_path), fetched("b", "r1_traces", tmp_path)]
    study["datasets"]["mixed"] = {**study["datasets"]["goals"], "sources": mixed}
    (line,) = study_problems(study, SCHEMA, [DEMO], ROOT)
    assert "datasets.mixed.sources: expected one kind of record, found Problem, Trace." in line


def test_training_and_tasks_need_problems(tmp_path):
    study = yaml.safe_load(DEMO.read_text())
    study["datasets"]["logic"]["sources"] = [fetched("a", "r1_traces", tmp_path)]
    lines = study_problems(study, SCHEMA, [DEMO], ROOT)
    assert len(lines) == 3  # trained on once, asked by two tasks
    assert all("expected a dataset of problems, found 'logic' of Trace." in line for line in lines)


def paired(strategy: str, adapter: str, folder: Path, **settings: str) -> list[str]:
    """Return what is wrong with a study that trains on local files with a strategy of preferences."""
    study = yaml.safe_load(DEMO.read_text())
    source = fetched("own", adapter, folder)
    told = {"tokenizer": "tiny", "max_tokens": 9}
    if adapter == "imdb":
        told = {"tokenizer": "tiny", "min_characters": 9, "prompt_tokens": 2}
    source |= {"options": told} if adapter in ("imdb", "stack_exchange") else {}
    study["datasets"]["own"] = {**study["datasets"]["goals"], "sources": [source]}
    study["train"]["datasets"] = ["own"]
    study["preferences"] |= {"strategy": {"own": strategy}, **settings}
    return study_problems(study, SCHEMA, [DEMO], ROOT)


MATCHES = {
    "right_vs_wrong": ("piqa", "stack_exchange", "problems"),
    "gold_vs_wrong": ("piqa", "imdb", "problems"),
    "votes": ("piqa", "r1_traces", "problems"),
    "given": ("stack_exchange", "piqa", "given pairs"),
}


@pytest.mark.parametrize("strategy", MATCHES)
def test_a_strategy_needs_its_kind_of_dataset(tmp_path, strategy):
    fits, differs, wanted = MATCHES[strategy]
    assert paired(strategy, fits, tmp_path) == []
    (line,) = paired(strategy, differs, tmp_path)
    assert f"train.datasets[0]: expected a dataset of {wanted}, found 'own' of" in line


def test_passages_make_no_pairs_to_learn_from(tmp_path):
    lines = paired("passages", "imdb", tmp_path)
    assert [line.split("methods.")[1].split(":")[0] for line in lines] == ["reward", "dpo", "orpo"]
    assert all(
        "strategy 'passages' of dataset 'own' makes none. Fix: leave the method out." in x for x in lines
    )


UNKNOWN = {
    ("given", "stack_exchange", "pair_choice", "hardest_negative"): "log-probabilities",
    ("given", "stack_exchange", "margin", "votes"): "votes",
    ("given", "stack_exchange", "margin", "logprob"): "log-probabilities",
    ("gold_vs_wrong", "piqa", "pair_choice", "hardest_negative"): "log-probabilities",
    ("gold_vs_wrong", "piqa", "margin", "logprob"): "log-probabilities",
    ("gold_vs_wrong", "piqa", "margin", "votes"): None,
    ("votes", "piqa", "margin", "logprob"): None,
    ("right_vs_wrong", "piqa", "pair_choice", "hardest_negative"): None,
}


@pytest.mark.parametrize(("given", "needed"), UNKNOWN.items(), ids=map("-".join, UNKNOWN))
def test_what_a_strategy_does_not_know_is_told(tmp_path, given, needed):
    strategy, adapter, key, value = given
    lines = paired(strategy, adapter, tmp_path, **{key: value})
    wanted = (
        f"preferences.{key}: '{value}' needs {needed}, and strategy '{strategy}' of dataset 'own' has none."
    )
    assert [wanted in line for line in lines] == ([] if needed is None else [True])


def test_the_names_in_the_schema_are_those_of_the_code():
    keys = SCHEMA["properties"]["preferences"]["properties"]
    named = {
        "pair_choice": PAIR_CHOICES,
        "sft_length": SFT_CHOICES,
        "margin": MARGINS,
        "length_control": CONTROLS,
    }
    for key, registry in named.items():
        assert keys[key]["enum"] == list(registry)
    assert (
        set(keys["strategy"]["additionalProperties"]["enum"])
        == {*STRATEGIES, "given", "passages"}
        == set(TAKES)
        == set(WRITERS)
    )


def test_the_kinds_of_record_are_those_of_the_registry():
    made = {name: adapter.kind.__name__ for name, adapter in ADAPTERS.items()}
    assert {name: kind for name, kind in made.items() if kind != "Problem"} == RECORDS
    assert set(SCHEMA["$defs"]["adapter"]["enum"]) == set(ADAPTERS)


def test_a_big_or_deep_file_is_refused(tmp_path):
    big, deep = tmp_path / "big.yaml", tmp_path / "deep.yaml"
    big.write_text("a: " + "x" * 1_000_001)
    deep.write_text("[" * 30 + "]" * 30)
    assert "Expected at most 1000000" in read_nodes(big)[1][0]
    assert "nested deeper" in read_nodes(deep)[1][0]


def test_the_demo_is_left_as_it_was():
    study = yaml.safe_load(DEMO.read_text())
    before = copy.deepcopy(study)
    study_problems(study, SCHEMA, [DEMO], ROOT)
    assert study == before


@pytest.mark.parametrize(
    ("old", "new"), [("margin: none", "margin: votes"), ("{logic: right_vs_wrong}", "{logic: votes}")]
)
def test_hinted_samples_do_not_go_with_what_counts_votes(tmp_path, old, new):
    study = DEMO.read_text().replace("hint_failed: null", "hint_failed: answer_conditioned")
    path = tmp_path / "hinted.yaml"
    path.write_text(study)
    assert study_problems(yaml.safe_load(study), SCHEMA, [path], ROOT) == []
    assert old in study
    counted = yaml.safe_load(study.replace(old, new))
    (problem,) = study_problems(counted, SCHEMA, [path], ROOT)
    assert "rationales.hint_failed: hinted samples would vote" in problem
