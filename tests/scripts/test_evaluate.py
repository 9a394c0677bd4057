"""Evaluation scores every policy as the harness would alone, keeps its results, refuses what is broken."""

import hashlib
import json
import shutil
import subprocess
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from benchmarks.harness_command import command, environment, found, samples, write_tasks
from tests.random_adapters import HARDWARE, goal_problems, write_adapter, yes_no_problems
from tests.tiny_llama import write_tiny_llama
from workflow.lib.datasets.raw import Source
from workflow.lib.datasets.registry import ADAPTERS
from workflow.lib.errors import DataError, IntegrityError
from workflow.lib.files import write_json
from workflow.lib.harness import on_rows, read_task
from workflow.lib.parquet import write_parquet
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Problem, Sample, load, table
from workflow.lib.scoring import documents
from workflow.scripts.evaluate import main

ROOT = Path(__file__).parents[2]
TASKS = ROOT / "workflow/tasks"
PIQA = ROOT / "../shared/data/piqa/data"
METHODS = ["base", "sft", "dpo"]
SEEDS = [1, 2]
FILES = ("adapter_model.safetensors", "adapter_config.json")
GOALS = goal_problems(
    [(f"open jar {i}", f"turn the lid {i} times", "hit it" * (i + 1), i % 2) for i in range(9)]
)


class Study:
    """A base, four adapters and a test split on disk, and evaluation of one task on them."""

    def __init__(self, root: Path, snapshot: Path, problems: list[Problem]) -> None:
        """Write everything but the base."""
        self.root, self.snapshot = root, snapshot
        self.adapters = [root / f"adapters/{m}/seed-{s}" for m in METHODS[1:] for s in SEEDS]
        for seed, folder in enumerate(self.adapters):
            write_adapter(snapshot, folder, seed)
        write_json(root / "manifest.json", {"model": "tiny", "digest": "0" * 64})
        (root / "cot.j2").write_text("Context: {{ context }}\nQuestion: {{ question }}\nThink.")
        write_parquet(root / "test.parquet", table(problems, Problem))

    def paths(self, suffix: str, out: str = "out") -> list[Path]:
        """Return the outputs in the order method × seed."""
        return [self.root / out / f"{m}/seed-{s}/task.{suffix}" for m in METHODS for s in SEEDS]

    def evaluate(self, definition: str, *, new_tokens: int = 12, out: str = "out", **changes: Any) -> None:
        """Score every policy."""
        path = TASKS / f"{definition}.yaml"
        arguments: dict[str, Any] = {
            "problems": str(self.root / "test.parquet"),
            "definition": [str(path), *map(str, sorted(path.parent.glob("*.py")))],
            "prompt": str(self.root / "cot.j2"),
            "adapters": [str(folder / file) for folder in self.adapters for file in FILES],
            "manifest": str(self.root / "manifest.json"),
            "snapshot": str(self.snapshot),
            "scores": list(map(str, self.paths("json", out))),
            "samples": list(map(str, self.paths("parquet", out))),
            "index": str(self.root / out / "index/task.json"),
            "settings": {"metric": "accuracy", "max_new_tokens": new_tokens},
            "seed": 1234,
            "backend": {"kind": "transformers"},
            "hardware": HARDWARE,
            "policies": METHODS,
            "seeds": SEEDS,
            "dataset": "logic",
            "model": "tiny",
            "task": "task",
            "code": "c0de",
            "store": str(self.root / "store"),
        }
        main(**arguments | changes)

    def evaluate_one(self, definition: str, method: str, seed: int, *, new_tokens: int) -> None:
        """Score one adapter alone."""
        paths = {s: [str(self.root / f"out/{method}/seed-{seed}/task.{s}")] for s in ("json", "parquet")}
        adapters = [str(self.root / f"adapters/{method}/seed-{seed}" / file) for file in FILES]
        one = {"policies": [method], "seeds": [seed], "adapters": adapters}
        outputs = {"scores": paths["json"], "samples": paths["parquet"]}
        self.evaluate(definition, new_tokens=new_tokens, **one, **outputs)

    def records(self, method: str, seed: int, out: str = "out") -> list[Sample]:
        """Return the records of one policy."""
        return load(self.root / out / f"{method}/seed-{seed}/task.parquet", Sample)

    def scores(self, method: str, seed: int) -> dict[str, Any]:
        """Return the result of one policy."""
        found: dict[str, Any] = json.loads((self.root / f"out/{method}/seed-{seed}/task.json").read_text())
        return found

    def alone(self, definition: str, folder: Path | None, *, new_tokens: int = 12) -> dict[str, Any]:
        """Return what the harness's own entry point finds, with one adapter loaded by itself."""
        task = read_task(TASKS / f"{definition}.yaml", new_tokens)
        rows = documents(load(self.root / "test.parquet", Problem), PromptFile(self.root / "cot.j2"))
        lm = HFLM(
            pretrained=str(self.snapshot),
            peft=folder and str(folder),
            dtype="float32",
            device="cpu",
            batch_size=3,
        )
        found = simple_evaluate(
            model=lm,
            tasks=[on_rows(task, rows, self.root)],
            task_manager=TaskManager(include_defaults=False),
            apply_chat_template=task.chat,
            bootstrap_iters=0,
        )
        assert found is not None
        return found


