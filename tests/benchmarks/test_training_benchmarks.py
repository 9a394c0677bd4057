"""The benchmarks of training run to their tables on a tiny model, and count what they say they count."""

import argparse
import math
from pathlib import Path

import pytest

from benchmarks import gpu_training, reference_store, startup, training_against_trl, watch
from benchmarks.training_jobs import write_rows
from workflow.lib.parquet import rows_of

SMALL = ["--rows", "8", "--longest", "12", "--max-length", "200", "--repeats", "1"]


def cells(printed: str, first: str) -> list[list[str]]:
    """Return the cells of the rows of a printed table whose first cell is ``first``."""
    rows = [line.strip("|").split("|") for line in printed.splitlines() if line.startswith(f"| {first} |")]
    return [[cell.strip() for cell in row] for row in rows]


def taken(steps: int, tokens: int, *losses: float) -> dict[str, object]:
    return {"steps": steps, "tokens": tokens, "losses": list(losses)}


def test_rows_are_the_same_each_time_and_of_many_lengths(tmp_path: Path):
    first, again = (write_rows(tmp_path / name, 40, 60) for name in ("a", "b"))
    for name in ("sft.parquet", "pairs.parquet", "trl/sft/train.jsonl", "trl/pairs/train.jsonl"):
        assert (first / name).read_bytes() == (again / name).read_bytes()
    words = [len(row["completion"].split()) for row in rows_of(first / "sft.parquet")]
    assert 2 <= min(words) < 10 < max(words) <= 60


def test_a_phase_does_not_count_the_phases_within_it(monkeypatch: pytest.MonkeyPatch):
    """Outer from 0 to 10, with an inner one from 2 to 5 and one from 6 to 7: 6 and 4."""
    times = iter([0.0, 2.0, 5.0, 6.0, 7.0, 10.0])
    monkeypatch.setattr(watch.time, "perf_counter", lambda: next(times))
    seen = watch.Watch()
    inner = seen.timed("inner", lambda: "done")
    with seen.phase("outer"):
        assert [inner(), inner()] == ["done", "done"]
    assert seen.seconds == {"outer": 6.0, "inner": 4.0}


def test_losses_are_compared_step_by_step():
    """|0.5 - 0.51| / 0.5 = 0.02; below 0.1 a difference counts as a share of 0.1: 0.001 / 0.1 = 0.01."""
    sides = {"TRL": [taken(2, 9, 0.5, 0.01)], "ours": [taken(2, 9, 0.51, 0.011)]}
    assert training_against_trl.differences(sides) == pytest.approx(0.02)


def test_other_tokens_are_no_comparison():
    sides = {"TRL": [taken(1, 9, 0.5)], "ours": [taken(1, 8, 0.5)]}
    with pytest.raises(SystemExit, match=r"TRL's \[1, 9\], ours \[1, 8\]"):
        training_against_trl.differences(sides)


def test_what_computes_the_reference_counts():
    """Two jobs: 2 s and 0 s of reference, 3 s each in steps: 8 s against 16 live are twice as fast."""
    jobs = [
        {"phases": {"reference": 2.0}, "seconds": 3.0, "whole": 10.0, "steps": 4, "losses": [0.7]},
        {"phases": {}, "seconds": 3.0, "whole": 6.0, "steps": 4, "losses": [0.6]},
    ]
    assert reference_store.added(jobs) == {"reference": 2.0, "steps": 6.0, "both": 8.0, "whole": 16.0}
    shown = reference_store.row("stored", [jobs], {"both": 16.0, "whole": 24.0})
    assert cells(shown, "stored") == [
        ["stored", "2", "8", "2.00", "6.00", "8.00", "2.00", "16.0", "1.50", "0.7000, 0.6000"]
    ]


def test_what_is_in_no_part_is_the_rest():
    found = {"phases": {"imports": 5.0, "steps": 2.0}, "exit": 1.0, "whole": 8.5}
    parts = startup.parts_of(found)
    assert list(parts) == list(startup.PARTS)
    assert (parts["imports"], parts["model"], parts["exit"], parts["rest"]) == (5.0, 0.0, 1.0, 0.5)


