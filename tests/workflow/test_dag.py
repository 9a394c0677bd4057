"""The jobs that the shipped studies plan, and how they depend on each other."""

import json
import subprocess
from collections import Counter
from copy import deepcopy

import pytest
import yaml

from tests.studies import ROOT, SNAKEMAKE, demo_config

DEMO_JOBS = {
    "generate_dataset": 3,  # logic, goals, puzzles
    "normalise_dataset": 3,
    "find_contamination": 1,  # of the one dataset trained on
    "pretrain_model": 1,
    "compare_prompts": 2,  # one teacher, two prompts
    "choose_prompts": 1,
    "sample_rationales": 2,  # shards
    "verify_rationales": 1,
    "build_preferences": 1,
    "train": 10,  # five methods, two seeds
    "evaluate": 4,  # tasks
    "evaluate_rewards": 2,  # seeds, on the one task that asks for it
    **{"estimate_scores": 1, "compare_methods": 1, "compare_subsets": 1, "estimate_rewards": 1},
    **{"collect_curves": 1, "collect_costs": 1, "collect_funnel": 1},
    **{"collect_examples": 1, "collect_provenance": 1},
    "plot": 7,
    "check_results": 1,
    "render_report": 1,
    "all": 1,
}
FLAGSHIP_JOBS = {
    **DEMO_JOBS,
    "fetch_dataset": 2,  # logicbench, piqa
    "normalise_dataset": 2,
    "fetch_model": 4,
    "compare_prompts": 6,  # three teachers, two prompts
    "sample_rationales": 24,  # three teachers, eight shards
    "train": 15,  # five methods, three seeds
    "evaluate": 3,
    "evaluate_rewards": 3,
}
ON_REQUEST = {"export_preferences"}  # a target of its own
# Where a dataset brings its pairs or texts along; where failed problems are asked again with a hint.
OF_OTHER_STUDIES = {"take_given_pairs", "take_prompts", "hint_failed", "ask_prompts", "ask_teacher"}
for generated in ("generate_dataset", "pretrain_model"):
    del FLAGSHIP_JOBS[generated]

DATA_EDGES = {
    ("normalise_dataset", "compare_prompts"),
    ("normalise_dataset", "choose_prompts"),
    ("normalise_dataset", "sample_rationales"),
    ("normalise_dataset", "verify_rationales"),
    ("normalise_dataset", "build_preferences"),
    ("normalise_dataset", "evaluate"),
    ("normalise_dataset", "find_contamination"),
    ("find_contamination", "compare_subsets"),
    ("evaluate", "compare_subsets"),
    ("normalise_dataset", "evaluate_rewards"),  # decides on the base's samples
    ("compare_prompts", "choose_prompts"),
    ("choose_prompts", "sample_rationales"),
    ("sample_rationales", "verify_rationales"),
    ("verify_rationales", "build_preferences"),
    ("build_preferences", "train"),
    ("train", "train"),
    ("train", "evaluate"),
    ("train", "evaluate_rewards"),
    ("evaluate", "evaluate_rewards"),
}


def plan(study: str, tmp_path) -> tuple[Counter[str], set[tuple[str, str]]]:
    """Return the jobs of a study and the edges between their rules."""
    command = [SNAKEMAKE, "--forceall", "--d3dag", "--configfile", str(ROOT / study), "--snakefile"]
    command += [str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    dag = json.loads(done.stdout)
    rule_of = {node["id"]: node["value"]["rule"] for node in dag["nodes"]}
    edges = {(rule_of[edge["u"]], rule_of[edge["v"]]) for edge in dag["links" if "links" in dag else "edges"]}
    return Counter(rule_of.values()), edges


@pytest.mark.parametrize(
    ("study", "jobs"), [("config/demo.yaml", DEMO_JOBS), ("config/config.yaml", FLAGSHIP_JOBS)]
)
def test_plan(study, jobs, tmp_path):
    counts, edges = plan(study, tmp_path)
    assert counts == jobs
    among = set().union(*DATA_EDGES)
    assert {edge for edge in edges if set(edge) <= among} == DATA_EDGES


def with_own(tmp_path, strategy: str, adapter: str, options: dict) -> str:
    """Write a study that trains on local files with a strategy of preferences; return its path."""
    source = {"name": "own", "kind": "local", "path": str(tmp_path), "files": ["*.jsonl"], "into": "all"}
    study = demo_config()
    study["datasets"]["own"] = {**deepcopy(study["datasets"]["goals"]), "sources": [source]}
    source |= {"adapter": adapter, "options": {"tokenizer": "tiny", **options}}
    study["train"]["datasets"] = ["own"]
    study["preferences"]["strategy"] = {"own": strategy}
    if strategy == "passages":
        study["study"]["primary"] |= {"method": "sft"}
        study["methods"] = {"sft": study["methods"]["sft"]}
    (tmp_path / "own.jsonl").write_text("{}\n")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    return str(tmp_path / "study.yaml")


@pytest.mark.parametrize(
    ("strategy", "adapter", "options", "rule"),
    [
        ("given", "stack_exchange", {"max_tokens": 99}, "take_given_pairs"),
        ("passages", "imdb", {"min_characters": 9, "prompt_tokens": 2}, "take_prompts"),
    ],
)
def test_a_dataset_with_pairs_or_texts_of_its_own_asks_no_teacher(tmp_path, strategy, adapter, options, rule):
    counts, edges = plan(with_own(tmp_path, strategy, adapter, options), tmp_path)
    assert counts[rule] == 1
    unasked = {
        "compare_prompts",
        "choose_prompts",
        "sample_rationales",
        "verify_rationales",
        "build_preferences",
    }
    assert not unasked & set(counts)
    assert {("normalise_dataset", rule), (rule, "train")} <= edges


def test_the_test_split_enters_at_evaluate_and_nowhere_else():
    text = "\n".join(p.read_text() for p in (ROOT / "rules").glob("*.smk") if p.stem != "data")
    readers = [line for line in text.splitlines() if "test.parquet" in line and '"""' not in line]
    assert [line.strip() for line in readers if not line.startswith("INPUT")] == [
        'return f"results/data/{dataset}/test.parquet"'
    ]


def test_list_of_rules_reads_as_a_menu():
    command = [SNAKEMAKE, "--list-rules", "--configfile", str(ROOT / "config/demo.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    rules = [line for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    planned = {*DEMO_JOBS, *FLAGSHIP_JOBS, *ON_REQUEST, *OF_OTHER_STUDIES}
    assert len(rules) == len(planned) + 1  # and `figures`


def test_the_headline_command_dry_runs_from_a_clone():
    command = [SNAKEMAKE, "--profile", "slurm", "results/report.html", "--dry-run", "--quiet", "rules"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "render_report" in done.stdout + done.stderr
