"""Earlier jobs tell of later ones: the most alike first."""

from pathlib import Path

import pytest

from tests.source import rules
from workflow.lib.earlier import LEDGERS, read_earlier
from workflow.lib.files import write_json

FOLDER = "results/benchmarks/train/logic"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def took(path: str, seconds: float) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(f"s\th:m:s\n{seconds}\t0:00:00\n")


def test_the_same_job_then_its_neighbours_then_any_of_the_rule() -> None:
    took(f"{FOLDER}/tiny/dpo/seed-1.tsv", 30)
    took(f"{FOLDER}/tiny/dpo/seed-2.tsv", 50)
    took(f"{FOLDER}/tiny/ppo/seed-1.tsv", 900)
    took("results/benchmarks/plot.tsv", 6)
    took("results/benchmarks/trainer.tsv", 7)
    earlier = read_earlier(Path("results"))

    def seconds(job: str) -> float | None:
        return earlier.seconds_of("train", f"{FOLDER}/{job}.tsv")

    assert seconds("tiny/dpo/seed-1") == 30
    assert seconds("tiny/dpo/seed-3") == 40  # the median of 30 and 50
    assert seconds("tiny/sft/seed-1") == 50  # of 30, 50 and 900
    assert earlier.seconds_of("plot", "results/benchmarks/plot.tsv") == 6
    assert earlier.seconds_of("train", "results/benchmarks/train/other/tiny/sft/seed-1.tsv") == 50
    assert earlier.seconds_of("evaluate", "results/benchmarks/evaluate/logic/tiny/piqa.tsv") is None
    assert earlier.seconds_of("check_results", "results/benchmarks/check_results.tsv") is None


def ledger(path: str, requests: int, read: int, written: int, untold: int = 0) -> None:
    part = {"requests": requests, "input_tokens": read, "output_tokens": written, "without_usage": untold}
    none = dict.fromkeys(part, 0)
    write_json(path, {"asked": part, "reused": none})


def test_ledgers_tell_the_tokens_of_an_answer() -> None:
    ledger("results/prompts/logic/far/cot.ledger.json", 10, 1000, 3000)
    ledger("results/prompts/logic/far/direct.ledger.json", 15, 1000, 1000, untold=5)
    ledger("results/rationales/logic/far/judged-0.ledger.json", 4, 400, 8)
    ledger("results/rationales/logic/mute/shard-0.ledger.json", 3, 0, 0, untold=3)
    earlier = read_earlier(Path("results"))
    # 20 of the 25 requests are told: 2,000 / 20 and 4,000 / 20 tokens
    assert earlier.tokens_of("ask_prompts", "far") == (100, 200)
    assert earlier.tokens_of("ask_teacher", "far") == (100, 200)  # nothing of its own yet
    assert earlier.tokens_of("ask_judge", "far") == (100, 2)
    assert earlier.tokens_of("ask_teacher", "mute") is None
    ledger("results/rationales/logic/far/shard-0.ledger.json", 1, 50, 70)
    assert read_earlier(Path("results")).tokens_of("ask_teacher", "far") == (50, 70)


def test_every_rule_that_writes_a_ledger_is_known() -> None:
    assert {rule.name for rule in rules() if "ledger" in rule.names("output")} == set(LEDGERS)
