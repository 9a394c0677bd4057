"""The same study run twice gives the same bytes, from splits and sampled text to adapters and figures."""

import pytest

from workflow.lib.files import sha256

pytestmark = pytest.mark.demo

# What tells of time, memory or versions; everything else must repeat.
TIMED = (
    *("logs/", "benchmarks/", "analysis/costs", "analysis/efficiency", "analysis/provenance"),
    *("figures/costs", "figures/efficiency", "report.html", "ro-crate"),
)
TIMED_NAMES = ("run.json", ".snakemake_timestamp", "checks.json")


def digests(study) -> dict[str, str]:
    root = study.root / "results"
    names = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    kept = [n for n in names if not n.startswith(TIMED) and not n.endswith(TIMED_NAMES)]
    return {name: sha256(root / name) for name in kept}


def test_same_seeds_same_bytes(twins):
    one, two = (digests(study) for study in twins)
    assert set(one) == set(two)
    assert [name for name in one if one[name] != two[name]] == []


def test_that_covers_text_adapters_scores_and_figures(twins):
    names = set(digests(twins[0]))
    for ending, count in {
        "adapter_model.safetensors": 10,
        "curves.parquet": 10,
        "shard-0.jsonl": 1,
        "logicbench_sampled.json": 12,  # base, four methods and the reward model, two seeds
        "accuracy.svg": 1,
        "accuracy.pdf": 1,
        "accuracy.png": 1,
        "/deltas.csv": 2,  # the table and the figure's copy
    }.items():
        assert sum(name.endswith(ending) for name in names) == count, ending


def test_seeds_matter(twins):
    folder = twins[0].root / "results/adapters/logic/tiny"
    for method in ("sft", "reward", "dpo", "orpo", "ppo"):
        one, two = (sha256(folder / method / f"seed-{s}/adapter_model.safetensors") for s in (1, 2))
        assert one != two, method
