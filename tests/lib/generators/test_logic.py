"""Logic problems: settled ones are, planted ones are not, and the files are LogicBench's."""

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.raw_files import read
from workflow.lib.errors import DataError
from workflow.lib.generators import logic
from workflow.lib.generators.drafts import Draft, both_ways
from workflow.lib.generators.flips import Flips
from workflow.lib.generators.registry import GENERATORS
from workflow.lib.generators.rules import RULES, stated
from workflow.lib.generators.spaces import for_datasets
from workflow.lib.generators.words import Literal

SIZE, AMBIGUOUS = 300, 0.1  # 150 contexts: 15 of each of 10 rules; 15 of them planted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logic")
    logic.write(folder, 5, SIZE, AMBIGUOUS)
    return folder


@pytest.mark.parametrize("rule", RULES, ids="/".join)
@pytest.mark.parametrize("steps", logic.STEPS)
def test_every_rule_gives_settled_and_planted_problems(rule: tuple[str, str], steps: int) -> None:
    rng = Random(steps)
    for _ in range(10):
        settled, planted = (logic.draw(rng, rule, steps, planted) for planted in (False, True))
        assert sorted(map(bool, settled.verdicts)) == [False, True]
        assert None not in settled.verdicts
        assert planted.verdicts == [None, None]


def test_a_rule_whose_sentences_do_not_settle_its_query_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fact, asked = Literal("Tom", "bakes", True), Literal("Ann", "sings", True)
    draft = Draft([stated(fact)], both_ways(asked, "Since Tom bakes, Ann sings.", []), [])
    monkeypatch.setitem(RULES, ("propositional_logic", "wrong"), lambda rng, steps: draft)
    with pytest.raises(ValueError, match=r"expected one yes and one no, found \[None, None\]"):
        logic.draw(Random(0), ("propositional_logic", "wrong"), 1)


def test_a_proof_starts_from_what_is_said_and_ends_in_what_is_asked() -> None:
    rng = Random(3)
    for _ in range(50):
        problem = logic.draw(rng, ("propositional_logic", "hypothetical_syllogism"), 3)
        first, *so, compared = problem.proofs[problem.verdicts.index(True)].removesuffix(".").split(". ")
        assert f"{first}." in problem.context
        assert len(so) == 3 and all(step.startswith("So ") for step in so)
        assert problem.questions[problem.verdicts.index(True)].endswith(f" {so[-1].removeprefix('So ')}?")
        assert compared.endswith(": same")
        assert problem.proofs[problem.verdicts.index(False)].endswith(": different.")


def test_the_adapter_of_the_real_rows_reads_the_files(folder: Path) -> None:
    problems = read("logicbench_bqa", folder)
    assert len(problems) == SIZE
    assert {p.category for p in problems} == {"propositional", "first_order", "non_monotonic", "analogical"}
    by_rule = Counter((p.category, p.rule, p.answer) for p in problems)
    assert set(by_rule.values()) == {15}  # of each rule as many yes as no
    assert len(by_rule) == 2 * len(RULES)


def test_the_answer_cannot_be_told_from_the_place_of_the_question(folder: Path) -> None:
    first = Counter(p.answer for p in read("logicbench_bqa", folder) if p.source.endswith("question 1"))
    assert first.total() == SIZE // 2
    assert abs(first["yes"] - first["no"]) < 37  # 150 tosses: three standard deviations are 37


def test_planted_problems_are_listed_and_are_the_stated_share(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "planted.jsonl").read_text().splitlines()]
    texts = {(p.context, p.question) for p in read("logicbench_bqa", folder)}
    assert len(rows) == 2 * round(AMBIGUOUS * SIZE / 2)
    assert {row["planted"] for row in rows} == {"ambiguous"}
    assert {(row["context"], row["question"]) for row in rows} <= texts


def test_every_problem_is_in_the_half_for_datasets(folder: Path) -> None:
    contexts = {p.context for p in read("logicbench_bqa", folder)}
    assert contexts
    assert all(for_datasets(context) for context in contexts)


def test_same_seed_same_bytes_and_another_seed_other_problems(folder: Path, tmp_path: Path) -> None:
    logic.write(tmp_path / "again", 5, SIZE, AMBIGUOUS)
    logic.write(tmp_path / "other", 6, SIZE, AMBIGUOUS)
    contents = {
        root: {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (folder, tmp_path / "again", tmp_path / "other")
    }
    assert contents[folder] == contents[tmp_path / "again"]
    one, two = ({p.context for p in read("logicbench_bqa", root)} for root in (folder, tmp_path / "other"))
    assert len(one & two) < 0.1 * len(one)


def labels(folder: Path) -> dict[tuple[str, str], str]:
    """Return the recorded answer of every question, by context and question."""
    return {(p.context, p.question): p.answer for p in read("logicbench_bqa", folder)}


def marked(folder: Path, kind: str) -> set[tuple[str, str]]:
    rows: list[dict[str, Any]] = [json.loads(x) for x in (folder / "planted.jsonl").read_text().splitlines()]
    return {(row["context"], row["question"]) for row in rows if row["planted"] == kind}


def evenly(context: str) -> str:
    return "dev" if len(context) % 2 else "train"


def test_wrong_labels_are_those_that_the_truth_tables_contradict(folder: Path, tmp_path: Path) -> None:
    # Without flips every settled label is the verdict of the truth tables: ``draw`` refuses anything else.
    # 135 contexts are settled; those with an even number of letters may be flipped.
    truth, unsettled = labels(folder), marked(folder, "ambiguous")
    able = {key for key in truth if len(key[0]) % 2 == 0} - unsettled
    logic.write(tmp_path, 5, SIZE, AMBIGUOUS, Flips({"train": 0.2, "dev": 0.0}, evenly))
    recorded = labels(tmp_path)
    assert recorded.keys() == truth.keys()
    wrong = {key for key in truth if recorded[key] != truth[key]}
    assert wrong == marked(tmp_path, "mislabelled")
    assert len(wrong) == round(0.2 * len(able)) > 20
    assert wrong <= able
    assert marked(tmp_path, "ambiguous") == unsettled


def test_each_split_has_its_own_share_of_wrong_labels(folder: Path, tmp_path: Path) -> None:
    able = labels(folder).keys() - marked(folder, "ambiguous")
    logic.write(tmp_path, 5, SIZE, AMBIGUOUS, Flips({"train": 0.1, "dev": 0.5}, evenly))
    wrong = Counter(evenly(context) for context, _ in marked(tmp_path, "mislabelled"))
    sizes = Counter(evenly(context) for context, _ in able)
    assert wrong == {"train": round(0.1 * sizes["train"]), "dev": round(0.5 * sizes["dev"])}


def test_wrong_labels_in_a_split_that_no_problem_enters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"flipped: dev: expected 0\.0 where no problem enters dev, found 0\.1"
    ):
        logic.write(tmp_path, 5, 40, 0.0, Flips({"train": 0.0, "dev": 0.1}, lambda context: "train"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", sorted(GENERATORS.keys() - {"logic"}))
def test_other_generators_write_no_wrong_labels(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{name}: flipped: train: expected 0\.0, found 0\.1"):
        flips = Flips({"train": 0.1, "dev": 0.0}, lambda context: "train")
        GENERATORS[name](tmp_path, 1, 4, 0.0, flips, {"puzzles": ["aiw"]})
