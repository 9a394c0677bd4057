"""Each check of a study: when all is well, when something is wrong, and when it cannot be told yet."""

import shutil
from collections import namedtuple
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.utils import get_session

from tests.fake_hub import REVISION, FakeHub, serving, use
from tests.families import write_tiny
from tests.source import ROOT
from tests.studies import demo_config
from workflow.lib import hub
from workflow.lib.earlier import Earlier
from workflow.lib.errors import DataError
from workflow.lib.estimates import Estimator
from workflow.lib.files import write_json, write_jsonl
from workflow.lib.parquet import write_parquet
from workflow.lib.plan import read_presets
from workflow.lib.preflight import registry
from workflow.lib.preflight.leakage import leakage
from workflow.lib.preflight.lines import Line, Site, gathered, not_yet, ok, wrong
from workflow.lib.preflight.models import LONGEST, context_of, layers, lengths, scorers, templates
from workflow.lib.preflight.registry import CHECKS, look
from workflow.lib.preflight.sources import sources
from workflow.lib.preflight.surroundings import gpus, room, secrets
from workflow.lib.records import Overlap, table
from workflow.lib.workloads import Sizes

PRESETS = read_presets(ROOT / "config/expected/presets.yaml")
HUB = {"kind": "hub", "repo": "org/data", "revision": REVISION, "licence": "MIT", "megabytes": 1}
SNAPSHOT = Path("results/models/tiny/snapshot")
Usage = namedtuple("Usage", ["total", "used", "free"])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def study() -> dict[str, Any]:
    return demo_config()


def site(study: dict[str, Any], offline: bool = False, **environment: str) -> Site:
    sizes = Sizes(study, 500, Path("results"), ROOT)
    return Site(study, Estimator(sizes, PRESETS, Earlier({}, {})), environment, offline)


def told(lines: Iterable[Line]) -> list[tuple[str, str, str]]:
    """Return state, subject and text of lines."""
    return [(line.state, line.about, line.text) for line in lines]


def states(lines: Iterable[Line]) -> list[str]:
    return [line.state for line in lines]


# --- lines ------------------------------------------------------------------------------------------------


def test_lines_that_say_the_same_become_one() -> None:
    lines = [ok("a", "here"), wrong("b", "gone"), ok("c", "here"), not_yet("", "later")]
    assert gathered(lines) == [ok("a, c", "here"), wrong("b", "gone"), not_yet("", "later")]
    assert wrong("b", "gone").told("disk") == "problem  disk          b: gone"
    assert ok("", "here").told("GPUs") == "ok       GPUs          here"


def test_an_error_in_one_check_is_a_line(study: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(site: Site) -> Iterable[Line]:
        raise DataError("a cut card. Fix: delete it.")

    monkeypatch.setattr(registry, "CHECKS", {"one": broken, "two": lambda site: [ok("", "fine")]})
    found = list(look(site(study)))
    assert found == [("one", Line("problem", "", "a cut card. Fix: delete it.", 2)), ("two", ok("", "fine"))]


def test_every_check_has_its_place() -> None:
    assert list(CHECKS) == [
        *("config", "secrets", "disk", "GPUs", "sources"),
        *("chat template", "LoRA", "reward model", "length", "leakage"),
    ]


# --- surroundings -----------------------------------------------------------------------------------------


def test_secrets_are_named_and_never_shown(study: dict[str, Any]) -> None:
    assert told(secrets(site(study))) == [("ok", "", "the study names none")]
    study["teachers"]["far"] = {"kind": "api", "api_key_env": "OPENAI_API_KEY"}
    study["teachers"]["own"] = {"kind": "api", "api_key_env": None}
    study["publish"]["namespace"] = "me"
    found = list(secrets(site(study, OPENAI_API_KEY="sk-canary", HF_TOKEN=" ")))
    assert told(found) == [
        ("ok", "OPENAI_API_KEY", "set, for teacher 'far'"),
        ("problem", "HF_TOKEN", "not set, and push_adapter needs it. Fix: export HF_TOKEN=<your key>."),
    ]
    assert found[1].exit_code == 3


def test_room_for_what_is_fetched_and_trained(
    study: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study["models"] = {"tiny": HUB | {"megabytes": 3000}, "big": HUB | {"megabytes": 5000}}
    write_json("results/models/big/manifest.json", {})  # here already
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(0, 0, 5e9))
    found = list(room(site(study, HOME=str(tmp_path / "home"))))
    # 1.5e9 weights x rank 8 x 0.033 % x 4 bytes x 5 methods x 2 seeds = 158.4 MB
    wanted = "3.2 GB wanted (3.0 GB to fetch, about 158 MB of adapters)"
    assert told(found)[0] == ("ok", "results and work", f"{wanted}, 5.0 GB free at {tmp_path}")
    assert told(found)[2] == (
        "ok",
        "HF_HOME",
        f"1.0 GB wanted, 5.0 GB free at {tmp_path}",
    )  # where it will be
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(0, 0, 3.1e9))
    short = list(room(site(study, HOME="/")))
    assert states(short) == ["problem", "ok", "ok"] and "--directory" in short[0].text
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(0, 0, 1e8))
    assert "larger disk with HF_HOME" in list(room(site(study, HOME="/")))[2].text
    study["models"]["tiny"] = demo_config()["models"]["tiny"]
    assert "not known is the size of model 'tiny'" in next(iter(room(site(study, HOME="/")))).text


