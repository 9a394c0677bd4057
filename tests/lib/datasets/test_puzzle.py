"""Puzzles: reasoning-gym's rows and verifiers, labels that an oracle contradicts, rationales of people."""

import ast
import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.raw_files import SHARED, read, write
from workflow.lib.answers import judge
from workflow.lib.datasets.oracles import follows, kinship
from workflow.lib.datasets.raw import Skipped
from workflow.lib.errors import DataError
from workflow.lib.records import Problem, Trace
from workflow.lib.verifiers.registry import VERIFIERS

FOLDER = SHARED / "puzzles_reasoning_gym"
PUZZLES = sorted(VERIFIERS.keys() - {"ordering"})
WRONG_LABEL = "label contradicted by its oracle"
needs_rows = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real rows in ../shared/data")
Row = dict[str, Any]

ORDERING = {
    "generator": "ordering",
    "question": "Order Ann and Bob. Ann is before Bob.",
    "answer": "Ann, Bob",
    "metadata": {"names": ["Ann", "Bob"], "before": [["Ann", "Bob"]]},
}
COUNTDOWN = {
    "generator": "countdown",
    "seed": 7,
    "index": 3,
    "question": "Make 6 of 1, 2 and 3.",
    "answer": "1*2*3",
    "metadata": {"numbers": [1, 2, 3], "target": 6, "source_index": 3, "expression": "1*2*3"},
}
SYLLOGISM = {
    "generator": "syllogism",
    "question": "All cats are dogs. All dogs are ants. Does it follow that all cats are ants?",
    "answer": "Yes",
    "metadata": {
        "premise1": "All cats are dogs",
        "premise2": "All dogs are ants",
        "conclusion": "All cats are ants",
    },
}


def real_rows(test: Any) -> Any:
    """Mark a test that reads the real rows."""
    return pytest.mark.shared_data(needs_rows(test))


def raw(name: str) -> list[Row]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


def accepts(problem: Problem, answer: str) -> bool:
    """Return whether our scorer takes ``answer`` when a model states it."""
    about = {"choices": problem.choices, "answer": problem.answer}
    text = f"So the answer is:\n{answer}" if "\n" in answer else f"So the answer is {answer}"
    return judge(text, **about, verifier=problem.verifier, instance=problem.instance).right


def kept(name: str, folder: Path) -> list[tuple[Row, Problem]]:
    """Return the raw rows of a puzzle that became problems, with these."""
    write(folder, f"{name}.jsonl", *raw(name))
    found = read("puzzle", folder)
    assert len(found) == len(raw(name))
    return [(row, p) for row, p in zip(raw(name), found, strict=True) if isinstance(p, Problem)]


# --- rows -------------------------------------------------------------------------------------------------


def test_ordering_has_its_whole_metadata(tmp_path):
    write(tmp_path, "ordering.jsonl", ORDERING)
    write(tmp_path, "planted.jsonl", {"no": "puzzle"})
    (problem,) = read("puzzle", tmp_path)
    assert problem.verifier == "ordering" and json.loads(problem.instance) == ORDERING["metadata"]


def test_the_instance_is_what_the_verifier_needs_and_not_the_solution(tmp_path):
    write(tmp_path, "countdown.jsonl", COUNTDOWN)
    (problem,) = read("puzzle", tmp_path)
    assert json.loads(problem.instance) == {"numbers": [1, 2, 3], "target": 6}
    assert (problem.rule, problem.verifier, problem.answer) == ("countdown", "countdown", "1*2*3")
    assert (
        problem.category == "puzzle" and problem.choices == [] and problem.source == "countdown.jsonl row 1"
    )


def test_the_same_puzzle_under_the_next_seed_is_the_same_problem(tmp_path):
    """Item i of seed s is item i - 1 of seed s + 1: train seed 42 and test seed 43 would leak."""
    write(tmp_path, "a.jsonl", COUNTDOWN, {**COUNTDOWN, "question": "Make 7."})
    write(tmp_path, "b.jsonl", {**COUNTDOWN, "seed": COUNTDOWN["seed"] + 1, "index": COUNTDOWN["index"] - 1})
    first, other, again = read("puzzle", tmp_path)
    assert (first.problem_id, first.group_id) == (again.problem_id, again.group_id)
    assert first.problem_id != other.problem_id and first.group_id != other.group_id


