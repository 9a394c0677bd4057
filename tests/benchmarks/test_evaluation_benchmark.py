"""The benchmark of evaluation compares scores before times, and counts what it says it counts."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from benchmarks import evaluation
from benchmarks.evaluation import Cost
from tests.random_adapters import goal_problems, write_adapter
from workflow.lib.files import write_json
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, table
from workflow.scripts import evaluate


def test_processes_add_up_but_not_their_memory(tmp_path: Path):
    assert Cost(1.0, 2.0, 300.0).times(6) == Cost(6.0, 12.0, 300.0)
    busy = "import time\nwhile time.process_time() < 0.2: pass\nkept = bytes({} * 2**20)"
    told = [[sys.executable, "-c", busy.format(size)] for size in (1, 60, 1)]
    both = evaluation.together(told, tmp_path, 1, 1)
    assert both.processor > 0.6 and both.wall > 0.6
    assert both.peak > 60


def test_a_command_that_fails_is_told_with_its_log(tmp_path: Path):
    with pytest.raises(SystemExit, match="failed:\nno such adapter"):
        evaluation.together([[sys.executable, "-c", "raise SystemExit('no such adapter')"]], tmp_path, 1, 1)


def test_ratios_are_of_wall_and_of_processor_time():
    # 100 / 20 and 90 / 19.
    shown = evaluation.line("ours", 3, 2, 6, 3, Cost(20.0, 19.0, 700.4), Cost(100.0, 90.0, 800.0))
    assert shown == "| ours | 3 | 2 | 6 | 3 | 20.0 | 19.0 | 700 | 5.00 | 4.74 |"


def test_another_score_ends_the_benchmark():
    theirs = {"acc,none": 0.5, "acc_stderr,none": 0.1, "alias": "t", "acc_norm,none": 0.25}
    ours = {"acc,none": 0.5, "acc_norm,none": 0.25 + 1e-7, "acc_stderr,none": 0.2}
    assert evaluation.compare(theirs, ours, "a, t") == 2
    with pytest.raises(SystemExit, match=r"a, t: acc_norm,none is 0\.25 by lm_eval, 0\.2501 by ours"):
        evaluation.compare(theirs, ours | {"acc_norm,none": 0.2501}, "a, t")


def test_ours_scores_as_the_rule_does(
    tiny_llama: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """The command's own scores are compared in tests/scripts/test_evaluate.py; here it finds none."""

    def done(told: list[str], folder: Path, log: Path, threads: int) -> Cost:
        asked.append(threads)
        if "-c" in told:
            evaluate.main(**json.loads(Path(told[3]).read_text()))
            return Cost(4.0, 2.0, 10.0)
        output = Path(told[told.index("--output_path") + 1])
        write_json(output.with_name(f"{output.stem}_now.json"), {"results": {"piqa_goals": {}}})
        return Cost(3.0, 5.0, 20.0)

    asked: list[int] = []
    base = tmp_path / "models/tiny"
    shutil.copytree(tiny_llama, base / "snapshot")
    write_json(base / "manifest.json", {"model": "tiny", "digest": "0" * 64})
    for seed in (1, 2):
        write_adapter(tiny_llama, tmp_path / f"adapters/logic/tiny/sft/seed-{seed}", seed)
    goals = goal_problems([(f"open jar {i}", f"turn it {i} times", "hit it", i % 2) for i in range(4)])
    write_parquet(tmp_path / "data/goals/test.parquet", table(goals, Problem))
    monkeypatch.setattr(evaluation, "TASKS", {evaluation.GOALS: "goals"})
    monkeypatch.setattr(evaluation, "timed", done)
    monkeypatch.setattr(evaluation.os, "cpu_count", lambda: 2)
    evaluation.main([str(tmp_path), "--adapters", "2"])
    said = capsys.readouterr()
    rows = [line for line in said.out.splitlines() if line.startswith(("| ours", "| `lm_eval r"))]
    # Two commands of 5 seconds each, twice; ours 2: 10 / 2. The clock is that of this test.
    fields = [[field.strip() for field in row.split("|")[1:-1]] for row in rows]
    assert [field[:5] for field in fields] == [
        ["`lm_eval run`", "2", "1", "2", "1"],
        ["`lm_eval run`", "2", "2", "2", "1"],
        ["ours", "1", "2", "2", "1"],
    ]
    assert [[field[6], field[7], field[9]] for field in fields] == [
        ["10.0", "20", "1.00"],
        ["10.0", "20", "1.00"],
        ["2.0", "10", "5.00"],
    ]
    assert asked == [2, 2, 1, 1, 1]  # threads: all cores in turn, one each side by side
    assert "2 policies: 0 results kept, 2 to score" in said.out
    assert "0 scores the same" in said.err
