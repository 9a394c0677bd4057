"""The jobs that the shipped studies plan, and how they depend on each other."""

import re
import subprocess
from collections import Counter
from copy import deepcopy
from difflib import unified_diff

import pytest
import yaml

from tests.golden import FOLDER, STUDIES, golden_of, plan, read
from tests.studies import ROOT, SNAKEMAKE, demo_config

DEMO, FLAGSHIP = (read(golden_of(ROOT / f"config/{name}.yaml")) for name in ("demo", "config"))
ON_REQUEST = {"export_preferences", "merge_adapter", "push_adapter"}  # targets of their own
# Where a dataset brings its pairs or texts along; where failed problems are asked again with a hint.
OF_OTHER_STUDIES = {"take_given_pairs", "take_prompts", "hint_failed", "judge_rationales", "ask_judge"}
OF_OTHER_STUDIES |= {"judge_answers", "ask_judge_of_answers"}
OF_ROUNDS = {"sample_round", "hint_round", "verify_round", "pair_round", "check_round"}


@pytest.mark.parametrize("study", STUDIES, ids=[study.stem for study in STUDIES])
def test_each_study_plans_what_its_golden_file_says(study, tmp_path):
    """A difference is printed line by line; where it is meant, ``python tests/golden.py`` takes it over."""
    planned, golden = str(plan(study, tmp_path)), golden_of(study).read_text()
    differences = unified_diff(
        golden.splitlines(), planned.splitlines(), "golden", "planned", n=0, lineterm=""
    )
    assert planned == golden, "\n".join(differences)


def test_a_golden_file_says_what_a_study_multiplies():
    """Counted by hand from the config: methods, seeds, tasks, teachers, prompts, shards, trials."""
    assert (DEMO.jobs["train"], DEMO.jobs["evaluate"], DEMO.jobs["sample_rationales"]) == (5 * 2, 4, 1 * 2)
    assert (DEMO.jobs["compare_prompts"], DEMO.jobs["evaluate_rewards"]) == (1 * 2, 1 * 2)
    assert (FLAGSHIP.jobs["train"], FLAGSHIP.jobs["try_settings"]) == (5 * 3, 2 * 3 * 1)
    assert (FLAGSHIP.jobs["sample_rationales"], FLAGSHIP.jobs["ask_teacher"]) == (5 * 8, 1 * 8)
    # four policies beside the base, two seeds, four tasks; three start from SFT, and PPO has a reward model
    assert DEMO.pairs["train", "evaluate"] == 4 * 2 * 4
    assert DEMO.pairs["train", "train"] == (3 + 1) * 2
    assert {path.name for path in FOLDER.iterdir()} == {golden_of(study).name for study in STUDIES}


def test_only_the_reward_model_asks_for_a_file_of_one_policy(tmp_path):
    """Snakemake compares what is asked for with each of the two files that a policy has per task.

    Rules that read the answers of all policies ask for the index of an evaluation: more policies add nothing.
    """
    command = [SNAKEMAKE, "--dry-run", "--forceall", "--configfile", str(ROOT / "config/demo.yaml")]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    jobs = re.findall(r"rule (\w+):\n    input: (.*)\n    output: (.*)\n", done.stdout + done.stderr)
    made = {file for name, _, out in jobs if name.startswith("evaluate") for file in out.split(", ")}
    read = Counter((name, file) for name, given, _ in jobs for file in given.split(", ") if file in made)
    apart = {name for name, file in read if "/index/" not in file}
    assert apart == {"evaluate_rewards", "estimate_rewards", "write_crate"}  # the last two: of reward models
    assert all(
        "/reward/" in file
        for name, file in read
        if name in apart and "/base/" not in file and "/index/" not in file
    )
    assert len([file for name, file in read if name == "estimate_scores"]) == len(
        demo_config()["evaluation"]["tasks"]
    )


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
        study["evaluation"]["scorers"] = {}  # of which the only one is a reward model
        study["evaluation"]["tasks"]["logicbench_sampled"]["scorers"] = []
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
    planned = plan(with_own(tmp_path, strategy, adapter, options), tmp_path)
    assert planned.jobs[rule] == 1
    unasked = {
        "compare_prompts",
        "choose_prompts",
        "sample_rationales",
        "verify_rationales",
        "build_preferences",
    }
    assert not unasked & set(planned.jobs)
    assert {("normalise_dataset", rule), (rule, "train")} <= planned.edges