DEFECTS = {
    "generator": (
        {**COUNTDOWN, "generator": "acre"},
        "row 1 field 'generator': expected 'aiw' or 'circuit_logic'",
    ),
    "no metadata": ({"generator": "aiw", "question": "?", "answer": "4"}, "row 1 field 'metadata': expected"),
    "metadata": ({**COUNTDOWN, "metadata": []}, "row 1 field 'metadata': expected an object, found []"),
    "numbers": (
        {**COUNTDOWN, "metadata": {"target": 6}},
        "row 1 field 'metadata': expected an instance of countdown (KeyError('numbers'))",
    ),
    "type": (
        {**COUNTDOWN, "metadata": {"numbers": 6, "target": 6}},
        "row 1 field 'metadata': expected an instance of countdown (TypeError",
    ),
    "answer": ({**COUNTDOWN, "answer": None}, "row 1 field 'answer': expected a text, found None"),
    "not a number": (
        {"generator": "aiw", "question": "?", "answer": "four", "metadata": {}},
        "row 1 field 'metadata': expected an instance of aiw (ValueError",
    ),
    "proposition": (
        {**SYLLOGISM, "metadata": {**SYLLOGISM["metadata"], "premise1": "Most cats are dogs"}},
        "row 1 field 'metadata': expected an instance of syllogism (ValueError",
    ),
}


@pytest.mark.parametrize(("row", "told"), DEFECTS.values(), ids=DEFECTS.keys())
def test_defects_are_named_with_file_row_and_field(tmp_path, row, told):
    write(tmp_path, "rows.jsonl", row)
    with pytest.raises(DataError) as caught:
        read("puzzle", tmp_path)
    assert f"rows.jsonl {told}" in str(caught.value)
    assert "\n" not in str(caught.value)


# --- wrong labels -----------------------------------------------------------------------------------------


def test_a_label_that_its_oracle_contradicts_is_left_out(tmp_path):
    write(tmp_path, "rows.jsonl", SYLLOGISM, {**SYLLOGISM, "answer": "No"})
    right, wrong = read("puzzle", tmp_path)
    assert right.answer == "Yes"
    assert wrong == Skipped("rows.jsonl row 2", WRONG_LABEL)


ARGUMENTS = [
    ("All a are b", "All b are c", "All a are c", True),  # Barbara
    ("No b are c", "All a are b", "No a are c", True),  # Celarent
    ("All b are c", "Some a are b", "Some a are c", True),  # Darii
    ("No b are c", "Some a are b", "Some a are not c", True),  # Ferio
    ("All b are c", "All b are a", "Some a are c", True),  # Darapti: b is not empty
    ("All a are b", "All b are c", "Some c are a", True),  # Bramantip: a is not empty
    ("All c are b", "All a are b", "All a are c", False),  # undistributed middle
    ("All a are b", "Some b are not c", "Some a are not c", False),  # what reasoning-gym calls valid
    ("Some a are b", "Some b are c", "Some a are c", False),
    ("All a are b", "All b are c", "All c are a", False),
    ("No a are b", "No b are c", "No a are c", False),
    ("Some a are not b", "All c are b", "Some a are not c", True),  # Baroco
]


@pytest.mark.parametrize(("one", "two", "conclusion", "valid"), ARGUMENTS)
def test_the_oracle_of_syllogisms(one, two, conclusion, valid):
    assert follows((one, two), conclusion) is valid
    assert follows((two, one), conclusion) is valid


def test_an_argument_of_four_terms_is_refused():
    with pytest.raises(ValueError, match="at most 3 terms"):
        follows(("All a are b", "All b are c"), "All a are d")


FAMILY = (
    "Al is married to Bo. They have children called Cy, Di and Ed. Cy is married to Fay. "
    "They have a child called Gil. Hal is married to Di. They have a child called Ira."
)
RELATIONS = {
    ("Al", "Cy"): {"parent"},
    ("Cy", "Al"): {"child"},
    ("Bo", "Al"): {"spouse"},
    ("Di", "Ed"): {"sibling"},
    ("Al", "Gil"): {"grandparent"},
    ("Ed", "Gil"): {"parent's sibling"},
    ("Gil", "Ed"): {"sibling's child"},
    ("Bo", "Fay"): {"spouse's parent"},
    ("Fay", "Bo"): set(),  # a daughter-in-law, for whom reasoning-gym has no word and says "mother-in-law"
    ("Gil", "Al"): set(),
    ("Gil", "Ira"): set(),
}


