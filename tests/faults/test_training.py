"""Rows 8–10, 13, 19, 38–40, 44 and 52: what a training survives, for every method, in processes really hurt.

Compared are the bytes of adapter, configuration, tokenizer, card and curves with those of a whole run.
"""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import victims
from tests.training import (
    DPO,
    FILES,
    GRPO,
    HARDWARE,
    KTO,
    ORPO,
    PPO,
    REWARD,
    RLOO,
    SFT,
    SIMPO,
    digests,
    job,
    parent,
    write_rows,
)
from workflow.lib.errors import DataError, IntegrityError, NumericalError
from workflow.lib.files import read_json, write_json
from workflow.lib.models import load_tokenizer
from workflow.lib.parquet import rows_of
from workflow.lib.records import Pair, Prompt, SftRow
from workflow.scripts import train_dpo, train_reward, train_sft

# Every trainer: its settings, its rows, and the adapter it starts from (DPO and PPO from SFT, as in studies).
METHODS: dict[str, tuple[dict[str, Any], type, str]] = {
    "sft": (SFT, SftRow, ""),
    "reward": (REWARD, Pair, ""),
    "dpo": ({**DPO, "start_from": "sft"}, Pair, "sft"),
    "orpo": (ORPO, Pair, ""),
    "ppo": ({**PPO, "start_from": "sft", "updates": 3}, Prompt, "sft"),
    "kto": ({**KTO, "start_from": "sft"}, Pair, "sft"),
    "simpo": (SIMPO, Pair, ""),
    "grpo": ({**GRPO, "start_from": "sft", "epochs_per_batch": 2}, Prompt, "sft"),
    "rloo": ({**RLOO, "start_from": "sft"}, Prompt, "sft"),
}
REWARDED = ("ppo", "grpo", "rloo")  # by the reward model
STEPS = {"kto": 6, "grpo": 6}  # KTO makes two rows of each pair, GRPO takes two steps per batch; else 3
EACH = pytest.mark.parametrize("method", METHODS)
WEIGHTS = "adapter_model.safetensors"
Maker = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Path:
    """Return a folder with an SFT adapter and a reward model, and start the server."""
    home = tmp_path_factory.mktemp("parents")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        train_sft.main(**job(home / "sft", tiny_llama, "sft", SFT, write_rows(home, SftRow)))
        train_reward.main(**job(home / "reward", tiny_llama, "reward", REWARD, write_rows(home, Pair)))
    write_rows(home, Prompt, 6)
    victims.serve()
    return home


@pytest.fixture
def make(home: Path, tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    """Return a function that makes a job of a method in a working directory of its own."""
    monkeypatch.chdir(tmp_path)

    def make(method: str, folder: str = "a", **change: Any) -> dict[str, Any]:
        settings, kind, start = METHODS[method]
        given = job(
            tmp_path / folder,
            tiny_llama,
            method,
            settings,
            str(home / f"{kind.__name__}.parquet"),
            start=parent(home / start) if start else (),
            reward=parent(home / "reward") if method in REWARDED else (),
        )
        return {**given, **change}

    return make


@pytest.fixture(scope="module")
def whole(
    home: Path, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, str]]:
    """Return a function that gives the digests of a method's undisturbed run."""
    known: dict[str, dict[str, str]] = {}

    def whole(method: str) -> dict[str, str]:
        if method not in known:
            known[method] = digests(run_whole(method, home, tiny_llama, tmp_path_factory.mktemp(method)))
        return known[method]

    return whole


def run_whole(method: str, home: Path, model: Path, folder: Path, seed: int = 1) -> Path:
    """Run a method undisturbed; return the adapter's folder."""
    settings, kind, start = METHODS[method]
    rows = str(home / f"{kind.__name__}.parquet")
    starts = parent(home / start) if start else ()
    reward = parent(home / "reward") if method in REWARDED else ()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        given = job(folder / "a", model, method, settings, rows, seed=seed, start=starts, reward=reward)
        assert victims.run(given, folder / "log") == 0, (folder / "log").read_text()[-2000:]
    return folder / "a"


def outputs(folder: Path) -> list[str]:
    """Return the files of an adapter that are there."""
    return [file for file in FILES if (folder / file).exists()]


def checkpoints() -> list[str]:
    """Return the names of all checkpoints in the working directory, oldest first."""
    return sorted(
        (path.name for path in Path("work").rglob("checkpoint-*")), key=lambda name: (len(name), name)
    )


def told(log: Path) -> str:
    """Return the last line of a log, which is for a person."""
    return log.read_text().splitlines()[-1]


# --- killed -----------------------------------------------------------------------------------------------


