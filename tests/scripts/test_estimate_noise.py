"""The floor of the noise against counts made by hand."""

from tests.hand_samples import SETTINGS, sample, write_samples
from workflow.lib.files import read_csv
from workflow.scripts import estimate_noise

SCORES = {1: [1, 1, 0, 1], 2: [1, 0, 1, 0], 3: [1, 1, 0, 0]}  # of each seed, of four problems


def answers(method, seed, scores=None, text="Yes."):
    return [
        sample(
            **{"method": method, "seed": seed, "problem_id": f"p{i}", "group_id": f"g{i}"},
            **{"score": float(score), "text": text if i else "Well."},
        )
        for i, score in enumerate(scores or SCORES[seed])
    ]


def run(tmp_path, files, again=(), by="transformers"):
    folder = {"first": files, "again": again}
    paths = {
        name: [write_samples(tmp_path / f"{name}-{n}.parquet", some) for n, some in enumerate(each)]
        for name, each in folder.items()
    }
    noise = str(tmp_path / "noise.csv")
    estimate_noise.main(samples=paths["first"], again=paths["again"], noise=noise, by=by, settings=SETTINGS)
    fields = ("method", "kind", "seeds", "n", "groups", "delta", "changed", "reworded")
    return [tuple(row[name] for name in fields) for row in read_csv(noise)]


def test_every_two_seeds_of_a_method_and_not_of_the_base(tmp_path):
    files = [answers(method, seed, text=f"{seed}.") for method in ("base", "dpo") for seed in (2, 1, 3)]
    # 1 and 2: +1 -1 +1 of four; 1 and 3: +1; 2 and 3: -1 +1. One text of four is the same.
    assert run(tmp_path, files) == [
        ("dpo", "another seed", "1 2", "4", "4", "0.25", "0.75", "0.75"),
        ("dpo", "another seed", "1 3", "4", "4", "0.25", "0.25", "0.75"),
        ("dpo", "another seed", "2 3", "4", "4", "0.0", "0.5", "0.75"),
    ]


def test_every_policy_that_was_asked_again_and_its_own_seed(tmp_path):
    files = [answers(method, seed) for method in ("base", "dpo") for seed in (1, 2)]
    again = [answers("base", 1, [1, 1, 1, 1]), answers("dpo", 2)[::-1]]
    assert run(tmp_path, files, again)[1:] == [
        ("base", "asked again", "1", "4", "4", "-0.25", "0.25", "0.0"),
        ("dpo", "asked again", "2", "4", "4", "0.0", "0.0", "0.0"),
    ]


def test_another_backend_is_named(tmp_path):
    (row,) = run(tmp_path, [answers("base", 1)], [answers("base", 1)], by="vllm")
    assert row[:3] == ("base", "asked again by vLLM", "1")


def test_one_seed_asked_once_has_no_noise_to_tell(tmp_path):
    assert run(tmp_path, [answers("base", 1), answers("dpo", 1)]) == []