@pytest.mark.parametrize(("people", "kinds"), RELATIONS.items())
def test_the_oracle_of_families(people, kinds):
    assert kinship(FAMILY, *people) == kinds


@real_rows
def test_wrong_labels_of_the_real_rows(tmp_path):
    """Worked out here in another way: syllogisms over three-element worlds, families by generations."""
    oracles = {
        "syllogism": syllogism_is_wrong,
        "family_relationships": family_is_wrong,
        "aiw": colleagues_are_wrong,
    }
    for name, is_wrong in oracles.items():
        write(tmp_path / name, "rows.jsonl", *raw(name))
        found = read("puzzle", tmp_path / name)
        expected = [is_wrong(row) for row in raw(name)]
        assert [isinstance(record, Skipped) for record in found] == expected
        assert 1 < sum(expected) < 10
        assert {r.reason for r in found if isinstance(r, Skipped)} == {WRONG_LABEL}


def syllogism_is_wrong(row: Row) -> bool:
    """Look for a counterexample among all worlds of four individuals, each in any of three sets."""
    details = row["metadata"]
    texts = [details["premise1"], details["premise2"], details["conclusion"]]
    assert all(text in row["question"] for text in texts)
    names = sorted({w for text in texts for w in re.sub(r"^(All|No|Some)| are| not", "", text).split()})
    assert len(names) == 3

    def holds(text: str, world: list[set[str]]) -> bool:
        first, *_, last = text.split()[1:]
        those = [someone for someone in world if first in someone]
        if text.startswith("All"):
            return all(last in someone for someone in those)
        if text.startswith("No"):
            return not any(last in someone for someone in those)
        return any((last in someone) != (" not " in text) for someone in those)

    kinds = [{n for n, on in zip(names, bits, strict=True) if on} for bits in product((0, 1), repeat=3)]
    worlds = (list(world) for world in product(kinds, repeat=4))
    inhabited = (world for world in worlds if all(any(n in someone for someone in world) for n in names))
    models = (world for world in inhabited if all(holds(text, world) for text in texts[:2]))
    return row["answer"] != ("Yes" if all(holds(texts[2], world) for world in models) else "No")


def family_is_wrong(row: Row) -> bool:
    """Count generations: the elder of two cannot be a niece, nor the younger a mother-in-law."""
    story, asked = row["question"].split("\n\n")
    one, other = row["metadata"]["person1"], row["metadata"]["person2"]
    assert one in asked and other in asked
    couples = re.findall(r"(\w+) is married to (\w+)\.", story)
    born = re.findall(r"(\w+) is married to \w+\. They have [a-z ]+ called ([^.]+)\.", story)
    generation = {name: 0 for couple in couples for name in couple}
    for _ in couples:  # children stand one below their parents, spouses beside each other
        for parent, children in born:
            for child in re.findall(r"[A-Z]\w+", children):
                generation[child] = max(generation.get(child, 0), generation[parent] + 1)
        for first, second in couples:
            generation[first] = generation[second] = max(generation[first], generation[second])
    elder = {"father-in-law", "mother-in-law", "aunt", "uncle", "father", "mother"}
    younger = {"niece", "nephew", "son", "daughter"}
    above = generation[other] - generation[one]
    return (row["answer"] in elder and above != 1) or (row["answer"] in younger and above != -1)


# --- every real row against its verifier ------------------------------------------------------------------


@real_rows
def test_every_shared_file_is_read(tmp_path):
    assert sorted(path.stem for path in FOLDER.glob("*.jsonl")) == PUZZLES
    found = read("puzzle", FOLDER)
    assert len(found) == sum(len(raw(name)) for name in PUZZLES) == 325
    problems = [record for record in found if isinstance(record, Problem)]
    counts = Counter(problem.rule for problem in problems)
    assert set(counts) == set(PUZZLES)
    # self_reference has few puzzles: some questions stand there twice
    questions = {row["question"] for name in PUZZLES for row in raw(name)}
    skipped = {r.source for r in found if isinstance(r, Skipped)}
    assert len({p.problem_id for p in problems}) == len(questions) - len(skipped)


def own_answer(row: Row) -> str:
    return str(row["answer"] if row["answer"] is not None else row["metadata"]["example_answer"])