@pytest.fixture
def logic(tmp_path: Path, tiny_llama: Path) -> Study:
    return Study(tmp_path, tiny_llama, yes_no_problems(10))


@pytest.fixture
def goals(tmp_path: Path, tiny_llama: Path) -> Study:
    return Study(tmp_path, tiny_llama, GOALS)


def test_log_likelihoods_equal_the_harness_run_on_each_adapter_alone(goals: Study) -> None:
    goals.evaluate("piqa/piqa_goals", new_tokens=0)
    for method, seed, folder in [
        ("base", 1, None),
        ("sft", 2, goals.adapters[1]),
        ("dpo", 1, goals.adapters[2]),
    ]:
        alone = goals.alone("piqa/piqa_goals", folder, new_tokens=0)
        samples = alone["samples"]["piqa_goals"]
        records = goals.records(method, seed)
        assert len(records) == len(samples) == len(GOALS)
        for record, sample in zip(records, samples, strict=True):
            assert record.loglikelihoods == pytest.approx([r[0][0] for r in sample["resps"]], abs=1e-4)
            assert record.score == sample["acc"]
        ours = goals.scores(method, seed)["results"]["piqa_goals"]
        theirs = alone["results"]["piqa_goals"]
        assert ours["acc,none"] == pytest.approx(theirs["acc,none"], abs=1e-6)
        assert ours["acc_norm,none"] == pytest.approx(theirs["acc_norm,none"], abs=1e-6)


def test_generations_equal_the_harness_run_on_each_adapter_alone(logic: Study) -> None:
    logic.evaluate("logicbench/logicbench_bqa")
    texts = set()
    for method, seed, folder in [
        ("base", 2, None),
        ("sft", 1, logic.adapters[0]),
        ("dpo", 2, logic.adapters[3]),
    ]:
        alone = logic.alone("logicbench/logicbench_bqa", folder)["samples"]["logicbench_bqa"]
        records = logic.records(method, seed)
        assert [r.text for r in records] == [s["resps"][0][0] for s in alone]
        texts.add("".join(r.text for r in records))
    assert len(texts) == 3  # each policy spoke for itself


def real_problems(adapter: str, folder: Path, count: int) -> list[Problem]:
    """Return the first problems of real files that the tiny model has characters for."""
    source = Source(folder, "real", "real", {}, None)
    rows = (p for row in ADAPTERS[adapter].rows(source) for p in ADAPTERS[adapter].records(row, source))
    problems = (p for p in rows if isinstance(p, Problem))
    printable = (p for p in problems if f"{p.context}{p.question}{''.join(p.choices)}".isascii())
    return list(islice(printable, count))