def program(name: str, answer: str, monkeypatch: pytest.MonkeyPatch, status: int = 0) -> None:
    """Put a program of this name, and no other, on the path."""
    folder = Path("bin").absolute()
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{answer}\nEND\nexit {status}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.fixture
def on_gpus(study: dict[str, Any]) -> dict[str, Any]:
    """Return a study on GPUs, whose student has 1e9 weights and whose teacher has 2e10 and shares 4 GPUs."""
    study["models"] = {"tiny": HUB | {"megabytes": 2000}, "big": HUB | {"megabytes": 40000}}
    study["teachers"]["tiny"]["model"] = "big"
    study["hardware"] |= {"device": "cuda", "precision": "bfloat16", "vllm_memory_fraction": 0.9}
    study["hardware"] |= {"vllm_tensor_parallel": 4}
    return study


def test_gpus_here(on_gpus: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    program("nvidia-smi", "\n".join(["NVIDIA A, 16000"] * 4), monkeypatch)
    line = "4 GPUs here (NVIDIA A, 16000 MiB), and jobs ask for 4 at most"
    assert told(gpus(site(on_gpus))) == [("ok", "", line)]
    # the teacher's 40 GB in four are 10 GB each; of 11,000 MiB, 0.9 x 11.534 GB are for them
    program("nvidia-smi", "\n".join(["NVIDIA A, 11000"] * 4), monkeypatch)
    assert states(gpus(site(on_gpus))) == ["ok"]
    program("nvidia-smi", "\n".join(["NVIDIA A, 10100"] * 4), monkeypatch)  # 10.6 GB, 9.5 of them for weights
    assert states(gpus(site(on_gpus))) == ["ok", "problem"]
    program("nvidia-smi", "\n".join(["NVIDIA A, 11000"] * 4), monkeypatch)
    on_gpus["hardware"]["vllm_tensor_parallel_of"] = {"tiny": 2}
    found = list(gpus(site(on_gpus)))
    assert told(found)[1][1:] == (
        "teachers.tiny",
        "20.0 GB of weights on each GPU, which has 10.4 GB for them. "
        "Fix: share it among more GPUs, or quantise it.",
    )
    program("nvidia-smi", "NVIDIA A, 80000", monkeypatch)
    few = list(gpus(site(on_gpus)))
    assert told(few) == [
        ("problem", "", "1 GPUs here, and a job asks for 2. Fix: use fewer, or another machine.")
    ]
    assert few[0].exit_code == 3


def test_a_student_must_fit_in_its_format(on_gpus: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    on_gpus["teachers"] = {}
    on_gpus["models"]["tiny"]["megabytes"] = 20000  # 1e10 weights: 20 GB, or 5.5 in four bits
    program("nvidia-smi", "NVIDIA A, 16000\nNVIDIA A, 16000", monkeypatch)
    assert states(gpus(site(on_gpus))) == ["ok", "problem"]
    on_gpus["hardware"]["quantisation"] = "nf4"
    assert states(gpus(site(on_gpus))) == ["ok"]
    on_gpus["hardware"] |= {"quantisation": "none", "deepspeed": "zero3", "processes": 2}
    assert states(gpus(site(on_gpus))) == ["ok"]
    on_gpus["models"]["tiny"] = demo_config()["models"]["tiny"]
    assert states(gpus(site(on_gpus))) == ["ok", "not yet"]


def test_gpus_elsewhere(on_gpus: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    program("sinfo", "cpu* (null)\ngpu gpu:a100:4(S:0-1)\nold gpu:2", monkeypatch)
    said = "no GPU on this machine to look at; SLURM has: gpu gpu:a100:4(S:0-1); old gpu:2"
    assert told(gpus(site(on_gpus))) == [("not yet", "", said)]
    program("sinfo", "cpu* (null)\nold gpu:2", monkeypatch)
    found = list(gpus(site(on_gpus)))
    assert (found[0].state, found[0].exit_code) == ("problem", 3) and "SLURM has: old gpu:2" in found[0].text
    program("sinfo", "no configuration", monkeypatch, status=1)
    assert states(gpus(site(on_gpus))) == ["not yet"]
    on_gpus["hardware"]["device"] = "cpu"
    assert told(gpus(site(on_gpus))) == [("ok", "", "the study computes on CPUs")]


# --- sources ----------------------------------------------------------------------------------------------


def test_a_study_that_fetches_nothing(study: dict[str, Any]) -> None:
    assert told(sources(site(study))) == [("ok", "", "nothing is fetched")]


def test_what_was_fetched_must_still_be_there(study: dict[str, Any]) -> None:
    study["models"]["tiny"] = HUB
    study["datasets"]["goals"]["sources"] = [HUB | {"name": "piqa", "files": ["*.jsonl"]}]
    adapter = HUB | {"repo": "org/lora"}
    study["teachers"]["tuned"] = {"kind": "adapter", "model": "tiny", "adapter": adapter}
    files = {"results/models/tiny/snapshot/config.json": "{}", "results/raw/goals/files/piqa/a.jsonl": "[1]"}
    files["results/teachers/tuned/adapter/adapter_config.json"] = "{}"
    for path, text in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    entry = {"path": "config.json", "bytes": 2, "sha256": "0"}
    write_json("results/models/tiny/manifest.json", {"revision": REVISION, "files": [entry]})
    raw = {
        "name": "piqa",
        "revision": REVISION,
        "files": [{"path": "piqa/a.jsonl", "bytes": 3, "sha256": "1"}],
    }
    write_json("results/raw/goals/manifest.json", {"sources": [raw]})
    digests = {"revision": REVISION, "files": {"adapter_config.json": "2"}}
    write_json("results/teachers/tuned/manifest.json", digests)
    assert told(sources(site(study, offline=True))) == [
        ("ok", "models.tiny", "here, 1 files, 2e-06 MB"),
        ("ok", "datasets.goals.piqa", "here, 1 files, 3e-06 MB"),
        ("ok", "teachers.tuned", "here, 1 files"),
    ]
    Path("results/models/tiny/snapshot/config.json").write_text("{}\n")
    Path("results/teachers/tuned/adapter/adapter_config.json").unlink()
    found = list(sources(site(study, offline=True)))
    assert states(found) == ["problem", "ok", "problem"] and "delete that manifest" in found[0].text
    study["models"]["tiny"] = HUB | {"revision": "1" * 40}  # another one: fetched again
    offline = "not fetched, and HF_HUB_OFFLINE is set. Check again where the network is."
    assert told(sources(site(study, offline=True)))[0] == ("not yet", "models.tiny", offline)


def test_local_folders(study: dict[str, Any], tiny_llama: Path) -> None:
    study["models"]["tiny"] = {"kind": "local", "path": str(tiny_llama)}
    (line,) = sources(site(study, offline=True))
    assert (line.state, line.about) == ("ok", "models.tiny")
    Path("half").mkdir()
    Path("half/config.json").write_text("{}")
    study["models"]["tiny"]["path"] = "half"
    study["datasets"]["goals"]["sources"] = [
        {"name": "own", "kind": "local", "path": "half", "files": ["*.csv"], "into": "test"}
    ]
    found = list(sources(site(study)))
    assert [(line.state, line.exit_code) for line in found] == [("problem", 2), ("problem", 2)]
    assert "expected config.json, tokenizer.json" in found[0].text and "'*.csv'" in found[1].text


def test_a_mirror_is_asked_in_place_of_the_hub(study: dict[str, Any], tmp_path: Path) -> None:
    study["models"]["tiny"] = HUB
    (found,) = sources(site(study, offline=True, PLUMBLINE_MIRROR=str(tmp_path)))
    assert (found.state, found.exit_code) == ("problem", 3) and "PLUMBLINE_MIRROR" in found.text
    (tmp_path / "org/data" / REVISION).mkdir(parents=True)
    (tmp_path / "org/data" / REVISION / "config.json").write_text("{}")
    (found,) = sources(site(study, offline=True, PLUMBLINE_MIRROR=str(tmp_path)))
    assert found == ok("models.tiny", "1 files in the mirror")


@pytest.mark.parametrize(
    ("change", "state", "code", "said"),
    [
        pytest.param({}, "ok", 0, "the hub has 4e-06 MB of it, and hands it out", id="there"),
        pytest.param({"status": 401}, "problem", 3, "export HF_TOKEN", id="gated"),
        pytest.param({"status": 404, "code": "RevisionNotFound"}, "problem", 4, "revision", id="moved"),
        pytest.param({"commit": "2" * 40}, "problem", 4, "expected 387b", id="another commit"),
        pytest.param({"files": {"config.json": bytes(4 * 10**6)}}, "problem", 2, "megabytes", id="large"),
    ],
)
def test_the_hub_is_asked_and_nothing_is_downloaded(
    study: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    state: str,
    code: int,
    said: str,
) -> None:
    study["models"]["tiny"] = HUB
    with serving(FakeHub(**{"files": {"config.json": b"{ }\n", "code.py": b"1"}, **change})) as served:
        use(served.address, monkeypatch, tmp_path)
        (found,) = sources(site(study))
    assert (found.state, found.exit_code) == (state, code) and said in found.text, found
    assert served.sent == 0
    assert not [path for method, path, _ in served.asked if method == "GET" and "/resolve/" in path]


def test_a_hub_that_does_not_answer_is_asked_once(
    study: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("http://127.0.0.1:9", monkeypatch, tmp_path)
    study["models"] = {"tiny": HUB, "other": HUB | {"repo": "org/other"}}
    asked = []
    monkeypatch.setattr(hub, "get_session", lambda: asked.append(1) or get_session())
    found = gathered(sources(site(study)))
    assert len(asked) == 1 and states(found) == ["not yet"] and found[0].about == "models.tiny, models.other"
    assert "the hub cannot be reached" in found[0].text


# --- models -----------------------------------------------------------------------------------------------


@pytest.fixture
def here(tiny_llama: Path) -> Path:
    """Put the tiny Llama where fetch_model would put the student of the demo."""
    shutil.copytree(tiny_llama, SNAPSHOT)
    return SNAPSHOT


@pytest.mark.parametrize("check", [templates, layers, scorers, lengths])
def test_a_model_that_is_not_here_must_wait(study: dict[str, Any], check: Callable[..., Any]) -> None:
    (line,) = check(site(study))
    assert (line.state, line.about) == ("not yet", "models.tiny")


def test_templates_by_the_gates_of_students_and_teachers(study: dict[str, Any], here: Path) -> None:
    assert told(templates(site(study))) == [("ok", "models.tiny", "as that of a student must be")]
    template = here / "chat_template.jinja"
    thinks = "{% for t in messages %}<|user|>{{ t.content }}<|end|>{% endfor %}"
    template.write_text(thinks + "{% if add_generation_prompt %}<|assistant|>~{% endif %}")
    (line,) = templates(site(study))
    assert (line.state, line.exit_code) == ("problem", 2) and "a prompt changes" in line.text
    study["train"]["models"] = []
    assert told(templates(site(study))) == [("ok", "models.tiny", "as that of a teacher must be")]
    study["models"]["tiny"]["chat_template"] = "plain"
    assert told(templates(site(study)))[0] == ("ok", "plain.jinja", "can be read")


def test_a_template_file_that_cannot_be_read(study: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config/templates").mkdir(parents=True)
    (tmp_path / "config/templates/bad.jinja").write_text("{% for turn in messages %}\n{{ turn }")
    study["models"]["tiny"]["chat_template"] = "bad"
    sizes = Sizes(study, 500, Path("results"), tmp_path)
    found = next(templates(Site(study, Estimator(sizes, PRESETS, Earlier({}, {})), {}, False)))
    assert (found.state, found.about) == ("problem", "bad.jinja:2")


def test_a_student_that_cannot_be_a_reward_model(study: dict[str, Any], here: Path) -> None:
    assert told(scorers(site(study))) == [("ok", "models.tiny", "can be one")]
    shutil.copy(write_tiny("granite", Path("granite")) / "config.json", here)
    (line,) = scorers(site(study))
    assert line.state == "problem" and "found 'granite', of which transformers has no" in line.text
    (here / "config.json").unlink()
    assert states(scorers(site(study))) == ["not yet"]
    del study["methods"]["reward"]
    assert not list(scorers(site(study)))


def test_layers_that_adapters_change(study: dict[str, Any], here: Path) -> None:
    linear = "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"
    assert told(layers(site(study))) == [("ok", "models.tiny", f"has {linear}")]
    study["lora"]["target_modules"] = ["q_proj", "mlp.up_proj"]
    assert told(layers(site(study))) == [("ok", "models.tiny", "has q_proj, mlp.up_proj")]
    study["lora"]["target_modules"] = ["q_proj", "k_prj", "proj"]
    found = list(layers(site(study)))
    assert [line.text.split()[0] for line in found] == ["'k_prj'", "'proj'"]
    assert found[0].exit_code == 2 and "Did you mean 'k_proj'?" in found[0].text


def problem(number: int, question: str) -> dict[str, Any]:
    """Return a record of a held-out problem; its prompt is the question and what the student's file adds."""
    text = {"context": "", "question": question, "choices": ["yes", "no"], "answer": "yes"}
    names = ("problem_id", "group_id", "dataset", "category", "rule", "instance", "planted", "source")
    return {**dict.fromkeys(names, str(number)), "verifier": "gold", **text}


def test_lengths_against_the_context(study: dict[str, Any], here: Path) -> None:
    study["hardware"]["max_model_len"] = 256
    for settings in study["methods"].values():
        settings |= {"max_length": 256} if "max_length" in settings else {}
    assert told(lengths(site(study))) == [("ok", "models.tiny", "reads 256 tokens, 256 asked for")]
    study["methods"]["dpo"]["max_length"] = 257
    study["teachers"]["tiny"]["max_tokens"] = 256
    found = list(lengths(site(study)))
    assert [line.about for line in found] == ["teachers.tiny", "methods.dpo.max_length"]
    assert found[1].text == "257 tokens, and models.tiny reads 256. Fix: lower it."
    (here / "config.json").unlink()
    assert states(lengths(site(study))) == ["problem", "not yet"]


def test_the_longest_prompt_of_a_task_and_its_answer_must_fit(study: dict[str, Any], here: Path) -> None:
    study["teachers"], study["methods"], study["prompts"]["student"] = (
        {},
        {},
        "text",
    )  # nothing but the question
    task = study["evaluation"]["tasks"]["puzzles"] | {"max_new_tokens": 6}
    study["evaluation"]["tasks"] = {"puzzles": task}
    rows = [problem(99, "x" * 247), *[problem(n, "so?") for n in range(LONGEST + 5)]]
    write_jsonl("results/data/puzzles/test.jsonl", rows)
    # a token per character: 247, three marks of turns, six of the answer
    assert told(lengths(site(study))) == [("ok", "models.tiny", "reads 256 tokens, 256 asked for")]
    write_jsonl("results/data/puzzles/test.jsonl", [problem(99, "x" * 248)])
    about = "evaluation.tasks.puzzles (prompt 251 + max_new_tokens)"
    assert told(lengths(site(study))) == [
        ("problem", about, "257 tokens, and models.tiny reads 256. Fix: lower it.")
    ]
    task["metric"] = "reward"  # its records are no problems
    assert told(lengths(site(study))) == [("ok", "models.tiny", "reads 256 tokens, 6 asked for")]


def test_contexts_by_architecture() -> None:
    assert context_of({"n_positions": 1024}) == 1024
    assert context_of({"text_config": {"max_position_embeddings": 8192}}) == 8192
    assert context_of({}) is None


# --- leakage ----------------------------------------------------------------------------------------------


def test_two_datasets_with_the_same_rows(study: dict[str, Any]) -> None:
    waits = ("not yet", "logic", "rows are compared when the data are there (find_contamination).")
    fine = ("ok", "logic", "no source in common with goals, puzzles")
    assert told(leakage(site(study))) == [fine, waits]
    goals = study["datasets"]["goals"]["sources"]
    goals[0] |= {"generator": "logic", "seed": 20260}
    (found, _) = leakage(site(study))
    assert (found.state, found.exit_code, found.about) == ("problem", 2, "datasets.logic.logicbench")
    assert "datasets.goals.piqa has the same rows and is scored on" in found.text
    goals[0]["seed"] = 1
    assert told(leakage(site(study)))[0] == fine
    goals[0] |= {"seed": 20260, "into": "train"}  # nothing of it is held out
    assert told(leakage(site(study)))[0] == fine


@pytest.mark.parametrize(
    ("files", "others", "same"),
    [
        (["a/train-*.parquet"], ["a/train-*.parquet"], True),
        (["**/train-0.parquet"], ["a/train-*.parquet"], False),  # neither pattern means the other
        (["a/train-0.parquet"], ["**/*.parquet"], True),
        (["**/*.parquet"], ["a/train-0.parquet"], True),
        (["a/train-*.parquet"], ["a/test-*.parquet"], False),
    ],
)
def test_files_of_one_repository(
    study: dict[str, Any], files: list[str], others: list[str], same: bool
) -> None:
    study["datasets"]["logic"]["sources"] = [HUB | {"name": "a", "into": "train", "files": files}]
    study["datasets"]["goals"]["sources"] = [HUB | {"name": "b", "into": "test", "files": others}]
    assert states(leakage(site(study)))[0] == ("problem" if same else "ok")
    study["datasets"]["goals"]["sources"][0]["revision"] = "3" * 40
    assert states(leakage(site(study)))[0] == "ok"


def test_digests_of_fetched_files_decide(study: dict[str, Any]) -> None:
    study["datasets"]["logic"]["sources"] = [HUB | {"name": "a", "into": "train", "files": ["x"]}]
    other = HUB | {"name": "b", "into": "test", "files": ["y"], "repo": "org/copy"}
    study["datasets"]["goals"]["sources"] = [other]
    for dataset, source, digest in (("logic", "a", "1"), ("goals", "b", "1")):
        files = [{"path": "x", "bytes": 1, "sha256": digest}]
        write_json(f"results/raw/{dataset}/manifest.json", {"sources": [{"name": source, "files": files}]})
    assert states(leakage(site(study)))[0] == "problem"
    files = [{"path": "x", "bytes": 1, "sha256": "2"}]
    write_json("results/raw/goals/manifest.json", {"sources": [{"name": "b", "files": files}]})
    assert states(leakage(site(study)))[0] == "ok"


def overlaps(*contaminated: bool) -> None:
    rows = [Overlap("logic", str(i), float(seen), seen, "") for i, seen in enumerate(contaminated)]
    Path("results/data/logic").mkdir(parents=True, exist_ok=True)
    write_parquet("results/data/logic/contamination.parquet", table(rows, Overlap), {})


def test_rows_that_were_compared(study: dict[str, Any]) -> None:
    overlaps(False, False)
    clean = "0 of 2 held-out problems are in its training split"
    assert told(leakage(site(study)))[1] == ("ok", "logic", clean)
    overlaps(True, False)
    line = list(leakage(site(study)))[1]
    assert line.text.startswith("1 of 2 ") and line.text.endswith("scores policies without them too")
    overlaps(True, True)
    assert states(leakage(site(study)))[1] == "problem"