@pytest.mark.parametrize(
    ("by", "hint", "asked"),
    [
        (None, None, {"judge_rationales": 2, "ask_judge": 2}),  # two teachers, two shards: each its own
        ("tiny", "answer_conditioned", {"judge_rationales": 2, "hint_failed": 2}),
        ("far", None, {"ask_judge": 2}),
    ],
)
def test_judges_stand_between_what_they_read_and_what_reads_them(tmp_path, by, hint, asked):
    study = demo_config()
    flagship = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    study["teachers"]["far"] = flagship["teachers"]["gpt-4o"]
    compare = {"prompt": "sounder", "pairs": 1}
    study["rationales"] |= {
        "judge": {"by": by, "temperature": 0.0, "entails": "entails", "compare": compare},
        "hint_failed": hint,
    }
    judge = {"by": by or "tiny", "prompt": "better", "task": "logicbench_sampled"}
    study["evaluation"]["judge"] = {**judge, "temperature": 0.0, "problems": 9}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    planned = plan(str(tmp_path / "study.yaml"), tmp_path)
    rules = ("judge_rationales", "ask_judge", "hint_failed")
    assert {rule: planned.jobs[rule] for rule in rules if rule in planned.jobs} == asked
    for judge in asked.keys() - {"hint_failed"}:
        assert {("normalise_dataset", judge), (judge, "verify_rationales")} <= planned.edges
        samplers = {"judge_rationales": "sample_rationales", "ask_judge": "ask_teacher"}
        every = set(samplers.values()) if by else {samplers[judge]}
        both = {edge[0] for edge in planned.edges if edge[1] == judge and edge[0] in samplers.values()}
        assert both == every
    if hint:
        assert ("hint_failed", "judge_rationales") in planned.edges
    rule, models = ("ask_judge_of_answers", set()) if by == "far" else ("judge_answers", {"pretrain_model"})
    assert planned.jobs["judge_answers"] + planned.jobs["ask_judge_of_answers"] == 1  # one dataset, one model
    assert {edge for edge in planned.edges if {rule, "estimate_wins"} & set(edge)} == {
        *((before, rule) for before in ("evaluate", *models)),
        *((before, "estimate_wins") for before in ("evaluate", rule)),
        *(("estimate_wins", after) for after in ("check_results", "render_report", "write_crate")),
        ("estimate_wins", "collect_jobs"),
    }


