"""The table of lengths against numbers made by hand."""

from tests.hand_samples import SETTINGS, sample, write_samples
from workflow.lib.files import read_csv
from workflow.scripts import estimate_lengths

ANSWERS = {  # tokens and score of the answers to four problems, each a group
    "base": [(10, 1), (20, 0), (30, 1), (40, 0)],
    "dpo": [(20, 1), (20, 1), (50, 1), (50, 0)],
}
NUMBERS = ("n", "tokens", "median", "p95")
GAIN = ("delta", "delta_low", "delta_high", "correlation")


def answers(method, **changes):
    return [
        sample(
            **{"method": method, "problem_id": f"p{i}", "group_id": f"g{i}", "tokens": tokens}
            | {"score": float(score)}
            | changes
        )
        for i, (tokens, score) in enumerate(ANSWERS[method])
    ]


def run(tmp_path, *files):
    paths = [write_samples(tmp_path / f"{n}.parquet", some) for n, some in enumerate(files)]
    estimate_lengths.main(samples=paths, lengths=str(tmp_path / "lengths.csv"), settings=SETTINGS)
    return {(row["method"], row["answers"]): row for row in read_csv(tmp_path / "lengths.csv")}


def cells(row, names):
    return tuple(row[name] for name in names)


def test_all_right_and_wrong_answers_stand_apart(tmp_path):
    rows = run(tmp_path, answers("base"), answers("dpo"))
    # The 95th percentile lies at place 0.95 * 3 = 2.85 of four sorted numbers: 30 + 0.85 * 10; of two right
    # ones, 10 and 30, at 10 + 0.95 * 20, of two wrong ones at 20 + 0.95 * 20.
    assert {key: cells(row, NUMBERS) for key, row in rows.items()} == {
        ("base", "all"): ("4", "25.0", "25.0", "38.5"),
        ("base", "right"): ("2", "20.0", "20.0", "29.0"),
        ("base", "wrong"): ("2", "30.0", "30.0", "39.0"),
        ("dpo", "all"): ("4", "35.0", "35.0", "50.0"),
        ("dpo", "right"): ("3", "30.0", "20.0", "47.0"),  # 20, 20 and 50: at place 1.9
        ("dpo", "wrong"): ("1", "50.0", "50.0", "50.0"),
    }
    assert rows["dpo", "wrong"]["interval"] == "n/a (1 group)"
    assert float(rows["base", "all"]["low"]) < 25 < float(rows["base", "all"]["high"])


def test_gain_in_length_over_the_base_and_its_correlation_with_gain_in_score(tmp_path):
    rows = run(tmp_path, answers("base"), answers("dpo"))
    # Longer by 10, 0, 20, 10 (ranks 2.5, 1, 4, 2.5), better by 0, 1, 0, 0 (ranks 2, 4, 2, 2): products of the
    # deviations from 2.5 sum to -3, their squares to 4.5 and 3: -3 / sqrt(13.5).
    assert rows["dpo", "all"]["delta"] == "10.0"
    assert rows["dpo", "all"]["correlation"] == "-0.816497"
    assert float(rows["dpo", "all"]["delta_low"]) < 10 < float(rows["dpo", "all"]["delta_high"])
    for key in rows.keys() - {("dpo", "all")}:
        assert cells(rows[key], GAIN) == ("", "", "", "")


def test_what_does_not_vary_has_no_correlation_and_what_never_happens_no_length(tmp_path):
    rows = run(tmp_path, answers("base", score=1.0), answers("dpo", score=1.0))
    assert rows["dpo", "all"]["correlation"] == ""
    wrong = rows["dpo", "wrong"]
    assert cells(wrong, (*NUMBERS, "low")) == ("0", "", "", "", "")
    assert wrong["interval"] == "n/a (no answers)"


def test_scored_options_have_no_length(tmp_path):
    options = answers("dpo", task="goals", loglikelihoods=[-1.0, -2.0])
    rows = run(tmp_path, answers("base"), answers("dpo"), options)
    assert {row["task"] for row in rows.values()} == {"quiz"}
