"""What scorers make of the answers, against numbers made by hand."""

import pytest

from tests.hand_samples import SETTINGS
from workflow.lib.errors import IntegrityError
from workflow.lib.files import read_csv
from workflow.lib.parquet import write_parquet
from workflow.lib.records import AnswerScore, table
from workflow.scripts import estimate_frontier

REWARDS = {  # of four problems in two groups, by method and seed
    ("base", 1): [1, 2, 3, 4],
    ("base", 2): [0, 0, 0, 0],
    ("dpo", 1): [2, 2, 1, 5],
    ("dpo", 2): [1, 1, 1, 1],
}
RATIOS = {("dpo", 1): [0.5, 0.5, 1.0, 2.0], ("dpo", 2): [0.2] * 4}


def scores(method, seed, scorer="reward", greedy=False):
    ratios = [None] * 4 if greedy else RATIOS.get((method, seed), [0.0] * 4)
    about = ("logic", "tiny", method, seed, "quiz")
    return [
        AnswerScore(*about, f"p{i}", f"g{i // 2}", "modal", 0, scorer, float(reward), ratio, 10 + i)
        for i, (reward, ratio) in enumerate(zip(REWARDS[method, seed], ratios, strict=True))
    ]


def run(tmp_path, records):
    write_parquet(tmp_path / "scores.parquet", table(records, AnswerScore))
    paths = {"scores": [str(tmp_path / "scores.parquet")], "frontier": str(tmp_path / "frontier.csv")}
    estimate_frontier.main(**paths, settings=SETTINGS)
    return {(row["scorer"], row["method"], row["seed"]): row for row in read_csv(paths["frontier"])}


def everything(**changes):
    return [score for method, seed in REWARDS for score in scores(method, seed, **changes)]


def test_rewards_wins_and_divergence_by_seed_and_over_all(tmp_path):
    rows = run(tmp_path, everything())
    fields = ("n", "groups", "reward", "delta", "win", "kl", "tokens")
    # Seed 1: gaps 1, 0, -2, 1, so the mean is 0 and (1 + 1/2 + 0 + 1) / 4 = 0.625 are won; seed 2: gaps 1,
    # all won. Over both (0 + 4) / 8 and (2.5 + 4) / 8. Divergence (0.5 + 0.5 + 1 + 2) / 4, 0.2, their mean.
    assert {key[1:]: tuple(row[name] for name in fields) for key, row in rows.items()} == {
        ("base", "all"): ("8", "2", "1.25", "", "", "0.0", "11.5"),
        ("base", "1"): ("4", "2", "2.5", "", "", "0.0", "11.5"),
        ("base", "2"): ("4", "2", "0.0", "", "", "0.0", "11.5"),
        ("dpo", "all"): ("8", "2", "1.75", "0.5", "0.8125", "0.6", "11.5"),
        ("dpo", "1"): ("4", "2", "2.5", "0.0", "0.625", "1.0", "11.5"),
        ("dpo", "2"): ("4", "2", "1.0", "1.0", "1.0", "0.2", "11.5"),
    }


def test_intervals_are_over_groups_and_count_in_the_trainings(tmp_path):
    rows = run(tmp_path, everything())
    one, both = rows["reward", "dpo", "1"], rows["reward", "dpo", "all"]
    # two groups, of gaps (1, 0) and (-2, 1): the ends of the resamples are the means of the groups
    assert (one["low"], one["high"], one["interval"]) == ("-0.5", "0.5", "95% cluster bootstrap")
    assert (one["kl_low"], one["kl_high"]) == ("0.5", "1.5")
    assert (one["win_low"], one["win_high"]) == ("0.5", "0.75")
    assert (one["reward_low"], one["reward_high"]) == ("2.0", "3.0")
    # the gaps of the seeds are 0 and 1 on average
    assert (one["seeds"], both["seeds"], both["seed_sd"]) == ("1", "2", "0.707107")
    assert float(both["seeds_low"]) < float(both["low"]) < 0.5 < float(both["seeds_high"])
    constant = rows["reward", "dpo", "2"]
    assert (constant["interval"], constant["kl_low"]) == ("n/a (constant)", "")


def test_greedy_answers_have_no_divergence_and_scorers_stand_apart(tmp_path):
    rows = run(tmp_path, [*everything(greedy=True), *everything(scorer="judge")])
    assert {row["kl"] for key, row in rows.items() if key[0] == "reward"} == {""}
    assert rows["judge", "dpo", "1"]["kl"] == "1.0"
    assert rows["judge", "dpo", "1"]["win"] == rows["reward", "dpo", "1"]["win"] == "0.625"


def test_an_answer_that_the_base_has_not_given_is_an_error(tmp_path):
    with pytest.raises(IntegrityError, match="scores of dpo and base on quiz: other answers in each"):
        run(tmp_path, [*scores("base", 1)[1:], *scores("dpo", 1)])