def test_mfu_is_the_rate_times_the_work_of_a_token():
    """2,000 tokens/s of 3e10 operations are 6e13 a second, a tenth of 6e14; 90 of 120 places hold tokens."""
    found = {
        **{"rate": 2000.0, "flops_per_token": 3.0e10, "peak_flops": 6.0e14, "peak_gpu_mib": 2048.0},
        **{"steps": 5, "tokens": 90, "places": 120, "peak_mib": 700.0, "whole": 9.0},
    }
    shown = cells(gpu_training.row("sft", "packed", "sdpa", found), "sft")
    assert shown == [["sft", "packed", "sdpa", "5", "90", "25 %", "2,000", "10.0 %", "2.0", "700", "9"]]


def test_variants_that_cannot_be_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gpu_training, "find_spec", lambda name: None)
    chosen = argparse.Namespace(
        **{"variants": list(gpu_training.VARIANTS), "device": "cuda", "micro": 2, "batch": 4},
        **{"max_length": 64, "steps": 3, "warm": 1, "reference": "live"},
    )
    found = {m: gpu_training.works(m, tmp_path, tmp_path, chosen) for m in ("sft", "dpo")}
    assert list(found["sft"]) == ["padded", "padded-recompute", "packed", "packed-recompute"]
    assert list(found["dpo"]) == ["padded", "padded-recompute"]
    jobs = {name: work["job"] for name, work in found["sft"].items()}
    assert [given["settings"]["packing"] for given in jobs.values()] == [False, False, True, True]
    assert [given["hardware"]["gradient_checkpointing"] for given in jobs.values()] == [False, True] * 2
    given = jobs["packed"]
    assert (given["hardware"]["attention"], given["hardware"]["precision"]) == ("sdpa", "bfloat16")


@pytest.mark.slow
def test_training_against_trl(tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Tokens by hand: one per character, and four marks in a row: user, end, assistant, end."""
    training_against_trl.main(["--snapshot", str(tiny_llama), "--batch", "4", "--only", "SFT, four", *SMALL])
    printed = capsys.readouterr().out
    trl, own = cells(printed, "SFT, four passes a step")
    rows = rows_of(write_rows(tmp_path, 8, 12) / "sft.parquet")
    tokens = sum(len(row["prompt"]) + len(row["completion"]) + 4 for row in rows)
    assert trl[:4] == ["SFT, four passes a step", "TRL", "2", f"{tokens:,}"]
    assert own[:4] == ["SFT, four passes a step", "ours, by length", "2", f"{tokens:,}"]
    assert trl[-1] == own[-1]  # the final loss
    assert "share of it: SFT, four passes a step" in printed


@pytest.mark.slow
def test_reference_store(tiny_llama: Path, capsys: pytest.CaptureFixture[str]):
    reference_store.main(["--snapshot", str(tiny_llama), "--batch", "4", "--betas", "0.1", *SMALL])
    printed = capsys.readouterr().out
    (live,), (stored,) = cells(printed, "live"), cells(printed, "stored")
    assert live[1:4] == ["1", "2", "0.00"] and live[6] == live[8] == "1.00"
    assert stored[1:3] == ["1", "2"] and float(stored[3]) > 0.0
    assert stored[-1] == live[-1]


@pytest.mark.slow
def test_startup(tiny_llama: Path, capsys: pytest.CaptureFixture[str]):
    startup.main(["--snapshot", str(tiny_llama), "--methods", "orpo", "--epochs", "2", *SMALL])
    ((_, *seconds, beyond),) = cells(capsys.readouterr().out, "orpo")
    *parts, whole = map(float, seconds)
    assert math.isclose(sum(parts), whole, abs_tol=0.1)
    assert all(part > 0.0 for part in parts[:5]) and min(parts) >= 0.0
    assert 0 < int(beyond.removesuffix(" %")) < 100


@pytest.mark.slow
def test_gpu_training(tiny_llama: Path, capsys: pytest.CaptureFixture[str]):
    options = ["--device", "cpu", "--steps", "2", "--warm", "1", "--batch", "2", "--micro", "2"]
    variants = ["--methods", "sft", "--variants", "packed-recompute", "--max-length", "250"]
    gpu_training.main(["--snapshot", str(tiny_llama), *options, *variants])
    (shown,) = cells(capsys.readouterr().out, "sft")
    assert shown[1:4] == ["packed-recompute", "sdpa", "2"] and shown[5] == "0 %"
    assert int(shown[6].replace(",", "")) > 0 and shown[7] == "–"