@EACH
def test_killed_at_every_step(method: str, make: Maker, tmp_path: Path, whole: Any) -> None:
    """Each attempt makes one step and dies in the next: each step is died in, and each is resumed from."""
    given = make(method)
    steps = STEPS.get(method, 3)
    killed = victims.kills(given, tmp_path / "log", point="step", at=2)
    assert killed == steps - 1
    assert digests(tmp_path / "a") == whole(method)
    assert not checkpoints()


@EACH
@pytest.mark.parametrize(("point", "at"), [("seal", 2), ("keep", 1)])
def test_killed_while_writing(
    method: str, point: str, at: int, make: Maker, tmp_path: Path, whole: Any
) -> None:
    given, log = make(method), tmp_path / "log"
    code = victims.run(given, log, every=-1.0, point=point, at=at, sent=signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert set(outputs(tmp_path / "a")) < set(FILES)  # whatever is there, Snakemake will not take it for all
    assert victims.run(given, log) == 0
    half = "checkpoint-2 set aside: it was never finished"
    assert (half in log.read_text()) == (point == "seal")
    assert digests(tmp_path / "a") == whole(method)


# --- told to stop -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "sent"),
    [*((method, signal.SIGTERM) for method in METHODS), ("sft", signal.SIGUSR1), ("ppo", signal.SIGUSR1)],
)
def test_preempted(method: str, sent: int, make: Maker, tmp_path: Path, whole: Any) -> None:
    given, log = make(method), tmp_path / "log"
    assert victims.run(given, log, point="step", at=2, sent=sent) == 75
    assert "stopped at" in told(log) and told(log).startswith(f"ERROR train_{method}: ")
    assert checkpoints() == ["checkpoint-2"] and not outputs(tmp_path / "a")
    assert victims.run(given, log) == 0
    assert digests(tmp_path / "a") == whole(method)


@pytest.mark.parametrize("method", ["dpo", "ppo"])
def test_cut_off_again_and_again_without_getting_further(
    method: str, make: Maker, tmp_path: Path, whole: Any
) -> None:
    given, log = make(method), tmp_path / "log"
    for _ in range(5):
        assert victims.run(given, log, point="step", at=1, sent=signal.SIGKILL) == -signal.SIGKILL
    assert victims.run(given, log) == 1
    assert (
        "5 attempts from the start were cut off before the next checkpoint. Fix: give the job more"
        in told(log)
    )
    (record,) = Path("work").rglob("attempts.json")
    assert str(record) in told(log)
    record.unlink()
    assert victims.run(given, log) == 0
    assert digests(tmp_path / "a") == whole(method)


def test_attempts_that_get_further_are_not_counted_together(make: Maker, tmp_path: Path) -> None:
    given, log = make("sft", settings={**SFT, "epochs": 3}), tmp_path / "log"
    assert (
        victims.kills(given, log, point="step", at=2) == 8
    )  # 9 steps: more than 5 attempts, each gets further


# --- broken checkpoints -----------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize(
    ("method", "file", "harm", "fault"),
    [
        ("dpo", "optimizer.pt", cut, "optimizer.pt differs from its digest"),
        ("dpo", WEIGHTS, cut, f"{WEIGHTS} differs from its digest"),
        ("dpo", "trainer_state.json", cut, "trainer_state.json differs from its digest"),
        ("dpo", "optimizer.pt", Path.unlink, "optimizer.pt is missing"),
        ("dpo", "rng_state.pth", Path.unlink, "rng_state.pth is missing"),
        ("ppo", "state.pt", cut, "state.pt differs from its digest"),
        ("ppo", "history.json", Path.unlink, "history.json is missing"),
    ],
)
def test_a_broken_checkpoint_is_set_aside(
    method: str, file: str, harm: Callable[[Path], None], fault: str, make: Maker, tmp_path: Path, whole: Any
) -> None:
    given, log = make(method), tmp_path / "log"
    assert victims.run(given, log, every=-1.0, point="step", at=3, sent=signal.SIGKILL) == -signal.SIGKILL
    assert checkpoints() == ["checkpoint-1", "checkpoint-2"]
    (newest,) = Path("work").rglob("checkpoint-2")
    harm(newest / file)
    assert victims.run(given, log, every=1e9, point="step", at=2, sent=signal.SIGKILL) == -signal.SIGKILL
    assert f"{newest} set aside: {fault}" in log.read_text()
    assert checkpoints() == ["checkpoint-1", "checkpoint-2.corrupt"]  # it went on from the one before
    assert victims.run(given, log) == 0
    assert digests(tmp_path / "a") == whole(method)


# --- memory, devices --------------------------------------------------------------------------------------


