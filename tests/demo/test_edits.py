"""What runs again after an edit of a finished study: exactly what depends on it, rule by rule.

The sets are put together from the chain of the demo: one dataset to train on, one model, five methods, one of
them the reward model, two seeds, four tasks, one of them with a scorer and one asked again.
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.studies import Study, clone

pytestmark = pytest.mark.demo


def once(*rules: str) -> Counter[str]:
    return Counter(dict.fromkeys(rules, 1))


# From the end of the chain to its beginning: each line says what runs because of what stands above it, too.
PAGE = once("render_report", "write_crate")
# These hold the whole config. The list of jobs is made after all other tables, and has a figure.
TOLD = PAGE + once("collect_provenance", "write_methods", "check_results", "collect_jobs") + Counter(plot=1)
FUNNEL = once("collect_funnel") + Counter(plot=1)
READERS = once(
    *("estimate_scores", "compare_methods", "compare_subsets", "compare_categories", "rank_methods"),
    *("estimate_calibration", "estimate_lengths", "estimate_noise", "collect_examples", "pack_samples"),
)
# All that reads answers. Figures: accuracy, deltas, categories, reliability, selective, lengths; and, of the
# differences divided by costs, efficiency and scaling.
ANSWERED = READERS + once("estimate_efficiency") + Counter(plot=8) + TOLD
SCORED = once("score_answers", "estimate_frontier") + Counter(plot=1)
REWARDED = Counter(evaluate_rewards=2, estimate_rewards=1, plot=1)
EVALUATED = Counter(evaluate=4) + ANSWERED + SCORED + REWARDED
AGAIN = once("evaluate_again")
TRAINED = EVALUATED + AGAIN + once("collect_curves", "collect_costs") + Counter(plot=2)
ALIGNED = Counter(train=10) + TRAINED
PREFERRED = once("build_preferences") + FUNNEL + ALIGNED
CHOSEN = once("choose_prompts", "verify_rationales") + Counter(sample_rationales=2) + PREFERRED
ASKED = Counter(compare_prompts=2) + CHOSEN
TESTED = once("evaluate", "find_contamination", "collect_baselines") + FUNNEL + ANSWERED  # of PIQA's problems
DEMO = "config/demo.yaml"


@dataclass(frozen=True)
class Edit:
    """A change of one file, at its first ``old``, or at its end where there is none; and what runs then."""

    jobs: Counter[str]
    new: str
    old: str = ""
    path: str = DEMO


def appended(path: str, jobs: Counter[str], line: str = "EDITED = True") -> Edit:
    return Edit(jobs, f"\n{line}\n", path=path)


ORPO = """  orpo:
    learns_from: pairs
    start_from: base
    learning_rate: 2.0e-3
    epochs: 2
    batch_size: 16
    max_length: 192
    warmup_fraction: 0.1
    lambda: 0.1
"""
TASK = """    goals_again: {definition: piqa/piqa_goals, dataset: goals, metric: accuracy, rewards: false,
      scorers: [], max_new_tokens: 0}
