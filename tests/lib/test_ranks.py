"""Several processes for one training: what they share, how they are told to stop, and how they end."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.training import DPO, HARDWARE, ORPO, SFT, job, write_rows
from workflow.lib import ranks
from workflow.lib.errors import ChildError, DependencyError, NumericalError, Preempted, error_of
from workflow.lib.files import read_json
from workflow.lib.parquet import rows_of
from workflow.lib.records import Pair, SftRow

METHODS: dict[str, tuple[dict[str, Any], type]] = {
    "sft": (SFT, SftRow),
    "dpo": (DPO, Pair),
    "orpo": (ORPO, Pair),
}


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        ([0, 0], 0),
        ([1, 75], 75),  # a rank that loses another one ends with 1
        ([5, 5], 5),
        ([1, -9], 137),
        ([-9, 6], 6),
        ([None, 3], 3),
        ([1, None], 1),
    ],
)
def test_the_exit_code_is_that_of_the_rank_to_blame(ended: list[int | None], code: int) -> None:
    assert ranks.blame(ended) == code


def test_an_exit_code_becomes_the_error_that_it_stands_for() -> None:
    assert [type(error_of(code, "told")) for code in (5, 75, 137)] == [NumericalError, Preempted, ChildError]
    assert [error_of(code, "told").exit_code for code in (2, 3, 4, 5, 6, 75, 1, 137)] == [
        2,
        3,
        4,
        5,
        6,
        75,
        1,
        137,
    ]


def test_alone_nothing_is_waited_for() -> None:
    assert (ranks.rank(), ranks.within()) == (0, False)
    ranks.barrier()
    assert ranks.any_of([True, False]) == [True, False]
    with ranks.first_alone():
        pass


def given(method: str, folder: Path, model: Path, name: str, **hardware: Any) -> dict[str, Any]:
    """Return a job of 24 rows in batches of 8, three steps."""
    settings, kind = METHODS[method]
    settings = {**settings, "batch_size": 8, "learning_rate": 1e-3}
    rows = write_rows(folder, kind, 24)
    return job(folder / name, model, method, settings, rows, hardware={**HARDWARE, **hardware})


def outcome(folder: Path) -> tuple[list[float], dict[str, Any]]:
    """Return the losses and the tensors of a training."""
    losses = [row["value"] for row in rows_of(folder / "curves.parquet") if row["quantity"] == "loss"]
    return losses, load_file(folder / "adapter_model.safetensors")


def check_same(
    found: tuple[list[float], dict[str, Any]], expected: tuple[list[float], dict[str, Any]]
) -> None:
    """Assert that two trainings took the same steps, apart from the order of sums."""
    assert found[0] == pytest.approx(expected[0], abs=5e-6)
    assert len(found[0]) == 3 and found[1].keys() == expected[1].keys()
    moved = max(float(tensor.abs().max()) for tensor in expected[1].values())
    for name, tensor in expected[1].items():
        assert float((found[1][name].float() - tensor).abs().max()) < 1e-3 * moved, name


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_the_global_batch_is_the_same_however_it_is_divided(
    method: str, tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8 rows at once, one by one, and 4 on each of two processes, which really talk to each other."""
    monkeypatch.chdir(tmp_path)
    main = import_module(f"workflow.scripts.train_{method}").main
    for name, layout in {
        "1x8": {"micro_batch": 8},
        "8x1": {"micro_batch": 1},
        "2 ranks x 4": {"micro_batch": 4, "processes": 2},
    }.items():
        main(**given(method, tmp_path, tiny_llama, name, **layout))
    whole = outcome(tmp_path / "1x8")
    for name in ("8x1", "2 ranks x 4"):
        check_same(outcome(tmp_path / name), whole)
    run = read_json(tmp_path / "2 ranks x 4" / "run.json")
    assert (run["rows"], run["steps"], run["hardware"]["processes"]) == (24, 3, 2)
    assert not list(Path("work").rglob("checkpoint-*"))