@EACH
def test_out_of_gpu_memory_halves_the_next_attempt(
    method: str, make: Maker, tmp_path: Path, home: Path
) -> None:
    given, log = make(method), tmp_path / "log"
    assert victims.run(given, log, memory=2) == 6
    assert "out of GPU memory with 4 rows per pass and 4 per step" in told(log)
    assert "The next attempt takes 2 rows per pass and 4 per step as before" in told(log)
    assert "hardware.micro_batch (now 4)" in told(log)
    assert not outputs(tmp_path / "a")
    assert victims.run(given, log, memory=2) == 0
    assert (
        read_json(tmp_path / "a" / "run.json")["hardware"]["micro_batch"] == 4
    )  # asked for, and no param moved
    fitting = make(method, "b", hardware={**HARDWARE, "micro_batch": 2})
    assert victims.run(fitting, log) == 0
    assert digests(tmp_path / "a") == digests(tmp_path / "b")  # two rows per pass either way


def test_one_row_that_does_not_fit_says_what_else_there_is(make: Maker, tmp_path: Path) -> None:
    given, log = make("sft", hardware={**HARDWARE, "micro_batch": 1}), tmp_path / "log"
    for _ in range(6):  # its own errors are no attempts that were cut off
        assert victims.run(given, log, memory=-1) == 6
    assert "with 1 rows per pass" in told(log) and "hardware.gradient_checkpointing" in told(log)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@EACH
def test_cuda_without_a_gpu(method: str, make: Maker, tmp_path: Path) -> None:
    hardware = {**HARDWARE, "device": "cuda", "precision": "bfloat16"}
    assert victims.run(make(method, hardware=hardware), tmp_path / "log") == 3
    assert told(tmp_path / "log").startswith(
        f"ERROR train_{method}: hardware.device is cuda, but no GPU is visible"
    )
    assert not Path("work").exists()


# --- numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["sft", "reward", "dpo"])
def test_a_gradient_that_is_not_finite_stops_before_the_weights(
    method: str, make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At step 3 the loss is spoiled; the checkpoint of step 2 stays, whole and finite."""
    script = {"sft": train_sft, "reward": train_reward, "dpo": train_dpo}[method]
    (trainer,) = [
        kind
        for kind in vars(script).values()
        if isinstance(kind, type)
        and kind.__module__.startswith("trl.trainer")
        and kind.__name__.endswith("Trainer")
    ]
    passed = trainer.compute_loss

    def spoiled(self: Any, *given: Any, **options: Any) -> Any:
        loss = passed(self, *given, **options)
        return loss * float("inf") if self.state.global_step == 2 else loss

    monkeypatch.setattr(trainer, "compute_loss", spoiled)
    monkeypatch.setattr("workflow.lib.trainers.CHECKPOINT_EVERY", -1.0)
    with pytest.raises(NumericalError, match="a gradient at step 3 is not finite") as caught:
        script.main(**make(method))
    assert caught.value.exit_code == 5
    assert checkpoints() == ["checkpoint-1", "checkpoint-2"] and not outputs(tmp_path / "a")
    (last,) = Path("work").rglob(f"checkpoint-2/{WEIGHTS}")
    assert all(torch.isfinite(tensor).all() for tensor in load_file(last).values())


@EACH
def test_another_seed_gives_other_bytes(
    method: str, home: Path, tiny_llama: Path, tmp_path: Path, whole: Any
) -> None:
    """That the same seed gives the same bytes is what every test above with ``whole`` shows."""
    other = digests(run_whole(method, home, tiny_llama, tmp_path, seed=2))
    for file in (WEIGHTS, "curves.parquet"):
        assert other[file] != whole(method)[file]


# --- tokens -----------------------------------------------------------------------------------------------


def test_padding_that_is_eos_leaves_eos_trained(make: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    """The model's padding is its EOS: the completion's own is trained, the padding behind it is not."""
    given = make("sft")
    tokenizer = load_tokenizer(given["snapshot"])
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == 0
    train_sft.main(**given)
    lines = capsys.readouterr().out.splitlines()
    (labels,) = [line.split(": ", 2)[2] for line in lines if line.startswith("first batch: labels: ")]
    trained = [int(label) for label in labels.strip("[]").split(",") if int(label) != -100]
    assert trained.count(0) == 1 and trained[-1] == 0
    assert tokenizer.decode(trained).startswith("It is ")


@pytest.mark.parametrize("method", ["sft", "dpo", "orpo"])
def test_an_eos_that_is_not_trained_is_found_in_the_first_batch(
    method: str, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collator that takes padding and EOS for one: a way to masks without an end."""
    from workflow.scripts import train_orpo

    script = {"sft": train_sft, "dpo": train_dpo, "orpo": train_orpo}[method]
    passed = script.train

    def careless(given: Any, trainer: Any, *rest: Any) -> None:
        collate = trainer.data_collator

        def masked(rows: Any) -> Any:
            batch = collate(rows)
            for name in [name for name in batch if name.endswith("labels")]:
                batch[name][batch[name] == 0] = -100
            if "completion_mask" in batch:
                batch["completion_mask"][batch["input_ids"] == 0] = 0
            return batch

        trainer.data_collator = masked
        passed(given, trainer, *rest)

    monkeypatch.setattr(script, "train", careless)
    with pytest.raises(DataError, match="the first batch has a completion whose EOS is not trained"):
        script.main(**make(method))


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (None, "no chat template"),
        ("{{ raise_exception('only system turns') }}", "chat template: only system turns"),
        ("{{ messages[0].body.text }}", "chat template: "),
    ],
    ids=["missing", "raises", "undefined"],
)
def test_a_model_whose_template_cannot_be_used(
    template: str | None, told: str, make: Maker, tmp_path: Path
) -> None:
    import shutil

    given = make("sft")
    model = shutil.copytree(given["snapshot"], tmp_path / "model")
    for path in model.glob("*.jinja"):
        path.unlink()
    settings = read_json(model / "tokenizer_config.json")
    settings.pop("chat_template", None)
    write_json(
        model / "tokenizer_config.json", {**settings, **({"chat_template": template} if template else {})}
    )
    with pytest.raises(DataError, match=told) as caught:
        train_sft.main(**{**given, "snapshot": str(model)})
    assert str(model) in str(caught.value) and "Fix: " in str(caught.value)


