"""Artefacts of the real rows in ../shared/data, each counted again from the raw files."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.raw_files import SHARED, read
from workflow.lib.artefacts import Traits, findings, traits
from workflow.lib.baselines import Baseline, baselines
from workflow.lib.records import Problem

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real rows in ../shared/data"),
]
LOGICBENCH = SHARED / "LogicBench/data"


def raw(part: str) -> list[dict[str, Any]]:
    """Return the samples of one part of LogicBench, as they stand in its files."""
    contents = [json.loads(path.read_text()) for path in (LOGICBENCH / part).rglob("data_instances.json")]
    return [sample for c in contents for sample in c["samples" if "samples" in c else "data_samples"]]


def problems(adapter: str, folder: Path, part: str) -> list[Problem]:
    """Return the problems of one part of LogicBench, copied below ``folder`` under its own path."""
    shutil.copytree(LOGICBENCH / part, folder / part)
    found = read(adapter, folder)
    assert all(isinstance(problem, Problem) for problem in found)
    return found  # type: ignore[return-value]


@pytest.fixture(scope="module")
def bqa(tmp_path_factory: pytest.TempPathFactory) -> list[Problem]:
    return problems("logicbench_bqa", tmp_path_factory.mktemp("bqa"), "LogicBench(Eval)/BQA")


@pytest.fixture(scope="module")
def mcqa(tmp_path_factory: pytest.TempPathFactory) -> list[Problem]:
    return problems("logicbench_mcqa", tmp_path_factory.mktemp("mcqa"), "LogicBench(Eval)/MCQA")


@pytest.fixture(scope="module")
def aug(tmp_path_factory: pytest.TempPathFactory) -> list[Problem]:
    return problems("logicbench_bqa", tmp_path_factory.mktemp("aug"), "LogicBench(Aug)")


def by_name(train: list[Problem], test: list[Problem]) -> dict[str, Baseline]:
    """Return the baselines by name."""
    return {baseline.name: baseline for baseline in baselines(train, test)}


def test_logicbench_tells_its_answers_by_their_place(bqa: list[Problem], aug: list[Problem]) -> None:
    for found, part in ((bqa, "LogicBench(Eval)/BQA"), (aug, "LogicBench(Aug)")):
        pairs = [(i, pair) for s in raw(part) for i, pair in enumerate(s["qa_pairs"])]
        right = sum((pair["answer"] == "yes") == (i == 0) for i, pair in pairs)
        baseline = by_name([], found)["first question yes"]
        assert baseline.n == len(pairs) > 70
        assert baseline.accuracy == pytest.approx(right / len(pairs)) and right > 0.95 * len(pairs)
        told = findings(baselines([], found), traits(found))[0]
        assert told.startswith(
            "The first question of a context is 'yes' and the rest 'no': a rule that looks"
        )


def test_the_other_rules_agree_with_a_recount_of_logicbench(bqa: list[Problem], aug: list[Problem]) -> None:
    pairs = [pair for sample in raw("LogicBench(Eval)/BQA") for pair in sample["qa_pairs"]]
    found = by_name(aug, bqa)
    no = sum(pair["answer"] == "no" for pair in pairs)
    assert found["always no"].accuracy == pytest.approx(no / len(pairs))
    assert found["most frequent answer of test"].accuracy == pytest.approx(
        max(no, len(pairs) - no) / len(pairs)
    )
    words = {
        "no",
        "not",
        "cannot",
        "never",
        "none",
        "neither",
        "nor",
        "nobody",
        "nothing",
        "nowhere",
        "without",
    }
    negated = [
        any(w in words or w.endswith("n't") for w in re.findall(r"[a-z']+", pair["question"].lower()))
        for pair in pairs
    ]
    right = sum(n == (pair["answer"] == "no") for n, pair in zip(negated, pairs, strict=True))
    assert found["negation in the question"].accuracy == pytest.approx(right / len(pairs))
    train = Counter(pair["answer"] for sample in raw("LogicBench(Aug)") for pair in sample["qa_pairs"])
    ((most, _),) = train.most_common(1)
    right = sum(pair["answer"] == most for pair in pairs)
    assert found["most frequent answer of train"].accuracy == pytest.approx(right / len(pairs))


def test_lengths_of_the_options_of_logicbench(mcqa: list[Problem]) -> None:
    found = by_name([], mcqa)
    shortest = longest = 0.0
    for sample in raw("LogicBench(Eval)/MCQA"):
        lengths = {name: len(text.strip()) for name, text in sample["choices"].items()}
        gold = lengths[sample["answer"]]
        shortest += (gold == min(lengths.values())) / list(lengths.values()).count(min(lengths.values()))
        longest += (gold == max(lengths.values())) / list(lengths.values()).count(max(lengths.values()))
    n = len(raw("LogicBench(Eval)/MCQA"))
    assert found["shortest option"].n == n == 36
    assert found["shortest option"].accuracy == pytest.approx(shortest / n)
    assert found["longest option"].accuracy == pytest.approx(longest / n)
    assert found["shortest option"].chance == pytest.approx(1 / 4)


def test_bqa_and_mcqa_ask_about_the_same_contexts(bqa: list[Problem], mcqa: list[Problem]) -> None:
    def plain(part: str) -> set[str]:
        return {" ".join(sample["context"].lower().split()) for sample in raw(part)}

    yes_no, choice = plain("LogicBench(Eval)/BQA"), plain("LogicBench(Eval)/MCQA")
    found = traits([*bqa, *mcqa])
    assert found.groups == len(yes_no | choice)
    assert found.in_several["file"] == len(yes_no & choice) == 36
    left, right = found.files
    assert left.split("BQA/") == [left.split("BQA/")[0], right.split("MCQA/")[1]]
    assert found.answers[left].keys() == {"yes", "no"}
    assert right not in found.answers or len(found.answers[right]) > 2
    (told,) = [line for line in findings([], found) if "more than one file" in line]
    assert told.startswith(
        "36 of 36 groups (problems about one text) are in more than one file, most often in "
    )


def test_piqa_differs_by_one_word_in_many_pairs() -> None:
    lines = (SHARED / "piqa/data/valid.jsonl").read_text().splitlines()
    pairs = [(row["sol1"].split(), row["sol2"].split()) for row in map(json.loads, lines)]
    pairs = [(a, b) for a, b in pairs if len(a) > 1 or len(b) > 1]
    one = sum(len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) == 1 for a, b in pairs)
    found: Traits = traits(read("piqa", SHARED / "piqa"))  # type: ignore[arg-type]
    assert (found.pairs, found.one_word_pairs) == (len(pairs), one)
    assert one > 40
    share = f"({100 * one / len(pairs):.1f}\u202f%)"
    assert (
        f"In {one} of {len(pairs)} problems {share} the two choices differ in exactly one word."
        in findings([], found)
    )


def test_the_longer_solution_of_piqa() -> None:
    rows = [json.loads(line) for line in (SHARED / "piqa/data/valid.jsonl").read_text().splitlines()]
    labels = (SHARED / "piqa/data/valid-labels.lst").read_text().split()
    longer = 0.0
    for row, label in zip(rows, labels, strict=True):
        lengths = [len(row["sol1"].strip()), len(row["sol2"].strip())]
        longer += 0.5 if lengths[0] == lengths[1] else lengths[int(label)] == max(lengths)
    baseline = by_name([], read("piqa", SHARED / "piqa"))["longest option"]  # type: ignore[arg-type]
    assert baseline.accuracy == pytest.approx(longer / len(rows))


def test_folio_has_two_names_for_one_label() -> None:
    files = {p.name: p.read_text().splitlines() for p in (SHARED / "folio_v0.0").glob("*.jsonl")}
    counts = {name: Counter(json.loads(line)["label"] for line in lines) for name, lines in files.items()}
    found = traits(read("folio", SHARED / "folio_v0.0"))  # type: ignore[arg-type]
    assert found.answers == {name: dict(sorted(labels.items())) for name, labels in counts.items()}
    assert any("Uncertain" in line and "Unknown" in line for line in findings([], found))
