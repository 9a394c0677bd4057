"""Task definitions: includes, gates on what they say, and one run of the harness that repeats itself."""

from pathlib import Path

import lm_eval
import pytest
import yaml
from lm_eval.api.instance import Instance

from tests.random_adapters import HARDWARE, yes_no_problems
from workflow.lib import harness
from workflow.lib.decoding import greedy
from workflow.lib.errors import DataError
from workflow.lib.harness import build, language_model, on_rows, read_definition, read_task, run
from workflow.lib.models import load_base, load_tokenizer
from workflow.lib.prompts import PromptFile
from workflow.lib.scoring import documents

TASKS = Path(__file__).parents[2] / "workflow/tasks"
PLAIN = "task: t\noutput_type: multiple_choice\nmetadata: {version: 1.0, chat_template: true}\n"


def test_every_task_is_versioned_documented_and_can_be_read() -> None:
    paths = sorted(TASKS.glob("*/*.yaml"))
    assert len(paths) >= 5
    for path in paths:
        task = read_task(path, 8)
        assert task.name == path.stem
        assert float(task.config["metadata"]["version"]) >= 1.0
        readme = (path.parent / "README.md").read_text()
        assert f"`{path.stem}`" in readme or path.stem == "puzzlebench"
        assert "## Changes" in readme


def test_the_installed_piqa_is_taken_in_where_it_lies() -> None:
    ours = read_definition(TASKS / "piqa/piqa.yaml")
    theirs = yaml.safe_load((Path(lm_eval.__file__).parent / "tasks/piqa/piqa.yaml").read_text())
    for key in ("doc_to_text", "doc_to_choice", "doc_to_target", "metric_list", "output_type", "task"):
        assert ours[key] == theirs[key]
    assert "include" not in ours


def test_a_local_include_is_relative_and_is_overridden(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(PLAIN + "repeats: 1\n")
    (tmp_path / "more.yaml").write_text("include: base.yaml\nrepeats: 4\n")
    config = read_definition(tmp_path / "more.yaml")
    assert (config["task"], config["repeats"]) == ("t", 4)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("task: t\noutput_type: multiple_choice\nmetadata: {version: 1.0}\n", "metadata.chat_template"),
        ("task: t\noutput_type: multiple_choice\nmetadata: {chat_template: true}\n", "metadata.version"),
        (PLAIN + "num_fewshot: 2\n", "num_fewshot"),
    ],
    ids=["no chat_template", "no version", "few-shot from the test split"],
)
def test_what_a_definition_must_say(tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(DataError, match=f"t.yaml field '{field}'"):
        read_task(tmp_path / "t.yaml", 0)


def test_the_longest_answer_comes_from_the_config() -> None:
    task = read_task(TASKS / "logicbench/logicbench_bqa_sampled.yaml", 17)
    assert task.config["generation_kwargs"]["max_gen_toks"] == 17
    assert task.sampled and task.generates
    assert not read_task(TASKS / "logicbench/logicbench_bqa.yaml", 17).sampled
    assert not read_task(TASKS / "piqa/piqa_goals.yaml", 0).generates


def test_sampling_leaves_no_token_out() -> None:
    # The library's own default keeps only the 50 most probable tokens unless top_k is 0.
    drawn = read_task(TASKS / "logicbench/logicbench_bqa_sampled.yaml", 8).config["generation_kwargs"]
    assert (drawn["top_k"], drawn["top_p"], drawn["temperature"], drawn["do_sample"]) == (0, 1.0, 0.7, True)


def test_the_task_reads_every_row_and_only_the_rows(tmp_path: Path) -> None:
    (tmp_path / "p.j2").write_text("{{ question }}")
    rows = documents(yes_no_problems(7), PromptFile(tmp_path / "p.j2"))
    task = build(on_rows(read_task(TASKS / "logicbench/logicbench_bqa.yaml", 8), rows, tmp_path))
    assert [doc["problem_id"] for doc in task.eval_docs] == [f"p{i:03}" for i in range(7)]
    assert list(task.dataset) == ["test"]
    assert task.doc_to_text(task.eval_docs[2]) == "Is road 2 wet?"


def test_a_run_depends_on_its_seed_only(tmp_path: Path, tiny_llama: Path) -> None:
    (tmp_path / "p.j2").write_text("{{ question }}")
    task = read_task(TASKS / "logicbench/logicbench_bqa_sampled.yaml", 6)
    config = on_rows(task, documents(yes_no_problems(4), PromptFile(tmp_path / "p.j2")), tmp_path)
    lm = language_model(load_base(tiny_llama, HARDWARE), load_tokenizer(tiny_llama), chat=True, batch=4)
    asked = build(config)
    first = run(lm, asked, chat=True, seed=1)
    built = asked.instances
    second, other = (run(lm, asked, chat=True, seed=seed) for seed in (1, 2))
    assert asked.instances is built  # the requests are built for the first run only
    texts = [[entry["resps"] for entry in logged] for _, logged in (first, second, other)]
    assert texts[0] == texts[1] != texts[2]
    assert first[0] == second[0]
    assert str(tmp_path) not in str(first[0])
    assert not {"date", "git_hash", "pretty_env_info", "samples"} & set(first[0])


@pytest.mark.parametrize(
    ("until", "sampled", "ours"),
    [([], False, True), (["."], False, False), ([], True, False)],
    ids=["greedy", "stopped by words", "drawn"],
)
def test_greedy_answers_that_only_the_end_stops_are_decoded_by_ours(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch, until: list[str], sampled: bool, ours: bool
) -> None:
    calls = []
    monkeypatch.setattr(
        harness, "greedy", lambda *given, **named: calls.append(given) or greedy(*given, **named)
    )
    lm = language_model(load_base(tiny_llama, HARDWARE), load_tokenizer(tiny_llama), chat=True, batch=4)
    settings = {"until": until, "do_sample": sampled, "temperature": float(sampled), "max_gen_toks": 5}
    told = lm.generate_until([Instance("generate_until", {}, ("<|user|>No?", settings), 0)])
    assert len(told) == 1
    assert bool(calls) is ours