@real_rows
@pytest.mark.parametrize("name", PUZZLES)
def test_every_gold_answer_is_accepted(name, tmp_path):
    pairs = kept(name, tmp_path)
    assert len(pairs) > 15
    assert [row["question"] for row, p in pairs if not accepts(p, own_answer(row))] == []
    assert all((p.answer is None) == (name == "propositional_logic") for _, p in pairs)
    assert all(p.question == row["question"].strip() for row, p in pairs)


def evaluated(row: Row) -> str:
    """The circuit's output: its expression in Python's operators."""
    assigned = row["metadata"]["assignments"]
    gates: dict[str, Callable[[list[int]], int]] = {
        "&": lambda bits: int(all(bits)),
        "+": lambda bits: int(any(bits)),
        "⊕": lambda bits: sum(bits) % 2,
        "↑": lambda bits: int(not all(bits)),
        "↓": lambda bits: int(not any(bits)),
    }

    def term(text: str) -> int:
        gate = next(sign for sign in gates if sign in text)
        return gates[gate]([assigned[part[0]] ^ part.endswith("'") for part in text.split(gate)])

    expression = row["metadata"]["expression"]
    outer = {"AND": "&", "OR": "+", "XOR": "⊕", "NOR": "↓", "NAND": "↑"}[row["metadata"]["final_gate"]]
    return str(gates[outer]([term(text) for text in re.findall(r"\(([^)]*)\)", expression)]))


def schedulable(row: Row) -> str:
    """Take every course whose prerequisites are taken, until no more can be."""
    needs = ast.literal_eval(re.search(r"\[\(.*\)\]", row["question"])[0])
    courses = set(range(int(re.search(r"total of (\d+)", row["question"])[1])))
    taken: set[int] = set()
    for _ in courses:
        taken |= {c for c in courses if all(before in taken for after, before in needs if after == c)}
    return str(taken == courses)


def consistent(row: Row) -> str:
    """Count the ways to call seven statements true or false that fit what they say."""
    least, most, true, false = map(int, re.findall(r"(?:least|most|Exactly) (\d+) of", row["question"]))
    found = 0
    for s in product((False, True), repeat=7):
        t, f = sum(s), 7 - sum(s)
        claims = (t >= least, f <= most, t == true, f == false, s[2] != s[3], t in (2, 3, 5, 7), f in (4, 6))
        found += s == claims
    return str(found)


def women(row: Row) -> str:
    """Count the women around a brother or a male friend; she of whom the text tells is one of them."""
    told = int(re.search(r"(\d+) (?:sisters|female)", row["question"])[1])
    return str(told + 1)


def colleagues_are_wrong(row: Row) -> bool:
    """Put Matilda into two circles of women, and count whom she knows; the second may count her or not."""
    if row["metadata"]["task_type"] != "colleagues":
        return False
    first, second = (int(number) for number in re.findall(r"(\d+) female", row["question"]))
    circle = {"Matilda", "her friend", *(f"first {i}" for i in range(first - 1))}
    others = [{f"second {i}" for i in range(count)} for count in (second - 1, second)]
    return int(row["answer"]) not in {len((circle | other) - {"Matilda"}) for other in others}


@real_rows
@pytest.mark.parametrize(
    ("name", "solve"),
    [
        ("circuit_logic", evaluated),
        ("course_schedule", schedulable),
        ("self_reference", consistent),
        ("aiw", women),
    ],
)
def test_single_answers_agree_with_a_solution_by_hand(name, solve, tmp_path):
    solved = [(r, p) for r, p in kept(name, tmp_path) if "colleagues" not in r["question"]]  # see above
    assert len(solved) > 15
    for row, problem in solved:
        assert solve(row) == problem.answer, row["question"]


