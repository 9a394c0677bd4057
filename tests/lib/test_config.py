"""The study's configuration: what is wrong with it is told with file, line, key and what to do."""

import copy
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from workflow.lib.balance import CONTROLS
from workflow.lib.config import load_schema, read_nodes, study_problems
from workflow.lib.datasets.registry import ADAPTERS
from workflow.lib.exports import WRITERS
from workflow.lib.pairing import MARGINS, PAIR_CHOICES, SFT_CHOICES
from workflow.lib.references import RECORDS, TAKES
from workflow.lib.sides import STRATEGIES
from workflow.lib.signals import FLAGS

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


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


DUELS = "{by: tiny, prompt: better, task: logicbench_greedy, temperature: 0.0, problems: 40}"
CASES = {
    "no such trainer": ("  dpo:\n", "  dpo_ipo:\n", "methods.dpo_ipo: not a known key. Did you mean 'dpo'?"),
    "typo in a key": ("  dpo:\n", "  dop:\n", "methods.dop: not a known key. Did you mean 'dpo'?"),
    "text for a number": (
        "beta: 0.1",
        "beta: 1e-5",
        "methods.dpo.beta: expected number, found '1e-5'. Fix: write it as a number with a point",
    ),
    "word for a number": ("beta: 0.1", "beta: small", "methods.dpo.beta: expected number, found 'small'."),
    "negative": ("beta: 0.1", "beta: -0.1", "methods.dpo.beta: found -0.1"),
    "more processes than share a batch": (
        "processes: 1",
        "processes: 3",
        "methods.sft.batch_size: expected a multiple of hardware.micro_batch × hardware.processes (48)",
    ),
    "more nodes than processes": (
        "nodes: 1",
        "nodes: 2",
        "hardware.nodes: expected a divisor of hardware.processes (1), found 2.",
    ),
    "processes and a method that draws its own answers": (
        "processes: 1\n",
        "processes: 2\n",
        "hardware.processes: 'ppo' draws its own answers, in one process.",
    ),
    "DeepSpeed and a method that draws its own answers": (
        "deepspeed: none",
        "deepspeed: zero2",
        "hardware.deepspeed: 'ppo' draws its own answers, in one process.",
    ),
    "4 bits computed in float32": (
        "quantisation: none",
        "quantisation: nf4",
        "hardware.precision: expected bfloat16 with 4-bit weights",
    ),
    "4 bits shared out": (
        "deepspeed: none\n  precision: float32\n  quantisation: none",
        "deepspeed: zero3\n  precision: bfloat16\n  quantisation: nf4",
        "hardware.deepspeed: 4-bit weights cannot be shared out.",
    ),
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
    "an unknown judge": (
        "judge: null",
        "judge: {by: tinny, temperature: 0.0, entails: entails, compare: null}",
        "rationales.judge.by: 'tinny' is not among teachers. Did you mean 'tiny'?",
    ),
    "a judge that is shown no steps": (
        "judge: null",
        "judge: {by: null, temperature: 0.0, entails: cot, compare: null}",
        "rationales.judge.entails: prompt 'cot' does not see the steps and the stated.",
    ),
    "a judge that is shown one of two": (
        "judge: null",
        "judge: {by: null, temperature: 0.0, entails: entails, compare: {prompt: entails, pairs: 1}}",
        "rationales.judge.compare.prompt: prompt 'entails' sees stated, steps, which it may not here.",
    ),
    "a judge without a prompt": (
        "judge: null",
        "judge: {by: null, temperature: 0.0, compare: null}",
        "rationales.judge: key 'entails' is missing.",
    ),
    "an unknown judge of answers": (
        "judge: null\n  scorers",
        f"judge: {DUELS.replace('tiny', 'tinny')}\n  scorers",
        "evaluation.judge.by: 'tinny' is not among teachers. Did you mean 'tiny'?",
    ),
    "a judge of answers to no task": (
        "judge: null\n  scorers",
        f"judge: {DUELS.replace('_greedy', '_gready')}\n  scorers",
        "evaluation.judge.task: 'logicbench_gready' is not among evaluation.tasks. Did you mean",
    ),
    "a judge of options": (
        "judge: null\n  scorers",
        f"judge: {DUELS.replace('logicbench_greedy', 'piqa')}\n  scorers",
        "evaluation.judge.task: 'piqa' scores options and has no answers in words.",
    ),
    "a judge of answers that is shown explanations": (
        "judge: null\n  scorers",
        f"judge: {DUELS.replace('better', 'sounder')}\n  scorers",
        "evaluation.judge.prompt: prompt 'sounder' sees choices, context, question, which it may not here.",
    ),
    "a judge of answers that is shown none": (
        "judge: null\n  scorers",
        f"judge: {DUELS.replace('better', 'nothing')}\n  scorers",
        "evaluation.judge.prompt: there is no file config/prompts/nothing.j2.",
    ),
    "a judge of no problem": (
        "judge: null\n  scorers",
        f"judge: {DUELS.replace('40', '0')}\n  scorers",
        "evaluation.judge.problems: found 0.",
    ),
    "a candidate shown a rationale": (
        "candidates: [cot, direct]",
        "candidates: [cot, entails]",
        "prompts.candidates[1]: prompt 'entails' sees stated, steps, which it may not here.",
    ),
    "a flag that nobody gives": (
        "  drop: []",
        "  drop: [unsupported]",
        "rationales.drop[0]: nobody gives the flag 'unsupported'. Fix: set rationales.judge,",
    ),
    "GPUs of an unknown teacher": (
        "vllm_tensor_parallel_of: {}",
        "vllm_tensor_parallel_of: {tinny: 2}",
        "'tinny' is not among teachers. Did you mean 'tiny'?",
    ),
    "unknown measure of agreement": (
        "ambiguous_by: vote_share",
        "ambiguous_by: entropy",
        "rationales.ambiguous_by: expected one of vote_share, untold, found 'entropy'.",
    ),
    "unknown rule of choice": ("rule: best_yield", "rule: best", "expected one of best_yield, cheapest_in"),
    "missing task file": (
        "logicbench/logicbench_bqa_sampled",
        "logicbench/other",
        "there is no file workflow/tasks/logicbench/other.yaml.",
    ),
    "missing chat template": (
        "  tiny:\n    kind: scratch",
        "  base: {kind: local, path: ., chat_template: plan}\n  tiny:\n    kind: scratch",
        "models.base.chat_template: there is no file config/templates/plan.jinja. Did you mean 'plain'?",
    ),
    "name with a slash": ("  tiny:\n    kind: scratch", "  a/b:\n    kind: scratch", "models"),
    "kind": (
        "kind: scratch",
        "kind: skratch",
        "models.tiny.kind: expected one of scratch, local, hub, found 'skratch'",
    ),
    "batch": ("micro_batch: 16", "micro_batch: 7", "expected a multiple of hardware.micro_batch (7)"),
    "a reward by a method that gives none": (
        "weight: 1.0, method: reward}",
        "weight: 1.0, method: dpo}",
        "methods.ppo.rewards[0].method: 'dpo' is not a method that trains a reward model. Known: reward.",
    ),
    "a reward held out and optimised": (
        "held_out: null",
        "held_out: reward",
        "methods.ppo.held_out: 'reward' is optimised. Fix: name another, or null.",
    ),
    "a reward held out that is none": (
        "held_out: null",
        "held_out: sft",
        "methods.ppo.held_out: 'sft' is not a",
    ),
    "a value on a reward model where none is optimised": (
        "      - {kind: adapter, weight: 1.0, method: reward}\n    held_out: null\n    value: shared",
        "      - {kind: verifier, weight: 1.0, unparsed: 0.0}\n    held_out: reward\n    value: reward",
        "methods.ppo.value: 'reward' reads the first reward of kind adapter, and there is none. Fix: take",
    ),
    "unknown kind of reward": (
        "{kind: adapter, weight: 1.0",
        "{kind: adaptor, weight: 1.0",
        "methods.ppo.rewards[0].kind: expected one of adapter, classifier, verifier, found 'adaptor'",
    ),
    "unknown classifier": (
        "{kind: adapter, weight: 1.0, method: reward}",
        "{kind: classifier, weight: 1.0, model: bert, label: POSITIVE, output: logit, text: whole}",
        "methods.ppo.rewards[0].model: 'bert' is not among models.",
    ),
    "a scorer that trains no reward model": (
        "reward: {kind: adapter, method: reward}",
        "reward: {kind: adapter, method: dpo}",
        "evaluation.scorers.reward.method: 'dpo' is not a method that trains a reward model. Known: reward.",
    ),
    "a scorer that is no method": (
        "reward: {kind: adapter, method: reward}",
        "reward: {kind: adapter, method: rewards}",
        "evaluation.scorers.reward.method: 'rewards' is not among methods. Did you mean 'reward'?",
    ),
    "an unknown scorer": (
        "scorers: [reward]",
        "scorers: [rewards]",
        "evaluation.tasks.logicbench_sampled.scorers[0]: 'rewards' is not among evaluation.scorers. Did you",
    ),
    "a scorer of an unknown model": (
        "reward: {kind: adapter, method: reward}",
        "reward: {kind: classifier, model: bert, label: POSITIVE, output: logit, text: whole}",
        "evaluation.scorers.reward.model: 'bert' is not among models.",
    ),
    "a metric by scorers without one": (
        "dataset: puzzles, metric: accuracy",
        "dataset: puzzles, metric: reward",
        "evaluation.tasks.puzzles.scorers: nobody scores the answers. Fix: name a scorer.",
    ),
    "a metric by scorers of problems": (
        "dataset: puzzles, metric: accuracy",
        "dataset: puzzles, metric: reward",
        "evaluation.tasks.puzzles.dataset: ",
    ),
    "answers that are neither right nor wrong, ranked": (
        "dataset: logic, metric: accuracy, rewards: true",
        "dataset: logic, metric: reward, rewards: true",
        "evaluation.tasks.logicbench_sampled.rewards: no answer is right or wrong, so none can be ranked.",
    ),
    "answers that are neither right nor wrong, as the primary": (
        "dataset: logic, metric: accuracy, rewards: true",
        "dataset: logic, metric: reward, rewards: true",
        "study.primary.task: the answers to 'logicbench_sampled' are neither right nor wrong. Fix: name",
    ),
    "answers that are neither right nor wrong, asked again": (
        "dataset: logic, metric: accuracy, rewards: false",
        "dataset: logic, metric: reward, rewards: false",
        "evaluation.noise_floor.task: the answers to 'logicbench_greedy' are neither right nor wrong.",
    ),
    "asked again in the same batches": (
        "evaluation_batch: 48",
        "evaluation_batch: 128",
        "evaluation.noise_floor.evaluation_batch: expected another number than hardware.evaluation_batch",
    ),
    "asked again on no task": (
        "task: logicbench_greedy\n    evaluation_batch",
        "task: logicbench_greed\n    evaluation_batch",
        "evaluation.noise_floor.task: 'logicbench_greed' is not among evaluation.tasks. Did you mean",
    ),
    "unknown control": (
        "{kind: fixed}",
        "{kind: fix}",
        "methods.ppo.kl_control.kind: expected one of fixed, adap",
    ),
    "an alarm that is missing": (
        ", most_repetition: 0.9",
        "",
        "methods.ppo.alarms: key 'most_repetition' is miss",
    ),
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


REFUSED = {
    "ipo told of wrong labels": (
        "loss: sigmoid\n    label_smoothing: 0.0",
        "loss: ipo\n    label_smoothing: 0.1",
        "methods.dpo.label_smoothing: loss 'ipo' with 0.1: it takes none. Fix: set it to 0.0",
    ),
    "robust, told of none": (
        "loss: sigmoid\n",
        "loss: robust\n",
        "methods.dpo.label_smoothing: loss 'robust' with 0.0: that is sigmoid. Fix: give the share",
    ),
    "half of the labels wrong": (
        "label_smoothing: 0.0",
        "label_smoothing: 0.5",
        "methods.dpo.label_smoothing: found 0.5",
    ),
    "a loss that is none": (
        "loss: sigmoid",
        "loss: sigmoidal",
        "methods.dpo.loss: expected one of sigmoid, robust, ipo, found 'sigmoidal'. Did you mean 'sigmoid'?",
    ),
    "a margin that nothing makes": (
        "margin: false",
        "margin: true",
        "methods.reward.margin: preferences.margin is none, so no pair has a margin.",
    ),
    "a negative weight": ("centring: 0.0", "centring: -0.01", "methods.reward.centring: found -0.01"),
    "a word for a switch": (
        "packing: false",
        "packing: bfd",
        "methods.sft.packing: expected boolean, found 'bfd'.",
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_settings_that_do_not_go_together_are_refused(tmp_path, old, new, expected):
    (line,) = told(tmp_path, old, new)
    assert expected in line


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("label_smoothing: 0.0", "label_smoothing: 0.1"),
        ("loss: sigmoid\n    label_smoothing: 0.0", "loss: robust\n    label_smoothing: 0.49"),
        ("loss: sigmoid\n", "loss: ipo\n"),
        ("centring: 0.0", "centring: 0.01"),
        ("packing: false", "packing: true"),
    ],
)
def test_settings_that_go_together_are_taken(tmp_path, old, new):
    assert told(tmp_path, old, new) == []


def test_a_margin_that_is_made_may_count(tmp_path):
    text = (
        DEMO.read_text()
        .replace("  margin: none", "  margin: logprob")
        .replace("margin: false", "margin: true")
    )
    path = tmp_path / "study.yaml"
    path.write_text(text)
    assert study_problems(yaml.safe_load(text), SCHEMA, [path], ROOT) == []


def test_a_sweep_needs_answers_that_are_right_or_wrong():
    study = yaml.safe_load(DEMO.read_text())
    study["sweeps"] = {
        "methods": {"dpo": {"beta": [0.1, 0.3]}},
        **{"seed": 1, "task": "logicbench_greedy", "problems": 40, "rule": "best_accuracy"},
        "intervals": {"resamples": 200, "confidence": 0.95, "seed": 3},
    }
    assert study_problems(study, SCHEMA, [DEMO], ROOT) == []
    study["evaluation"]["tasks"]["logicbench_greedy"] |= {"metric": "reward", "scorers": ["reward"]}
    told = study_problems(study, SCHEMA, [DEMO], ROOT)
    expected = "sweeps.task: the answers to 'logicbench_greedy' are neither right nor wrong."
    assert any(expected in line for line in told)


def test_nothing_need_be_asked_again_or_scored():
    study = yaml.safe_load(DEMO.read_text())
    study["evaluation"] |= {"noise_floor": None, "scorers": {}}
    for task in study["evaluation"]["tasks"].values():
        task["scorers"] = []
    assert study_problems(study, SCHEMA, [DEMO], ROOT) == []


SINGLES = {
    "kto": {"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0},
    "simpo": {"beta": 2.0, "gamma": 1.0},
}


@pytest.mark.parametrize("name", SINGLES)
def test_methods_that_the_demo_does_not_run_are_known(tmp_path, name):
    study = yaml.safe_load(DEMO.read_text())
    orpo = {key: value for key, value in study["methods"]["orpo"].items() if key != "lambda"}
    study["methods"] |= {name: orpo | SINGLES[name], f"{name}-short": orpo | SINGLES[name] | {"epochs": 1}}
    assert study_problems(study, SCHEMA, [DEMO], ROOT) == []
    study["methods"][name] |= {"lambda": 0.1}
    (line,) = study_problems(study, SCHEMA, [DEMO], ROOT)
    assert f"methods.{name}.lambda: not a known key." in line


GROUPED = {
    "learns_from": "prompts",
    "start_from": "sft",
    "rewards": [{"kind": "verifier", "weight": 1.0, "unparsed": 0.0}],
    "held_out": "reward",
    "group_size": 8,
    "learning_rate": 1e-6,
    "epochs": 1,
    "batch_size": 64,
    "epochs_per_batch": 2,
    "max_length": 512,
    "max_new_tokens": 256,
    "warmup_fraction": 0.1,
    "temperature": 1.0,
    "beta": 0.0,
    "clip_range": 0.2,
    "missing_eos_penalty": 0.0,
}


def with_groups(rollouts: str = "transformers", **changes) -> list[str]:
    """Return what is wrong with the demo study plus GRPO and RLOO, told without the file."""
    study = yaml.safe_load(DEMO.read_text())
    study["hardware"]["rollouts"] = rollouts
    study["methods"]["grpo-dr"] = GROUPED | {"loss": "dr_grpo"} | changes
    study["methods"]["rloo"] = dict(GROUPED)
    return [line.partition(": ")[2] for line in study_problems(study, SCHEMA, [DEMO], ROOT)]


def test_methods_on_groups_are_known_and_their_batches_are_whole_groups() -> None:
    assert with_groups() == []
    (line,) = with_groups(group_size=5)
    assert "methods.grpo-dr.batch_size: expected a multiple of group_size (5), found 64" in line
    (line,) = with_groups(epochs_per_batch=3)
    assert "methods.grpo-dr.batch_size: expected a multiple of epochs_per_batch (3), found 64" in line
    (line,) = with_groups(group_size=1)
    assert "methods.grpo-dr.group_size" in line
    (line,) = with_groups(held_out="sft")
    assert "methods.grpo-dr.held_out: 'sft' is not a method that trains a reward model" in line
    (line,) = with_groups(alarms={})
    assert "methods.grpo-dr.alarms: not a known key." in line


def test_methods_on_groups_do_not_draw_by_vllm() -> None:
    lines = with_groups("vllm")
    assert len(lines) == 2
    for name, line in zip(("grpo-dr", "rloo"), lines, strict=True):
        assert f"hardware.rollouts: '{name}' draws its answers by transformers: TRL 1.16 takes vLLM" in line


def test_completions_come_in_even_numbers():
    study = yaml.safe_load(DEMO.read_text())
    orpo = {key: value for key, value in study["methods"]["orpo"].items() if key != "lambda"}
    study["methods"]["kto"] = orpo | SINGLES["kto"] | {"batch_size": 15}
    study["hardware"]["micro_batch"] = 5
    lines = study_problems(study, SCHEMA, [DEMO], ROOT)
    assert any("methods.kto.batch_size: found 15" in line for line in lines), lines


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


ROUNDS = {"count": 2, "start_from": "previous", "samples": 4, "temperature": 0.7, "top_p": 1.0}
ROUNDS |= {"max_tokens": 64, "seed": 3, "max_yield_drop": 0.1}


def with_rounds(*methods: str, **changes) -> list[str]:
    """Return what is wrong with the demo study once ``methods`` go on in rounds, told without the file."""
    study = yaml.safe_load(DEMO.read_text())
    study["rounds"] = {method: {**ROUNDS, **changes} for method in methods}
    study["study"]["primary"]["method"] = "dpo-round-2"
    return [line.partition(": ")[2] for line in study_problems(study, SCHEMA, [DEMO], ROOT)]


def test_rounds_of_methods_on_pairs_and_completions_are_sound() -> None:
    assert with_rounds("dpo", "orpo", "sft") == []


@pytest.mark.parametrize(
    ("methods", "changes", "expected"),
    [
        (["dpo", "reward"], {}, "rounds.reward: a reward model gives no answers. Fix: leave it out."),
        (["dpo", "ppo"], {}, "rounds.ppo: 'ppo' learns from prompts, which stay the same in every round."),
        (["dpo", "dpoo"], {}, "rounds.dpoo: 'dpoo' is not among methods. Did you mean 'dpo'?"),
        (["dpo", "base"], {}, "rounds.base: 'base' is not among methods."),
        (["dpo"], {"count": 1}, "rounds.dpo.count: found 1."),
        (["dpo"], {"start_from": "sft"}, "rounds.dpo.start_from: expected one of previous, own, found 'sft'"),
        (["orpo"], {}, "study.primary.method: 'dpo-round-2' is not among methods. Did you mean"),
    ],
)
def test_a_round_that_cannot_be_is_told(methods, changes, expected) -> None:
    lines = with_rounds(*methods, **changes)
    assert len(lines) == 1 and expected in lines[0], lines


def test_rounds_need_samples_and_a_name_of_their_own(tmp_path) -> None:
    study = yaml.safe_load(DEMO.read_text())
    study["rounds"] = {"dpo": ROUNDS}
    study["preferences"]["strategy"]["logic"] = "gold_vs_wrong"
    study["methods"]["dpo-round-2"] = study["methods"]["dpo"]
    lines = study_problems(study, SCHEMA, [DEMO], ROOT)
    silent = "strategy 'gold_vs_wrong' of dataset 'logic' does not learn from samples"
    assert any(silent in line for line in lines)
    assert any("methods.dpo-round-2: a round has the name 'dpo-round-2'. Fix: name" in x for x in lines)
    assert len(lines) == 2


def test_the_adapter_of_a_teacher_is_looked_for(tmp_path) -> None:
    study = yaml.safe_load(DEMO.read_text())
    adapter = {"kind": "local", "path": str(tmp_path)}
    study["teachers"]["tuned"] = {**study["teachers"]["tiny"], "kind": "adapter", "adapter": adapter}
    assert study_problems(study, SCHEMA, [DEMO], ROOT) == []
    adapter["path"] += "/absent"
    study["teachers"]["tuned"]["model"] = "tini"
    model, folder = (line.partition(": ")[2] for line in study_problems(study, SCHEMA, [DEMO], ROOT))
    assert model == "teachers.tuned.model: 'tini' is not among models. Did you mean 'tiny'?"
    assert folder.startswith("teachers.tuned.adapter.path: there is no folder")


SWEEP = {
    "methods": {"dpo": {"beta": [0.1, 0.3], "learning_rate": [5.0e-4, 1.0e-3]}},
    "seed": 1,
    "task": "logicbench_greedy",
    "problems": 40,
    "rule": "best_accuracy",
    "intervals": {"resamples": 200, "confidence": 0.95, "seed": 3},
}


def swept(**changes) -> list[str]:
    """Return what is wrong with the demo study once it sweeps settings, told without the file."""
    study = yaml.safe_load(DEMO.read_text())
    study["sweeps"] = {**SWEEP, **changes}
    lines = study_problems(study, SCHEMA, [DEMO], ROOT)
    return [line.partition(": ")[2] for line in lines]


def test_a_sound_sweep_is_let_through():
    assert swept() == []
    assert swept(methods={"ppo": {"kl_coefficient": [0.0, 0.1]}, "orpo": {"lambda": [0.1, 1]}}) == []


SWEEPS = {
    "a setting that is none": (
        {"methods": {"dpo": {"betta": [0.1, 0.3]}}},
        ["sweeps.methods.dpo.betta: 'betta' is not a setting of 'dpo' that can be swept. Did you mean 'be"],
    ),
    "what a method learns from": (
        {"methods": {"dpo": {"start_from": ["base", "sft"]}}},
        ["sweeps.methods.dpo.start_from: 'start_from' is not a setting of 'dpo' that can be swept."],
    ),
    "a value out of bounds": (
        {"methods": {"dpo": {"beta": [0.1, -0.3], "learning_rate": [5.0e-4, 1.0e-3]}}},
        ["sweeps.methods.dpo.beta: found -0.3. Expected: "],
    ),
    "text for a number": (
        {"methods": {"dpo": {"learning_rate": [1.0e-3, "5e-4"]}}},
        ["sweeps.methods.dpo.learning_rate: expected number, found '5e-4'. Fix: write it as a number"],
    ),
    "a batch that cannot be divided": (
        {"methods": {"dpo": {"batch_size": [16, 24]}}},
        ["sweeps.methods.dpo.batch_size: expected a multiple of hardware.micro_batch (16), found 24"],
    ),
    "a list for a value": (
        {"methods": {"dpo": {"beta": [0.1, [0.3]]}}},
        ["sweeps.methods.dpo.beta[1]: found [0.3]. Expected: A value that the method allows."],
    ),
    "one value": (
        {"methods": {"dpo": {"beta": [0.1]}}},
        ["sweeps.methods.dpo.beta: found [0.1]. Expected: "],
    ),
    "no method": (
        {"methods": {"dop": {"beta": [0.1, 1.0]}}},
        ["sweeps.methods.dop: 'dop' is not among methods."],
    ),
    "base": (
        {"methods": {"base": {"beta": [0.1, 1.0]}}},
        ["sweeps.methods.base: 'base' is not among methods."],
    ),
    "a reward model": (
        {"methods": {"reward": {"epochs": [1, 2]}}},
        ["sweeps.methods.reward: a reward model gives no answers to choose by."],
    ),
    "too many": (
        {"methods": {"dpo": {"epochs": [1, 2, 3], "beta": [i / 10 for i in range(1, 12)]}}},
        ["sweeps.methods.dpo: 33 trials, expected 32 at most."],
    ),
    "another seed": ({"seed": 7}, ["sweeps.seed: 7 is not among seeds: "]),
    "no task": ({"task": "logic"}, ["sweeps.task: 'logic' is not among evaluation.tasks."]),
    "a task without dev": (
        {"task": "piqa"},
        ["sweeps.task: dataset 'goals' of task 'piqa' has no dev split. Fix: name another task"],
    ),
    "unknown rule": ({"rule": "best"}, ["sweeps.rule: expected one of best_accuracy, first_in_tie_group"]),
}


@pytest.mark.parametrize(("changes", "expected"), SWEEPS.values(), ids=SWEEPS.keys())
def test_what_is_wrong_with_a_sweep_is_told_once_at_its_key(changes, expected):
    lines = swept(**changes)
    assert len(lines) == len(expected), lines
    assert all(line.startswith(start) for line, start in zip(lines, expected, strict=True)), lines


def test_a_dev_share_of_rows_that_never_enter_dev_is_none():
    study = yaml.safe_load(DEMO.read_text())
    study["sweeps"] = {**SWEEP, "task": "piqa"}
    study["datasets"]["goals"]["split"] = {"seed": 7, "dev": 0.5, "test": 0.5}  # of rows that go into test
    (line,) = study_problems(study, SCHEMA, [DEMO], ROOT)
    assert "has no dev split" in line


def test_a_dataset_without_a_dev_share_has_no_dev_split():
    study = yaml.safe_load(DEMO.read_text())
    study["sweeps"] = SWEEP
    study["datasets"]["logic"]["split"]["dev"] = 0.0  # its rows may enter all splits
    (line,) = study_problems(study, SCHEMA, [DEMO], ROOT)
    assert "sweeps.task: dataset 'logic' of task 'logicbench_greedy' has no dev split." in line


def test_sweeps_are_a_mapping_or_null():
    study = yaml.safe_load(DEMO.read_text())
    assert study["sweeps"] is None
    study["sweeps"] = []
    (line,) = study_problems(study, SCHEMA, [DEMO], ROOT)
    assert line.endswith("sweeps: expected object or null, found [].")


def fetched(name: str, adapter: str, folder: Path) -> dict:
    """Return a source of local files."""
    local = {"kind": "local", "path": str(folder), "files": ["*"], "into": "all"}
    return {"name": name, "adapter": adapter, **local}


JUDGING = "judge: {by: tiny, temperature: 0.0, entails: entails, compare: {prompt: sounder, pairs: 1}}"


def test_a_judge_and_its_flags(tmp_path):
    flags = "drop: [unsupported, outjudged]"
    study = DEMO.read_text().replace("judge: null", JUDGING, 1).replace("drop: []", flags)
    assert study_problems(yaml.safe_load(study), SCHEMA, [DEMO], ROOT) == []
    alone = study.replace("compare: {prompt: sounder, pairs: 1}", "compare: null")
    (line,) = study_problems(yaml.safe_load(alone), SCHEMA, [DEMO], ROOT)
    assert "rationales.drop[1]: nobody gives the flag 'outjudged'." in line
    rounds = (
        "{dpo: {count: 2, start_from: own, samples: 2, temperature: 1.0, top_p: 1.0, max_tokens: 64, seed: 3"
    )
    again = study.replace("rounds: {}", f"rounds: {rounds}, max_yield_drop: 0.5}}}}")
    lines = study_problems(yaml.safe_load(again), SCHEMA, [DEMO], ROOT)
    assert [line.split(": ", 1)[1] for line in lines] == [
        f"rationales.drop[{i}]: answers of rounds get no flag '{flag}'. "
        "Fix: take it off the list, or leave out rounds."
        for i, flag in enumerate(("unsupported", "outjudged"))
    ]


def test_a_judge_of_answers(tmp_path):
    study = DEMO.read_text().replace("judge: null\n  scorers", f"judge: {DUELS}\n  scorers")
    assert study_problems(yaml.safe_load(study), SCHEMA, [DEMO], ROOT) == []
    blind = tmp_path / "config/prompts/better.j2"
    blind.parent.mkdir(parents=True)
    blind.write_text("{# sees: asked #}{{ asked }}")
    lines = study_problems(yaml.safe_load(study), SCHEMA, [DEMO], tmp_path)
    expected = "evaluation.judge.prompt: prompt 'better' does not see the first and the second."
    assert any(expected in line for line in lines)


def test_the_flags_that_may_be_dropped_are_all_but_truncated():
    named = SCHEMA["properties"]["rationales"]["properties"]["drop"]["items"]["enum"]
    assert ["truncated", *named] == list(FLAGS)


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


def test_a_check_of_answers_needs_answers():
    study = yaml.safe_load(DEMO.read_text())
    study["methods"]["ppo"]["rewards"].append({"kind": "verifier", "weight": 1.0, "unparsed": 0.0})
    assert study_problems(study, SCHEMA, [DEMO], ROOT) == []
    study["preferences"]["strategy"] = {"logic": "passages"}
    told = study_problems(study, SCHEMA, [DEMO], ROOT)
    assert any(
        "methods.ppo.rewards[1]: the prompts of dataset 'logic' have no answer" in line for line in told
    )


def test_rollouts_by_vllm_on_a_gpu_need_a_share_of_its_memory():
    study = yaml.safe_load(DEMO.read_text())
    study["hardware"] |= {"rollouts": "vllm", "device": "cuda"}
    told = study_problems(study, SCHEMA, [DEMO], ROOT)
    assert any("hardware.rollout_memory_fraction: expected more than 0" in line for line in told)
    study["hardware"]["rollout_memory_fraction"] = 0.3
    assert not [x for x in study_problems(study, SCHEMA, [DEMO], ROOT) if "rollout_memory_fraction" in x]


def scored_by_vllm(**hardware) -> list[str]:
    """Return what is wrong with the demo study when vLLM scores, told without the file."""
    study = yaml.safe_load(DEMO.read_text())
    limits = {"problems": 32, "least_same": 0.9, "most_nats": 0.1}
    study["evaluation"]["backend"] = {"kind": "vllm", "agreement": limits}
    study["hardware"] |= hardware
    return [line.partition(": ")[2] for line in study_problems(study, SCHEMA, [DEMO], ROOT)]


def test_vllm_scores_on_the_weights_that_were_trained_on_and_has_memory():
    assert scored_by_vllm() == []
    # The demo's policies are asked again by vLLM, too.
    lines = scored_by_vllm(quantisation="nf4", precision="bfloat16")
    assert [line.partition(": ")[0] for line in lines] == [
        "evaluation.backend",
        "evaluation.noise_floor.backend",
    ]
    assert all("vLLM would score adapters on other weights" in line for line in lines)
    (line,) = scored_by_vllm(device="cuda")
    assert line == "hardware.vllm_memory_fraction: expected more than 0 for scoring by vLLM, found 0."
    assert scored_by_vllm(device="cuda", vllm_memory_fraction=0.5) == []


def test_vllm_scores_within_stated_limits_only():
    study = yaml.safe_load(DEMO.read_text())
    study["evaluation"]["backend"] = {"kind": "vllm"}
    assert any("key 'agreement' is missing" in line for line in study_problems(study, SCHEMA, [DEMO], ROOT))


def test_only_datasets_that_bring_their_rows_along_need_no_teacher(tmp_path):
    path = ROOT / "config/studies/stack-exchange-dpo.yaml"
    study = yaml.safe_load(path.read_text())
    assert study["teachers"] == {} and study_problems(study, SCHEMA, [path], ROOT) == []
    study["train"]["datasets"] = ["piqa"]
    study["preferences"]["strategy"] = {"piqa": "gold_vs_wrong"}
    (line,) = study_problems(study, SCHEMA, [path], ROOT)
    assert "teachers: nobody answers for strategy 'gold_vs_wrong' of dataset 'piqa'. Fix: name one." in line