@pytest.mark.parametrize(
    ("processes", "nodes", "asked_for"),
    [
        (2, 1, {"threads: 2", "gpu=2"}),
        (4, 2, {"threads: 2", "gpu=4", "nodes=2", "mpi=srun", "tasks=2", "slurm_extra=--gpus-per-node=2"}),
    ],
)
def test_a_training_asks_for_a_gpu_and_a_core_per_process(processes, nodes, asked_for, tmp_path):
    study = yaml.safe_load((ROOT / "config/studies/tinyllama-dpo.yaml").read_text())
    study["hardware"] |= {"processes": processes, "nodes": nodes, "deepspeed": "zero2"}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    command = [SNAKEMAKE, "--dry-run", "--cores", "4", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--configfile", str(tmp_path / "study.yaml"), "--directory", str(tmp_path), "--forceall"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    jobs = re.split(r"\n(?=rule )", done.stdout + done.stderr)
    asked = {name: [job for job in jobs if job.startswith(f"rule {name}:")] for name in ("train", "evaluate")}
    assert len(asked["train"]) == 2 * len(study["seeds"]) and asked["evaluate"]
    for job in asked["train"]:
        assert {word for word in asked_for if word in job} == asked_for
        assert ("nodes=" in job) == (nodes > 1)
    for job in asked["evaluate"]:
        assert "gpu=1" in job and "threads" not in job


def swept(tmp_path) -> str:
    """Write the demo with a sweep of ORPO, which starts from the base, and of PPO; return its path."""
    study = demo_config()
    study["sweeps"] = {
        "methods": {"orpo": {"lambda": [0.1, 0.3, 1.0]}, "ppo": {"kl_coefficient": [0.1, 0.2]}},
        **{"seed": 2, "task": "logicbench_greedy", "problems": 40, "rule": "best_accuracy"},
        "intervals": {"resamples": 200, "confidence": 0.95, "seed": 3},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    return str(tmp_path / "study.yaml")


SWEEP_RULES = {"try_settings", "score_trials", "choose_settings"}


def test_a_sweep_chooses_before_the_method_is_trained(tmp_path):
    planned = plan(swept(tmp_path), tmp_path)
    assert planned.jobs - DEMO.jobs == Counter(try_settings=5, score_trials=2, choose_settings=2)
    found = {edge for edge in planned.edges if set(edge) & SWEEP_RULES}
    assert found == {
        *[(above, "try_settings") for above in ("train", "build_preferences", "pretrain_model")],
        *[(above, "score_trials") for above in ("try_settings", "normalise_dataset", "pretrain_model")],
        *[("try_settings", "choose_settings"), ("score_trials", "choose_settings")],
        ("choose_settings", "train"),
        *[(above, "collect_sweeps") for above in ("choose_settings", "try_settings")],
    }


def test_trials_use_dev_and_adapters_of_their_own_seed_and_only_swept_methods_wait(tmp_path):
    command = [SNAKEMAKE, "--dry-run", "--forceall", "--configfile", swept(tmp_path), "--snakefile"]
    command += [str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    text = done.stdout + done.stderr
    jobs = re.findall(r"rule (\w+):\n    input: (.*)\n    output: (.*)\n", text)
    ours = [job for job in jobs if job[0] in SWEEP_RULES]
    assert len(ours) == 9
    assert not [job for job in ours if "test.parquet" in job[1]]
    assert all("results/data/logic/dev.parquet" in given for name, given, _ in ours if name == "score_trials")
    seeds = {seed for _, given, made in ours for seed in re.findall(r"seed-\d+", given + made)}
    assert seeds == {"seed-2"}
    waiting = {made.split("/")[4] for name, given, made in jobs if name == "train" and "choice.json" in given}
    assert waiting == {"orpo", "ppo"}
    chosen = [given for name, given, made in jobs if name == "train" and "/orpo/seed-1/" in made]
    assert ["results/sweeps/logic/tiny/orpo/choice.json" in given for given in chosen] == [True]


def with_rounds(tmp_path, hint: str | None) -> str:
    """Write the demo with three rounds of DPO and two of ORPO; return its path."""
    study = demo_config()
    sampled = {"samples": 4, "temperature": 0.7, "top_p": 1.0, "max_tokens": 64, "seed": 3}
    rounds = {"count": 3, "start_from": "previous", **sampled, "max_yield_drop": 0.1}
    study["rounds"] = {"dpo": rounds, "orpo": {**rounds, "count": 2, "start_from": "own"}}
    study["rationales"]["hint_failed"] = hint
    study["study"]["primary"] |= {"method": "dpo-round-3"}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    return str(tmp_path / "study.yaml")


def test_rounds_go_round_by_the_rules_of_the_first(tmp_path):
    planned = plan(with_rounds(tmp_path, None), tmp_path)
    # two more rounds of DPO and one of ORPO, for two seeds; samples in two shards
    each = {"verify_round": 6, "pair_round": 6, "check_round": 6, "train": 6}
    assert planned.jobs - DEMO.jobs == Counter(each | {"sample_round": 12})
    found = {edge for edge in planned.edges if set(edge) & OF_ROUNDS}
    assert found == {
        *[(above, "sample_round") for above in ("normalise_dataset", "pretrain_model", "train")],
        *[(above, "verify_round") for above in ("normalise_dataset", "sample_round")],
        *[(above, "pair_round") for above in ("normalise_dataset", "verify_round")],
        *[(above, "check_round") for above in ("verify_rationales", "verify_round", "pair_round")],
        *[("pair_round", "train"), ("check_round", "train"), ("pair_round", "check_results")],
        *[("check_round", reader) for reader in ("collect_funnel", "render_report", "write_crate")],
    }
    hinted = plan(with_rounds(tmp_path, "answer_conditioned"), tmp_path)
    assert hinted.jobs["hint_round"] == 12 and hinted.jobs["hint_failed"] == 2


def test_each_round_reads_the_files_of_the_round_before(tmp_path):
    command = [SNAKEMAKE, "--dry-run", "--forceall", "--configfile", with_rounds(tmp_path, None)]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    jobs = re.findall(r"rule (\w+):\n    input: (.*)\n    output: (.*)\n", done.stdout + done.stderr)

    def inputs(rule: str, output: str) -> set[str]:
        """Return what the one job of ``rule`` reads that writes ``output``."""
        (found,) = [given for name, given, made in jobs if name == rule and output in made.split(", ")]
        return set(found.split(", "))

    rounds, weights = "results/rounds/logic/tiny", "adapter_model.safetensors"
    second, third = (f"{rounds}/dpo/seed-1/round-{number}" for number in (2, 3))
    adapters = "results/adapters/logic/tiny"
    assert f"{adapters}/dpo/seed-1/{weights}" in inputs("sample_round", f"{second}/rationales/shard-0.jsonl")
    before = inputs("sample_round", f"{third}/rationales/shard-1.jsonl")
    assert f"{adapters}/dpo-round-2/seed-1/{weights}" in before
    assert "results/rationales/logic/verified.parquet" in inputs("check_round", f"{second}/card.json")
    assert f"{second}/rationales/verified.parquet" in inputs("check_round", f"{third}/card.json")
    trained = inputs("train", f"{adapters}/dpo-round-3/seed-1/{weights}")
    assert {f"{third}/preferences/pairs.parquet", f"{third}/card.json"} < trained
    assert f"{adapters}/dpo-round-2/seed-1/{weights}" in trained  # where it starts
    own = inputs("train", f"{adapters}/orpo-round-2/seed-2/{weights}")
    assert {f"{rounds}/orpo/seed-2/round-2/preferences/pairs.parquet"} < own
    assert not [path for path in own if path.startswith(adapters)]  # as ORPO itself: from the base


def test_an_adapter_of_a_teacher_is_fetched_once_and_sampled_as_a_teacher(tmp_path):
    study = demo_config()
    (tmp_path / "lora").mkdir()
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (tmp_path / "lora" / name).write_text("")
    adapter = {"kind": "local", "path": str(tmp_path / "lora")}
    study["teachers"]["tuned"] = {**study["teachers"]["tiny"], "kind": "adapter", "adapter": adapter}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    planned = plan(str(tmp_path / "study.yaml"), tmp_path)
    assert planned.jobs - DEMO.jobs == Counter(fetch_adapter=1, compare_prompts=2, sample_rationales=2)
    assert {edge for edge in planned.edges if "fetch_adapter" in edge} == {
        ("pretrain_model", "fetch_adapter"),
        *[("fetch_adapter", reader) for reader in ("compare_prompts", "sample_rationales")],
        *[("fetch_adapter", reader) for reader in ("collect_provenance", "write_crate")],
    }


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
    planned = {*DEMO.jobs, *FLAGSHIP.jobs, *ON_REQUEST, *OF_OTHER_STUDIES, *OF_ROUNDS, "fetch_adapter"}
    assert len(rules) == len(planned) + 2  # and `figures` and `check`


def test_the_headline_command_dry_runs_from_a_clone():
    command = [SNAKEMAKE, "--profile", "slurm", "results/report.html", "--dry-run", "--quiet", "rules"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "render_report" in done.stdout + done.stderr


def test_a_study_may_bring_its_own_style_sheet_for_all_figures(tmp_path):
    study = demo_config() | {"figures": {"style": "own.mplstyle"}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    command = [SNAKEMAKE, "figures", "--dry-run", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(tmp_path), "--configfile", str(tmp_path / "study.yaml")]
    (tmp_path / "own.mplstyle").write_text((ROOT / "workflow/report/figures.mplstyle").read_text())
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stderr[-3000:]
    jobs = re.findall(r"^rule plot:\n    input: (.+)$", found.stdout, re.MULTILINE)
    assert len(jobs) == DEMO.jobs["plot"]
    assert all(job.endswith(", own.mplstyle") for job in jobs)