@pytest.mark.shared_data
@pytest.mark.skipif(not PIQA.is_dir(), reason="no ../shared/data")
def test_scores_on_real_rows_equal_those_of_the_command_lm_eval(tmp_path: Path) -> None:
    """Three kinds of task: options in plain text (official PIQA), options in a chat, greedy answers."""
    snapshot = write_tiny_llama(tmp_path / "model", context=2048)  # its tokens are characters
    logic = PIQA.parents[1] / "LogicBench/data/LogicBench(Eval)"
    asked = {
        "piqa/piqa": real_problems("piqa", PIQA, 20),
        "piqa/piqa_goals": real_problems("piqa", PIQA, 20),
        "logicbench/logicbench_bqa": real_problems("logicbench_bqa", logic / "BQA", 6),
        "logicbench_mcqa/logicbench_mcqa": real_problems("logicbench_mcqa", logic / "MCQA", 6),
    }
    plain, *chats = asked
    for (method, seed), definitions in ((("sft", 1), [plain]), (("dpo", 2), chats)):
        studies, rows = {}, {}
        for definition in definitions:
            assert len(asked[definition]) in (6, 20)
            study = studies[definition] = Study(tmp_path / Path(definition).name, snapshot, asked[definition])
            study.evaluate_one(definition, method, seed, new_tokens=0 if "piqa" in definition else 12)
            rows[definition] = documents(asked[definition], PromptFile(study.root / "cot.j2"))
        adapter = study.root / f"adapters/{method}/seed-{seed}"
        folder, names = tmp_path / f"command-{method}", [Path(definition).name for definition in definitions]
        write_tasks(folder, rows, 12)
        told = command(folder, snapshot, adapter, names, batch=8, chat=definitions != [plain])
        done = subprocess.run(told, cwd=folder, env=environment(folder), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        for name, study in zip(names, studies.values(), strict=True):
            ours, theirs = study.scores(method, seed)["results"][name], found(folder, adapter)[name]
            metrics = {key for key in theirs if key.endswith(",none") and "stderr" not in key}
            assert metrics <= ours.keys() and len(metrics) >= 2
            assert {key: ours[key] for key in metrics} == pytest.approx(
                {key: theirs[key] for key in metrics}, abs=1e-6
            )
            compare_samples(study.records(method, seed), samples(folder, name))


def compare_samples(ours: list[Sample], theirs: list[dict[str, Any]]) -> None:
    """Fail unless texts are the same and log-likelihoods differ by rounding only."""
    assert len(ours) == len(theirs) > 0
    for record, entry in zip(ours, theirs, strict=True):
        assert record.problem_id == entry["doc"]["problem_id"]
        if record.loglikelihoods:
            found = [float(option[0][0]) for option in entry["resps"]]
            assert record.loglikelihoods == pytest.approx(found, rel=1e-6)
        else:
            assert [record.text] == entry["resps"][0]


def test_second_call_scores_nothing_and_writes_the_same_bytes(
    logic: Study, capfd: pytest.CaptureFixture[str]
) -> None:
    logic.evaluate("logicbench/logicbench_bqa")
    assert (
        "6 policies: 0 results kept, 5 to score" in capfd.readouterr().out
    )  # greedy: one base for both seeds
    first = {path: path.read_bytes() for path in [*logic.paths("json"), *logic.paths("parquet")]}
    assert len(first) == 12
    shutil.rmtree(logic.root / "out")
    logic.evaluate("logicbench/logicbench_bqa")
    assert "6 policies: 5 results kept, 0 to score" in capfd.readouterr().out
    assert {path: path.read_bytes() for path in first} == first


def test_same_seeds_give_the_same_bytes_without_the_store(logic: Study) -> None:
    for out in ("out", "again"):
        logic.evaluate("logicbench/logicbench_bqa_sampled", out=out, store=str(logic.root / f"store-{out}"))
    for suffix in ("json", "parquet"):
        for first, second in zip(logic.paths(suffix), logic.paths(suffix, "again"), strict=True):
            assert first.read_bytes() == second.read_bytes()


def test_a_changed_adapter_alone_is_scored_again(logic: Study, capfd: pytest.CaptureFixture[str]) -> None:
    logic.evaluate("logicbench/logicbench_bqa")
    write_adapter(logic.snapshot, logic.adapters[2], seed=77)
    capfd.readouterr()
    before = [r.text for r in logic.records("dpo", 1)]
    logic.evaluate("logicbench/logicbench_bqa")
    assert "6 policies: 4 results kept, 1 to score" in capfd.readouterr().out
    assert [r.text for r in logic.records("dpo", 1)] != before


@pytest.mark.parametrize(
    "change", [{"code": "other"}, {"seed": 99}, {"hardware": {**HARDWARE, "evaluation_batch": 4}}]
)
def test_what_decides_a_score_is_in_its_key(
    logic: Study, capfd: pytest.CaptureFixture[str], change: dict[str, Any]
) -> None:
    logic.evaluate("logicbench/logicbench_bqa", new_tokens=2)
    capfd.readouterr()
    logic.evaluate("logicbench/logicbench_bqa", new_tokens=2, **change)
    assert "6 policies: 0 results kept, 5 to score" in capfd.readouterr().out


@pytest.mark.parametrize("name", ["result.json", "samples.parquet"])
def test_a_broken_entry_is_reported_and_scored_again(
    logic: Study, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    logic.evaluate("logicbench/logicbench_bqa", new_tokens=4)
    good = logic.paths("json")[0].read_bytes()
    broken = next(iter(sorted((logic.root / "store").iterdir()))) / name
    broken.write_bytes(broken.read_bytes()[:50])
    capfd.readouterr()
    logic.evaluate("logicbench/logicbench_bqa", new_tokens=4)
    out = capfd.readouterr().out
    assert "is broken and is not used" in out
    assert "6 policies: 4 results kept, 1 to score" in out
    assert logic.paths("json")[0].read_bytes() == good


def test_what_cannot_move_a_score_is_not_in_its_key(logic: Study, capfd: pytest.CaptureFixture[str]) -> None:
    logic.evaluate("logicbench/logicbench_bqa", new_tokens=2)
    capfd.readouterr()
    logic.evaluate("logicbench/logicbench_bqa", new_tokens=2, hardware={**HARDWARE, "micro_batch": 1})
    assert "6 policies: 5 results kept, 0 to score" in capfd.readouterr().out


def test_sampled_answers_are_records_of_their_own_and_differ_by_seed(logic: Study) -> None:
    logic.evaluate("logicbench/logicbench_bqa_sampled")
    one, two = logic.records("base", 1), logic.records("base", 2)
    assert len(one) == len(two) == 10 * 2
    assert [r.repeat for r in one[:3]] == [0, 1, 0]
    assert len({r.text for r in one[:2]}) == 2
    assert [r.text for r in one] != [r.text for r in two]
    assert {(r.method, r.seed) for r in two} == {("base", 2)}


def test_greedy_base_is_the_same_for_every_seed(logic: Study) -> None:
    logic.evaluate("logicbench/logicbench_bqa", new_tokens=4)
    assert [r.text for r in logic.records("base", 1)] == [r.text for r in logic.records("base", 2)]


def test_result_has_the_harness_layout_and_our_identity(logic: Study) -> None:
    logic.evaluate("logicbench/logicbench_bqa", new_tokens=4)
    found = logic.scores("dpo", 2)
    assert {"results", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "config"} <= set(
        found
    )
    assert found["results"]["logicbench_bqa"]["accuracy,none"] == 0.0
    about = found["plumbline"]
    weights = (logic.adapters[3] / "adapter_model.safetensors").read_bytes()
    assert about["adapter"]["adapter_model.safetensors"] == hashlib.sha256(weights).hexdigest()
    assert (about["method"], about["policy_seed"], about["n"], about["rows"]) == ("dpo", 2, 10, 10)
    assert about["limit"] is None
    assert about["probes"]["logit_change"] > 0
    assert about["probes"]["cut"] == 0
    assert str(logic.root) not in json.dumps(found)


def test_prompt_is_the_one_that_training_renders(logic: Study) -> None:
    logic.evaluate("logicbench/logicbench_bqa", new_tokens=2)
    record = logic.records("sft", 1)[1]
    turn = "Context: If it rains, road 1 is wet. It rains,.\nQuestion: Is road 1 wet?\nThink."
    assert record.prompt == turn
    seen = f"<|user|>{turn}<|end|><|assistant|>"  # the template of tests.tiny_llama, by hand
    assert record.prompt_sha256 == hashlib.sha256(seen.encode()).hexdigest()


def test_an_adapter_that_does_nothing_fails(logic: Study) -> None:
    write_adapter(logic.snapshot, logic.adapters[1], seed=5, scale=0.0)
    with pytest.raises(IntegrityError, match="expected other logits than the base's"):
        logic.evaluate("logicbench/logicbench_bqa", new_tokens=2)


def test_a_prompt_that_does_not_fit_is_counted(logic: Study) -> None:
    # Every prompt has over 60 bytes, and a byte is a token: 60 + 220 > 256 for all ten.
    alone = {"policies": ["base"], "seeds": [1], "adapters": []}
    paths = {"scores": [str(logic.paths("json")[0])], "samples": [str(logic.paths("parquet")[0])]}
    logic.evaluate("logicbench/logicbench_bqa", new_tokens=220, **alone, **paths)
    assert logic.scores("base", 1)["plumbline"]["probes"]["cut"] == 10


def test_an_option_longer_than_the_context_fails(tmp_path: Path, tiny_llama: Path) -> None:
    study = Study(tmp_path, tiny_llama, goal_problems([("stay", "a" * 300, "b", 1)]))
    with pytest.raises(DataError, match="an option of 300 tokens, but the model reads 256"):
        study.evaluate("piqa/piqa_goals", new_tokens=0)


def test_a_missing_adapter_fails(logic: Study) -> None:
    with pytest.raises(DataError, match="expected 4 folders, found 3"):
        logic.evaluate("logicbench/logicbench_bqa", adapters=[str(f / FILES[0]) for f in logic.adapters[:3]])
