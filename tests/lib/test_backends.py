"""vLLM scores adapters in one engine as transformers does, and what differs too much stops the job."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.random_adapters import HARDWARE, goal_problems, write_adapter, yes_no_problems
from tests.tiny_llama import vllm_in_this_process
from workflow.lib import evaluation
from workflow.lib.backends import BACKENDS, Vllm, _seeded_vllm, versions_of
from workflow.lib.errors import DependencyError, IntegrityError
from workflow.lib.evaluation import Job, Policy, Scored, TaskSettings, asked_of, score
from workflow.lib.files import write_json
from workflow.lib.harness import read_task
from workflow.lib.models import context_of, load_tokenizer
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, table

TASKS = Path(__file__).parents[2] / "workflow/tasks"
GOALS = goal_problems(
    [(f"open jar {i}", f"turn the lid {i} times", "hit it" * (i + 1), i % 2) for i in range(4)]
)
LIMITS = {"problems": 2, "least_same": 1.0, "most_nats": 0.01}


def test_without_vllm_the_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    told = r"evaluation\.backend is vllm.* to \{kind: transformers\}"
    monkeypatch.setattr(Vllm, "packages", ("lm_eval", "no-such-package"))
    with pytest.raises(DependencyError, match=told):
        versions_of("vllm")
    _seeded_vllm.cache_clear()
    monkeypatch.delitem(sys.modules, "lm_eval.models.vllm_causallms", raising=False)
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(DependencyError, match=told):
        _seeded_vllm()
    _seeded_vllm.cache_clear()


def job_of(root: Path, snapshot: Path, definition: str, problems: list[Problem], tokens: int) -> Job:
    root.mkdir(parents=True)
    write_parquet(root / "test.parquet", table(problems, Problem))
    write_json(root / "manifest.json", {"model": "tiny", "digest": "0" * 64})
    (root / "cot.j2").write_text("{{ context }}\n{{ question }}")
    return Job(
        dataset="logic",
        model="tiny",
        task="t",
        settings=TaskSettings("accuracy", tokens),
        seed=7,
        backend={"kind": "vllm", "agreement": LIMITS},
        hardware=HARDWARE,
        problems=root / "test.parquet",
        definition=[TASKS / f"{definition}.yaml"],
        prompt=root / "cot.j2",
        manifest=root / "manifest.json",
        snapshot=snapshot,
        code="c0de",
    )


class Engine:
    """The policies, and one engine that all tests of this module share."""

    def __init__(self, root: Path, snapshot: Path) -> None:
        """Write two adapters and start the engine with them."""
        self.root, self.snapshot = root, snapshot
        folders = [write_adapter(snapshot, root / name, seed) for seed, name in enumerate(("a", "b"))]
        self.policies = {
            "base": Policy("base", 1, None),
            **{f.name: Policy(f.name, 1, f) for f in folders},
        }
        write_json(root / "manifest.json", {"model": "tiny", "digest": "0" * 64})
        self.vllm = Vllm(
            snapshot,
            root / "manifest.json",
            "tiny",
            {f.name: f for f in folders},
            load_tokenizer(snapshot),
            HARDWARE | {"max_model_len": 4096},  # more than the model can
            chat=True,
        )

    def scored(self, definition: str, problems: list[Problem], tokens: int, kind: str) -> dict[str, Scored]:
        """Return what the backend of that kind scores."""
        job = job_of(self.root / kind / definition, self.snapshot, definition, problems, tokens)
        return dict(score(self.of(job, kind), read_task(job.definition[0], tokens), self.policies))

    def of(self, job: Job, kind: str) -> Job:
        """Return ``job`` on that backend."""
        return job if kind == "vllm" else Job(**{**vars(job), "backend": {"kind": kind}})


@pytest.fixture(scope="module")
def engine(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    with vllm_in_this_process(), pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        found = Engine(folder, tiny_llama)
        patch.setitem(BACKENDS, "vllm", lambda *given, **more: found.vllm)  # an engine takes seconds to start
        yield found


def test_options_get_the_same_log_likelihoods(engine: Engine) -> None:
    ours, theirs = (engine.scored("piqa/piqa_goals", GOALS, 0, kind) for kind in ("vllm", "transformers"))
    for key in engine.policies:
        for one, other in zip(ours[key].samples, theirs[key].samples, strict=True):
            assert one.loglikelihoods == pytest.approx(other.loglikelihoods, abs=1e-3)
        assert ours[key].result["results"] == theirs[key].result["results"]
        agreed = ours[key].probes["agreement"]
        assert (agreed["problems"], agreed["same_answers"]) == (2, 1.0)
        assert 0.0 < agreed["nats"] < 1e-3
        assert "agreement" not in theirs[key].probes
    said = {key: str([s.loglikelihoods for s in found.samples]) for key, found in ours.items()}
    assert len(set(said.values())) == 3  # each policy spoke for itself, the base too
    assert [found.probes["logit_change"] > 0 for found in ours.values()] == [False, True, True]
    assert ours["a"].result["config"]["model"] == "vllm"


def test_greedy_answers_are_the_same(engine: Engine) -> None:
    asked = ("logicbench/logicbench_bqa", yes_no_problems(4), 12)
    ours, theirs = (engine.scored(*asked, kind) for kind in ("vllm", "transformers"))
    for key in engine.policies:
        assert [s.text for s in ours[key].samples] == [s.text for s in theirs[key].samples]
        assert ours[key].probes["agreement"]["same_answers"] == 1.0
        assert 0.0 < ours[key].probes["agreement"]["nats"] < 1e-3  # of transformers' texts


def test_draws_depend_on_seed_prompt_and_repeat_only(engine: Engine) -> None:
    problems = yes_no_problems(4)
    definition = "logicbench/logicbench_bqa_sampled"
    task = read_task(TASKS / f"{definition}.yaml", 8)
    job = job_of(engine.root / "drawn", engine.snapshot, definition, problems, 8)

    def texts(asked: list[Problem], seed: int) -> dict[str, list[str]]:
        folder = engine.root / f"rows-{seed}-{len(asked)}-{asked[0].problem_id}"
        folder.mkdir(exist_ok=True)
        _, samples = asked_of(job, task, engine.vllm, asked, str(folder)).answers(engine.vllm, "a", seed)
        return {p.problem_id: [s.text for s in samples if s.problem_id == p.problem_id] for p in asked}

    all_of_them = texts(problems, 1)
    assert all(len(set(pair)) == 2 for pair in all_of_them.values())
    assert texts(problems[::-1], 1) == all_of_them
    assert texts(problems[1:3], 1) == {key: all_of_them[key] for key in ("p001", "p002")}
    assert texts(problems, 2) != all_of_them


def test_a_backend_that_says_something_else_stops_the_job(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "REFERENCE", "other")
    monkeypatch.setitem(BACKENDS, "other", BACKENDS["transformers"])
    job = job_of(engine.root / "apart", engine.snapshot, "piqa/piqa_goals", GOALS, 0)
    swapped = {"a": engine.policies["b"]}  # transformers loads b under the key a, the engine has a there
    with pytest.raises(IntegrityError, match=r"task 't', b, seed 1: of 2 problems .* differ by \d"):
        list(score(job, read_task(job.definition[0], 0), swapped))


def test_the_engine_reads_no_more_than_the_model_can(engine: Engine) -> None:
    assert engine.vllm.lm.max_length == context_of(engine.snapshot) == 256