@real_rows
def test_knights_and_knaves_by_all_assignments(tmp_path):
    """Exactly one way to be truthful and lying fits what is said, and the verifier takes that one only."""

    def true(statement: Any, roles: tuple[bool, ...]) -> bool:
        kind, *parts = statement
        if kind == "telling-truth":
            return roles[parts[0]]
        if kind == "lying":
            return not roles[parts[0]]
        held = [true(part, roles) for part in parts]
        tables = {"not": not held[0], "and": all(held), "or": any(held)}
        return {**tables, "->": not held[0] or held[-1], "<=>": held[0] == held[-1]}[kind]

    for row, problem in kept("knights_knaves", tmp_path):
        details, terms = row["metadata"], row["metadata"]["knight_knave_terms"]
        ways = list(product((False, True), repeat=len(details["names"])))
        fitting = [w for w in ways if all(true(s, w) is w[i] for i, s in enumerate(details["statements"]))]
        assert fitting == [tuple(details["solution"])]
        for way in ways:
            called = [terms["a_knight" if truthful else "a_knave"] for truthful in way]
            parts = [f"{n} is {what}" for n, what in zip(details["names"], called, strict=True)]
            assert accepts(problem, ", and ".join(parts) + ".") is (way in fitting)
            assert accepts(problem, "\n".join(reversed(parts))) is (way in fitting)


def other_number(gold: str) -> list[str]:
    return [str(int(gold) + step) for step in (-2, -1, 1, 10)] + [gold + gold, f"{gold} or {int(gold) + 1}"]


def other_choice(gold: str) -> list[str]:
    other = {"Yes": "No", "No": "Yes", "True": "False", "False": "True"}[gold]
    return [other, f"{gold} or {other}", f"{other}, not {gold}", f"un{gold}"]


def other_word(gold: str) -> list[str]:
    return [f"{gold}s", gold[1:], f"grand{gold}", f"{gold} or aunt", "nobody"]


def other_expression(gold: str) -> list[str]:
    numbers = re.findall(r"\d+", gold)
    changed = [gold.replace(numbers[0], str(int(numbers[0]) + 1), 1), f"{gold} + {numbers[0]}", f"({gold})*1"]
    return [*changed, f"{gold} = 1", f"-({gold})", " + ".join(numbers[:-1]), gold[:-1] + "x"]


def other_grid(gold: str) -> list[str]:
    """One cell changed, each in its turn; a row lost; rows turned round."""
    rows = [line.split() for line in gold.splitlines()]
    changed = []
    for i, j in product(range(len(rows)), range(len(rows[0]))):
        copy = [list(row) for row in rows]
        copy[i][j] = str(1 - int(copy[i][j])) if set(gold) <= set("01 \n") else str(int(copy[i][j]) % 4 + 1)
        changed.append(copy)
    grids = [*(c for c in changed if c != rows), rows[:-1], [*rows, rows[0]], [row[:-1] for row in rows]]
    return ["\n".join(" ".join(row) for row in grid) for grid in grids]


def other_formula(gold: str) -> list[str]:
    return [f"({gold} ∨ ¬{gold})", f"({gold}", f"{gold} X", f"({gold} ∧ Z)", "because", f"{gold} ∧"]


WRONG: dict[str, Callable[[str], list[str]]] = {
    **dict.fromkeys(("aiw", "circuit_logic", "self_reference"), other_number),
    **dict.fromkeys(("course_schedule", "syllogism"), other_choice),
    **dict.fromkeys(("family_relationships", "zebra_puzzles"), other_word),
    **dict.fromkeys(("kakurasu", "mini_sudoku", "survo"), other_grid),
    "countdown": other_expression,
    "propositional_logic": other_formula,
}


@real_rows
@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong_answers_are_refused(name, tmp_path):
    tried = 0
    for row, problem in kept(name, tmp_path):
        for answer in ["", "I do not know", *WRONG[name](own_answer(row))]:
            assert not accepts(problem, answer), (row["question"], answer)
            tried += 1
    assert tried > 100


@real_rows
def test_what_contradicts_consistent_premises_is_refused(tmp_path):
    """The negation of a conclusion follows only where the premises contradict each other."""
    verdicts = Counter(accepts(p, f"¬{own_answer(row)}") for row, p in kept("propositional_logic", tmp_path))
    contradictory = 0
    for details in (row["metadata"] for row in raw("propositional_logic")):
        names = details["variables"]
        ways = [dict(zip(names, way, strict=True)) for way in product((False, True), repeat=len(names))]
        contradictory += not any(all(by_hand(text, way) for text in details["premises"]) for way in ways)
    assert verdicts == Counter({True: contradictory, False: len(raw("propositional_logic")) - contradictory})
    assert 0 < contradictory < 10