def test_a_last_pass_with_fewer_rows_weighs_less(
    tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """21 rows in batches of 8: the last has 5 rows, in passes of 5, of 3 and 2, or one by one."""
    monkeypatch.chdir(tmp_path)
    main = import_module("workflow.scripts.train_dpo").main
    settings = {**DPO, "batch_size": 8, "learning_rate": 1e-3, "epochs": 2}
    rows = write_rows(tmp_path, Pair, 21)
    found = []
    for micro in (8, 4, 1):
        hardware = {**HARDWARE, "micro_batch": micro}
        main(**job(tmp_path / str(micro), tiny_llama, "dpo", settings, rows, hardware=hardware))
        found.append(outcome(tmp_path / str(micro))[0])
    assert found[1] == pytest.approx(found[0], abs=5e-6)
    assert found[2] == pytest.approx(found[0], abs=5e-6)


SCRIPT = """
import os, signal, sys
from pathlib import Path
from workflow.lib import trainers
from workflow.lib.errors import PlumblineError
from workflow.scripts import train_sft

def main(**given):
    number = os.environ["RANK"]
    Path(f"alive-{{number}}").write_text(str(os.getpid()))
    passed = train_sft.LengthTrainer.training_step
    def step(self, *given, **options):
        {step}
        return passed(self, *given, **options)
    train_sft.LengthTrainer.training_step = step
    train_sft.main(**given)
"""


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that puts a script in the place of SFT's, which does a thing in every step."""
    monkeypatch.chdir(tmp_path)

    def put(step: str) -> None:
        folder = tmp_path / "stand_in"
        folder.mkdir(exist_ok=True)
        (folder / "train_hurt.py").write_text(SCRIPT.format(step=step))
        # `workflow.scripts` is a namespace: one more folder joins it
        (folder / "sitecustomize.py").write_text(
            f"import workflow.scripts\nworkflow.scripts.__path__.append({str(folder)!r})\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return put


SRUN = """\
#!{python}
# Starts its tasks here, as srun does on nodes: each gets its number, signals, and the end of stdin.
import os, signal, subprocess, sys, threading

options = [word for word in sys.argv[1:] if word.startswith("--")]
tasks = int(dict(word.split("=") for word in options if "=" in word)["--ntasks"])
command = sys.argv[1 + len(options) :]
started = [
    subprocess.Popen(command, env={{**os.environ, "SLURM_NODEID": str(node)}}, stdin=subprocess.PIPE)
    for node in range(tasks)
]
signal.signal(signal.SIGTERM, lambda number, frame: [task.send_signal(number) for task in started])


def hand_on_the_end():
    sys.stdin.read()
    for task in started:
        task.stdin.close()


threading.Thread(target=hand_on_the_end, daemon=True).start()
codes = [task.wait() for task in started]
sys.exit(max(128 - code if code < 0 else code for code in codes))
"""


@pytest.fixture
def srun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process one of a SLURM job whose nodes are all this machine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "srun").write_text(SRUN.format(python=sys.executable))
    (folder / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "7")


@pytest.mark.slow
def test_a_signal_stops_all_ranks_at_the_same_step_and_they_go_on_from_it(
    tmp_path: Path, tiny_llama: Path, scripted: Any, srun: None
) -> None:
    """Rank 1 alone is told; both stop, one checkpoint is written, and the end is that of one process.

    They stop on two nodes, on which ``srun`` starts a leader of each, and go on as two processes on one.
    """
    scripted("self.state.global_step == 1 and number == '1' and os.kill(os.getpid(), signal.SIGTERM)")
    import_module("workflow.scripts.train_sft").main(
        **given("sft", tmp_path, tiny_llama, "whole", micro_batch=8)
    )
    stopped = given("sft", tmp_path, tiny_llama, "stopped", micro_batch=4, processes=2, nodes=2)
    with pytest.raises(Preempted) as caught:
        ranks.run("train_hurt", stopped, 2, 2)
    assert caught.value.exit_code == 75
    assert [path.name for path in Path("work").rglob("checkpoint-*")] == ["checkpoint-2"]
    import_module("workflow.scripts.train_sft").main(
        **stopped | {"hardware": {**stopped["hardware"], "nodes": 1}}
    )
    check_same(outcome(tmp_path / "stopped"), outcome(tmp_path / "whole"))


@pytest.mark.slow
def test_a_rank_that_is_killed_ends_the_others(
    tmp_path: Path, tiny_llama: Path, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "GRACE", 2.0)
    scripted("number == '1' and os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(ChildError) as caught:
        ranks.run("train_hurt", given("sft", tmp_path, tiny_llama, "a", micro_batch=4, processes=2), 2, 1)
    assert caught.value.exit_code == 137
    assert not (tmp_path / "a").exists() and not alive(tmp_path)


@pytest.mark.slow
def test_ranks_end_with_their_launcher(tmp_path: Path, tiny_llama: Path, scripted: Any) -> None:
    """The launcher is killed outright: nobody is left who goes on training or writes."""
    scripted("__import__('time').sleep(60)")
    program = "import json, sys\nfrom workflow.lib import ranks\n"
    program += "ranks.run('train_hurt', json.load(sys.stdin), 2, 1)"
    environment = {**os.environ, "PYTHONPATH": f"{ranks.ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdin=subprocess.PIPE
    ) as launcher:
        asked = given("sft", tmp_path, tiny_llama, "a", micro_batch=4, processes=2)
        launcher.stdin.write(json.dumps(asked).encode())
        launcher.stdin.close()
        wait_for(lambda: len(list(tmp_path.glob("alive-*"))) == 2)
        assert len(alive(tmp_path)) == 2
        launcher.send_signal(signal.SIGKILL)
    wait_for(lambda: not alive(tmp_path))


def test_a_leader_ends_its_ranks_when_another_one_tells_of_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """They might wait for the lost ones for ever: they are killed when the grace is over."""
    monkeypatch.setattr(ranks, "GRACE", 0.3)
    store = ranks.TCPStore(ranks.HOST, 0, is_master=True, wait_for_workers=False)
    waiting = [subprocess.Popen(["sleep", "60"])]
    store.set(ranks.FAILED, "5")
    assert ranks._watch(waiting, store) == 0  # nobody here is to blame
    assert waiting[0].returncode == -signal.SIGKILL


def test_nodes_take_a_slurm_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(DependencyError, match="this is no SLURM job"):
        ranks._on_each_node(2, 1)


def test_what_slurm_is_asked_for_is_one_task_a_node(srun: None) -> None:
    command = ranks._on_each_node(2, 8)
    assert command[:5] == ["srun", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--cpus-per-task=8"]


def alive(folder: Path) -> list[int]:
    """Return the ranks that are still there; a process that is over and not yet collected is not."""
    found = []
    for path in folder.glob("alive-*"):
        process = Path("/proc") / path.read_text()
        if process.exists() and " Z " not in (process / "stat").read_text():
            found.append(int(process.name))
    return found


def wait_for(condition: Any, seconds: float = 120.0) -> None:
    """Wait until ``condition`` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.2)


# --- DeepSpeed --------------------------------------------------------------------------------------------


def test_deepspeed_takes_batches_and_precision_from_the_trainer() -> None:
    assert ranks.deepspeed_variables("none") == {}
    stages = {kind: ranks.deepspeed_config(kind) for kind in ("zero2", "zero3", "zero3_offload")}
    assert [found["zero_optimization"]["stage"] for found in stages.values()] == [2, 3, 3]
    assert stages["zero3_offload"]["zero_optimization"]["offload_param"]["device"] == "cpu"
    for found in stages.values():
        assert found["bf16"] == {"enabled": "auto"}
        assert found["train_batch_size"] == found["gradient_clipping"] == "auto"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zero2", "zero3"])
def test_deepspeed_takes_the_same_steps(
    kind: str, tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two CPU processes; the first time on a machine DeepSpeed compiles its means of communication."""
    monkeypatch.chdir(tmp_path)
    main = import_module("workflow.scripts.train_sft").main
    main(**given("sft", tmp_path, tiny_llama, "whole", micro_batch=8))
    main(**given("sft", tmp_path, tiny_llama, kind, micro_batch=4, processes=2, deepspeed=kind))
    check_same(outcome(tmp_path / kind), outcome(tmp_path / "whole"))
