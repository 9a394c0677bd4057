"""The demo run twice gives the same bytes, from the base model and sampled text to adapters and figures.

The second time it goes through SLURM, where the machine has one: the whole graph of jobs by the profile that
ships.
"""

from collections import Counter

import pytest

from tests.slurm.cluster import missing
from tests.slurm.drivers import megabytes
from tests.studies import digests
from workflow.lib.files import sha256

pytestmark = pytest.mark.demo
on_slurm = pytest.mark.skipif(bool(missing()), reason=f"no {', '.join(missing())}: make system")


def test_same_seeds_same_bytes(demo, twin):
    one, two = digests(demo), digests(twin.study)
    assert set(one) == set(two)
    assert [name for name in one if one[name] != two[name]] == []


def test_that_covers_text_adapters_scores_and_figures(demo, twin):
    names = set(digests(twin.study))
    for ending, count in {
        "model.safetensors": 11,  # the base and the adapters
        "curves.parquet": 10,
        "shard-0.jsonl": 1,
        "logicbench_sampled.json": 13,  # base, four methods and the reward model, two seeds; and the index
        "accuracy.svg": 1,
        "accuracy.pdf": 1,
        "accuracy.png": 1,
        "/deltas.csv": 2,  # the table and the figure's copy
    }.items():
        assert sum(name.endswith(ending) for name in names) == count, ending


def test_seeds_matter(demo):
    folder = demo.root / "results/adapters/logic/tiny"
    for method in ("sft", "reward", "dpo", "orpo", "ppo"):
        one, two = (sha256(folder / method / f"seed-{s}/adapter_model.safetensors") for s in (1, 2))
        assert one != two, method


@pytest.mark.slurm
@on_slurm
def test_the_whole_demo_goes_through_slurm_and_each_job_once(twin):
    names = Counter(job["StdOut"].split("/slurm/")[1].split("/")[0] for job in twin.jobs)
    assert {job["JobState"] for job in twin.jobs} == {"COMPLETED"}
    assert (names["rule_pretrain_model"], names["rule_train"], names["rule_evaluate"]) == (1, 10, 4)
    assert sum(count for name, count in names.items() if name.startswith("group_analysis")) >= 1
    places = [job["StdOut"].rpartition("/")[0] for job in twin.jobs]
    alone = [place for place in places if "/rule_" in place]
    assert len(set(alone)) == len(alone)  # none was tried twice


@pytest.mark.slurm
@on_slurm
def test_a_group_asks_for_what_one_of_its_jobs_needs(twin):
    """Its jobs run one after another: more cores would be idle."""
    groups = [job for job in twin.jobs if "/group_" in job["StdOut"]]
    assert groups and {job["NumCPUs"] for job in groups} == {"1"}
    assert {megabytes(job) for job in groups if "/group_analysis" in job["StdOut"]} == {2000}