def by_hand(premise: str, way: dict[str, bool]) -> bool:
    """Say what a fully bracketed premise is worth, from the innermost bracket outwards."""
    text = re.sub(r"[P-Z]", lambda name: str(int(way[name[0]])), premise.replace(" ", ""))
    tables = {"∧": min, "∨": max, "→": lambda a, b: max(1 - a, b), "↔": lambda a, b: int(a == b)}
    while len(text) > 1:
        text = re.sub(r"¬([01])", lambda found: str(1 - int(found[1])), text)
        text = re.sub(r"\(([01])([∧∨→↔])([01])\)", lambda f: str(tables[f[2]](int(f[1]), int(f[3]))), text)
    return text == "1"


@real_rows
def test_other_right_answers_are_accepted(tmp_path):
    """Other words for the same: an expression turned round, an equivalent formula, a grid in brackets."""
    tried = Counter()
    for row, problem in kept("countdown", tmp_path / "countdown"):
        answer = own_answer(row)
        for other in (f"({answer})", f"-(-({answer}))", answer.replace(" ", "").replace("*", "×")):
            assert accepts(problem, other), other
            tried["countdown"] += 1
        if "*" not in answer and "(" not in answer:  # a plain sum: its terms in any order
            terms = re.findall(r"-?\d+", "".join(answer.split()))
            turned = "".join(t if t.startswith("-") else f"+{t}" for t in sorted(terms)).lstrip("+")
            assert turned != answer.replace(" ", "")
            assert accepts(problem, turned)
            tried["sums"] += 1
    for row, problem in kept("propositional_logic", tmp_path / "logic"):
        answer = own_answer(row)
        for other in (f"¬¬{answer}", f"({answer} ∧ {answer})", f"~(~{answer})", f"¬{answer} -> {answer}"):
            assert accepts(problem, other), other
            tried["propositional_logic"] += 1
    for name in ("kakurasu", "mini_sudoku", "survo"):
        for row, problem in kept(name, tmp_path / name):
            listed = [[int(cell) for cell in line.split()] for line in own_answer(row).splitlines()]
            assert accepts(problem, "```\n" + "\n".join(map(str, listed)) + "\n```")
            tried[name] += 1
    assert min(tried.values()) >= 5 and len(tried) == 6


# --- rationales -------------------------------------------------------------------------------------------

RIDDLE = {
    "question": "What has keys and opens no door?",
    "answer": "a piano",
    "rationale": "A piano has keys, but they make sounds.",
}


def test_rationales_of_people_are_traces(tmp_path):
    write(tmp_path, "train.jsonl", RIDDLE, {**RIDDLE, "rationale": "Its keys are for fingers."})
    first, second = read("puzzle_rationales", tmp_path)
    assert isinstance(first, Trace)
    assert (first.question, first.thought, first.completion) == tuple(
        RIDDLE[key] for key in ("question", "rationale", "answer")
    )
    assert (first.answer, first.parsed, first.verdict, first.complete) == (
        "a piano",
        "a piano",
        "right",
        True,
    )
    assert first.group_id == second.group_id and first.problem_id != second.problem_id
    assert first.source == "train.jsonl row 1"


def test_rationales_are_read_from_every_kind_of_table(tmp_path):
    pq.write_table(pa.Table.from_pylist([RIDDLE]), tmp_path / "a.parquet")
    write(tmp_path, "b.csv", text="question,answer,rationale\n" + ",".join(f'"{v}"' for v in RIDDLE.values()))
    write(tmp_path, "c.jsonl", RIDDLE)
    found = read("puzzle_rationales", tmp_path)
    assert [trace.source for trace in found] == ["a.parquet row 1", "b.csv row 1", "c.jsonl row 1"]
    assert len({trace.problem_id for trace in found}) == 1


def test_questions_without_answer_or_rationale_are_counted(tmp_path):
    write(tmp_path, "rows.jsonl", {**RIDDLE, "answer": None}, {**RIDDLE, "rationale": ""}, RIDDLE)
    no_answer, no_rationale, trace = read("puzzle_rationales", tmp_path)
    assert no_answer == Skipped("rows.jsonl row 1", "no answer")
    assert no_rationale == Skipped("rows.jsonl row 2", "no rationale")
    assert trace.answer == "a piano"


def test_a_missing_column_is_an_error(tmp_path):
    write(tmp_path, "rows.jsonl", {"question": "?", "answer": "a piano"})
    with pytest.raises(DataError, match="field 'rationale': expected a text, found"):
        read("puzzle_rationales", tmp_path)