"""
EDITS = {
    # the config
    "title": Edit(TOLD, 'title: "Another', 'title: "Plumbline'),
    "seed": Edit(
        Counter(train=5, evaluate_rewards=1) + TRAINED,
        "seeds: [1, 2, 3]",
        "seeds: [1, 2]",
    ),
    "method added": Edit(
        Counter(train=2) + TRAINED,
        ORPO.replace("orpo", "orpo-strong").replace("lambda: 0.1", "lambda: 0.5") + ORPO,
        ORPO,
    ),
    "method removed": Edit(TRAINED, "", ORPO),
    "setting of a method": Edit(Counter(train=2) + TRAINED, "beta: 0.2", "beta: 0.1"),
    # SFT, and what starts from it: all but ORPO
    "setting of SFT": Edit(Counter(train=8) + TRAINED, "epochs: 1", "epochs: 2"),
    "batch of the training": Edit(ALIGNED, "micro_batch: 8", "micro_batch: 16"),
    "batch of the evaluation": Edit(EVALUATED, "\n  evaluation_batch: 64", "\n  evaluation_batch: 128"),
    "batch of the noise floor": Edit(
        AGAIN + once("estimate_noise") + TOLD,
        "evaluation_batch: 40\n    backend",
        "evaluation_batch: 48\n    backend",
    ),
    "seed of the evaluation": Edit(EVALUATED + AGAIN, "seed: 1235", "seed: 1234"),
    "task added": Edit(once("evaluate", "collect_baselines") + ANSWERED, f"  tasks:\n{TASK}", "  tasks:\n"),
    "scorer of a task": Edit(
        SCORED + TOLD, "rewards: false, scorers: [reward]", "rewards: false, scorers: []"
    ),
    "teacher": Edit(ASKED, "samples: 6, temperature: 0.8", "samples: 6, temperature: 0.7"),
    "preferences": Edit(PREFERRED, "margin: none\n  seed: 6", "margin: none\n  seed: 5"),
    # The split flips labels where they are made, and baselines are of the split.
    "share of a split": Edit(
        once("generate_dataset", "normalise_dataset", "find_contamination", "collect_baselines") + ASKED,
        "dev: 0.2",
        "dev: 0.15",
    ),
    "near duplicates": Edit(
        once("normalise_dataset") + TESTED,
        "test: 1.0}\n    near_duplicates: {words: 4",
        "test: 1.0}\n    near_duplicates: {words: 3",
    ),
    "resamples": Edit(
        READERS
        + once("estimate_rewards", "estimate_frontier", "estimate_wins", "estimate_efficiency")
        + Counter(plot=10)  # the eight of the answers, rewards and frontier
        + TOLD,
        "analysis:\n  resamples: 1000",
        "analysis:\n  resamples: 2000",
    ),
    # deltas, and what is divided by costs
    "primary comparison": Edit(
        once("compare_methods", "estimate_efficiency") + Counter(plot=3) + TOLD,
        "method: dpo, against: sft",
        "method: dpo, against: base",
    ),
    "price": Edit(
        once("collect_costs", "estimate_efficiency") + Counter(plot=3) + TOLD,
        "usd_per_gpu_hour: 2.0",
        "usd_per_gpu_hour: null",
    ),
    # files that rules read
    "prompt": appended(
        "config/prompts/cot.j2", once("compare_prompts") + CHOSEN, "Think twice."
    ),  # one of the two candidates, and the student's
    "task definition": appended(
        "workflow/tasks/puzzlebench/puzzlebench.yaml", once("evaluate") + ANSWERED, "# edited"
    ),
    "page": appended("workflow/report/report.html.j2", PAGE, "<!-- edited -->"),
    "style": appended("workflow/report/figures.mplstyle", Counter(plot=15) + PAGE, "font.size: 8"),
    # code
    "one figure": appended("workflow/scripts/plot_costs.py", once("plot") + PAGE),
    # Names of methods, as the samples, the methods and the lanes of jobs have them too.
    "figures": appended(
        "workflow/lib/figures.py",
        Counter(plot=15) + once("pack_samples", "write_methods", "collect_jobs", "check_results") + PAGE,
    ),
    "module of training": appended("workflow/lib/rollouts.py", Counter(train=2) + TRAINED),  # of PPO
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edit_runs_what_depends_on_it_and_nothing_else(study: Study, edit: Edit) -> None:
    text = (study.root / edit.path).read_text()
    study.change(edit.path, edit.old or text, edit.new if edit.old else text + edit.new)
    assert study.planned() == edit.jobs


def test_a_new_beta_is_trained_for_the_method_that_has_it(study: Study) -> None:
    study.change(DEMO, "beta: 0.1", "beta: 0.2")
    told = study.run("--dry-run").splitlines()
    trained = [Path(line.split()[-1]).parent.name for line in told if "log: results/logs/train/" in line]
    assert trained == ["dpo", "dpo"]


def test_other_bytes_of_a_data_file_run_what_depends_on_them(demo: Study) -> None:
    """The manifest of PIQA's raw files is read by its problems, which nothing is trained on."""
    path = demo.root / "results/raw/goals/manifest.json"
    content, times = path.read_bytes(), path.stat()
    path.write_bytes(content + b"\n")
    try:
        assert demo.planned() == once("normalise_dataset") + TESTED
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_what_decides_no_result_runs_nothing(study: Study, tmp_path: Path) -> None:
    """File times, remarks, layout, cores, sites, code that the study does not use, a change taken back."""
    for path in (p for folder in ("rules", "workflow", "config") for p in (study.root / folder).rglob("*.*")):
        os.utime(path)
    for path in ("workflow/lib/training.py", "rules/training.smk", DEMO, "workflow/scripts/evaluate.py"):
        (study.root / path).write_text((study.root / path).read_text() + "\n# a remark\n")
    study.change("workflow/scripts/train_dpo.py", '    """', '\n    """')
    study.change("workflow/scripts/fetch_dataset.py", "import", "import os\nimport")
    study.change("rules/models.smk", "threads: 2", "threads: 1")
    study.change("rules/training.smk", "Train one adapter", "Train an adapter")
    study.change("envs/vllm.yaml", "jinja2==", "jinja3==")  # nothing is activated without --sdm conda
    study.change("slurm/site.yaml", "most_mem_mb: ", "most_mem_mb: 1")
    study.change(DEMO, "beta: 0.1", "beta: 0.2")
    study.change(DEMO, "beta: 0.2", "beta: 0.1")
    assert study.planned("--cores", "1") == Counter()


def test_a_clone_of_the_sources_runs_nothing(demo: Study, tmp_path: Path) -> None:
    other = clone(tmp_path / "clone", *demo.configfiles)
    for name in ("results", ".snakemake"):
        (other.root / name).symlink_to(demo.root / name)
    assert other.planned() == Counter()
