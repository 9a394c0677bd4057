"""The table of wins, by hand arithmetic."""

import csv
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.hand_samples import SETTINGS, sample, write_samples
from workflow.lib.duels import answer_id
from workflow.lib.files import write_jsonl
from workflow.lib.records import Opinion, Sample
from workflow.scripts.estimate_wins import COLUMNS, main

JUDGE = {"by": "j", "prompt": "better", "task": "quiz", "temperature": 0.0, "problems": 7}
# What the judge says of DPO's answer first and of the base's first; whether each is right; words of DPO's.
# The base always says three words.
TOLD: dict[str, tuple[str, str, float, float, int]] = {
    "p1": ("first", "second", 1.0, 0.0, 6),  # win, and the right one
    "p2": ("first", "second", 1.0, 0.0, 2),  # win, and the right one
    "p3": ("second", "first", 1.0, 0.0, 5),  # loss, and the wrong one
    "p4": ("first", "first", 0.0, 1.0, 7),  # split: half of the replies name the right one
    "p5": ("first", "second", 0.0, 1.0, 4),  # win, and the wrong one
    "p6": ("first", "neither", 0.0, 1.0, 9),  # unparsed
}
EQUAL = "p7"


def write(folder: Path) -> dict[str, Any]:
    """Write answers and replies, and return the arguments of ``main``."""
    samples: list[Sample] = []
    replies: list[Opinion] = []
    for key, (ahead, behind, ours, base, words) in TOLD.items():
        about = {"problem_id": key, "group_id": f"g{key}"}
        one = sample(**about, method="dpo", text=" ".join([key] * words), score=ours)
        other = sample(**about, text="a b c", score=base)
        samples += [one, other]
        for pair, said in (((one, other), ahead), ((other, one), behind)):
            ids = [answer_id(answer) for answer in pair]
            replies.append(Opinion(*ids, "j", f"The answer is {said}.", 9, 5, "stop"))
    samples += [sample(problem_id=EQUAL, group_id="g7", method=m, text="a b c") for m in ("dpo", "base")]
    samples += [sample(problem_id="p8", method=m, text=m) for m in ("dpo", "base")]  # beyond the slice
    files = {
        m: write_samples(folder / f"{m}.parquet", [s for s in samples if s.method == m])
        for m in ("dpo", "base")
    }
    write_jsonl(folder / "judged.jsonl", map(asdict, replies))
    return {
        "samples": list(files.values()),
        "judged": [str(folder / "judged.jsonl")],
        "wins": str(folder / "wins.csv"),
        "judge": JUDGE,
        "settings": SETTINGS,
    }


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_ends_are_counted_and_make_the_win_rate(tmp_path: Path) -> None:
    given = write(tmp_path)
    main(**given)
    whole, seed = rows(given["wins"])
    assert (whole["seed"], seed["seed"]) == ("all", "1")
    assert {k: v for k, v in whole.items() if k != "seed"} == {k: v for k, v in seed.items() if k != "seed"}
    assert [whole[k] for k in ("dataset", "model", "task", "judge", "method")] == [
        *("logic", "tiny", "quiz", "j", "dpo")
    ]
    counts = {k: whole[k] for k in ("n", "groups", "wins", "losses", "split", "equal", "unparsed")}
    assert counts == {"n": "7", "groups": "7", "wins": "3", "losses": "1", "split": "1"} | {
        "equal": "1",
        "unparsed": "1",
    }
    assert float(whole["win"]) == pytest.approx((3 + 0.5 + 0.5) / 6, abs=1e-6)
    assert whole["interval"] == "95% cluster bootstrap"
    assert 0 <= float(whole["win_low"]) < float(whole["win"]) < float(whole["win_high"]) <= 1


def test_what_tells_of_the_judge(tmp_path: Path) -> None:
    given = write(tmp_path)
    main(**given)
    whole = rows(given["wins"])[0]
    # Eleven replies can be read: first of p1, p2, p3, p5 one each, of p4 two, of p6 one.
    assert float(whole["first_share"]) == pytest.approx(7 / 11, abs=1e-6)
    # Longer by 3, -1, 2, 4, 1 and 0 words; p6 is not counted.
    assert float(whole["words"]) == pytest.approx(9 / 6, abs=1e-6)
    # One of p1 to p5 is right and one wrong: 1, 1, 0, ½, 0. To p7 both are right.
    assert (whole["exact"], float(whole["agreement"])) == ("5", pytest.approx(2.5 / 5, abs=1e-6))
    assert whole["equal_length_interval"] == "95% delta method over groups"
    low, level, high = (float(whole[f"equal_length{end}"]) for end in ("_low", "", "_high"))
    assert 0 < low < level < high < 1 and level != pytest.approx(4 / 6, abs=1e-3)


def test_seeds_have_rows_of_their_own_and_a_spread(tmp_path: Path) -> None:
    # Seed 1 wins its one pair, seed 2 has the base's own words: means 1 and ½, sd 1/√8.
    texts = {("dpo", 1): "yes it is", ("base", 1): "no", ("dpo", 2): "no", ("base", 2): "no"}
    answers = {key: sample(method=key[0], seed=key[1], text=text) for key, text in texts.items()}
    ids = [answer_id(answers["dpo", 1]), answer_id(answers["base", 1])]
    replies = [
        Opinion(*pair, "j", f"The answer is {said}.", 9, 5, "stop")
        for pair, said in ((ids, "first"), (ids[::-1], "second"))
    ]
    write_jsonl(tmp_path / "judged.jsonl", map(asdict, replies))
    path = write_samples(tmp_path / "all.parquet", list(answers.values()))
    wins = str(tmp_path / "wins.csv")
    main(
        samples=[path],
        judged=[str(tmp_path / "judged.jsonl")],
        wins=wins,
        judge=JUDGE,
        settings=SETTINGS,
    )
    found = rows(wins)
    rates = [(r["seed"], r["n"], r["win"]) for r in found]
    assert rates == [("all", "2", "0.75"), ("1", "1", "1.0"), ("2", "1", "0.5")]
    assert (found[0]["seeds"], float(found[0]["seed_sd"])) == ("2", pytest.approx(8**-0.5, abs=1e-6))
    # One group, nothing right against wrong: said, not guessed.
    assert [found[0][k] for k in ("interval", "equal_length", "equal_length_interval")] == [
        *("n/a (1 group)", "", "n/a (fewer than 3 groups)")
    ]
    assert (found[0]["exact"], found[0]["agreement"], found[2]["first_share"]) == ("0", "", "")


def test_without_a_judge_the_table_is_empty(tmp_path: Path) -> None:
    main(samples=[], judged=[], wins=str(tmp_path / "wins.csv"), judge=None, settings=SETTINGS)
    assert (tmp_path / "wins.csv").read_text() == ",".join(COLUMNS) + "\n"