# --- adapters ---------------------------------------------------------------------------------------------


def change(**tensors: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], None]:
    """Return a harm that changes the tensors whose names end so."""

    def harm(folder: Path) -> None:
        found = load_file(folder / WEIGHTS)
        for name, tensor in found.items():
            for part, act in tensors.items():
                found[name] = act(tensor) if part in name else found[name]
        save_file(found, folder / WEIGHTS)

    return harm


def lose_one(folder: Path) -> None:
    found = load_file(folder / WEIGHTS)
    found.pop(min(found))
    save_file(found, folder / WEIGHTS)


def rename_base(folder: Path) -> None:
    settings = read_json(folder / "adapter_config.json")
    write_json(folder / "adapter_config.json", {**settings, "base_model_name_or_path": "large"})


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (change(lora_B=torch.zeros_like), "every lora_B is zero"),
        (change(lora_A=lambda tensor: tensor * float("nan")), r"tensor base_model\S+lora_A\S+ is not finite"),
        (lose_one, "1 tensors do not fit the model"),
        (rename_base, "adapter of model 'large', expected one of 'tiny'"),
        (lambda folder: cut(folder / WEIGHTS), "expected a whole safetensors file"),
        (lambda folder: save_file({}, folder / WEIGHTS), "expected tensors, found none"),
    ],
    ids=["zero", "not finite", "incomplete", "another base", "cut off", "empty"],
)
def test_an_adapter_to_start_from_that_is_broken(
    harm: Callable[[Path], None], told: str, make: Maker, tmp_path: Path, home: Path
) -> None:
    import shutil

    folder = shutil.copytree(home / "sft", tmp_path / "start")
    harm(folder)
    with pytest.raises(IntegrityError, match=told) as caught:
        train_dpo.main(**make("dpo", start=parent(folder)))
    assert str(folder) in str(caught.value)


def test_an_adapter_that_moves_no_logit_is_not_kept(
    make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All tensors are sound, and nothing applies them: their scale is 0."""
    from workflow.lib import trainers

    passed = trainers.finish

    def numb(given: Any, outcome: Any) -> None:
        for module in outcome.model.modules():
            if isinstance(getattr(module, "scaling", None), dict):  # by adapter
                module.scaling = dict.fromkeys(module.scaling, 0.0)
        passed(given, outcome)

    given = make("sft")
    with monkeypatch.context() as patch:
        patch.setattr(trainers, "finish", numb)
        with pytest.raises(
            IntegrityError, match=r"expected other logits than the base's, found a change of 0\.0"
        ):
            train_sft.main(**given)
    assert not outputs(tmp_path / "a")
    train_sft.main(**given)
    assert read_json(tmp_path / "a" / "run.json")["logits_moved"] > 1e-3


def test_curves_have_every_step_once_however_often_it_was_cut(make: Maker, tmp_path: Path) -> None:
    given = make("sft")
    victims.kills(given, tmp_path / "log", point="step", at=2)
    rows = rows_of(given["outputs"]["curves"])
    assert [row["step"] for row in rows if row["quantity"] == "loss"] == [1, 2, 3]
