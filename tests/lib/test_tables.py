"""Tables of the report: every cell is a cell of the CSV, rounded."""

from tests.report_inputs import CARDS, CHECKS, provenance, score, tables
from workflow.lib.tables import (
    MOST_ROWS,
    Cell,
    accuracy_tables,
    all_tables,
    headline_tables,
    input_table,
    teacher_tables,
)


def texts(rows: list[list[Cell]]) -> list[list[str]]:
    return [[cell.text for cell in row] for row in rows]


def test_the_headline_has_estimate_interval_gain_and_a_word() -> None:
    (table,) = headline_tables(tables()["accuracy"], tables()["deltas"])
    assert table.columns == ["Method", "logicbench (n = 400)"]
    assert table.rows == [
        [Cell("Base"), Cell("55.0 [50.0, 60.0]")],
        [Cell("SFT"), Cell("64.0 [59.0, 69.0]", "+9.0 [4.0, 14.0], better")],
        [Cell("DPO"), Cell("72.0 [67.0, 77.0]", "+17.0 [12.0, 22.0], better", "highest")],
    ]


def test_a_method_without_a_score_on_a_task_is_not_run() -> None:
    (table,) = headline_tables([score("base"), score("sft"), score("base", task="other")], [])
    assert texts(table.rows)[1] == ["SFT", "64.0 [59.0, 69.0]", "not run"]


def test_every_table_is_there_and_has_the_values_of_its_file() -> None:
    found = all_tables(tables(), CARDS, CHECKS)
    assert {name: len(some) for name, some in found.items()} == dict.fromkeys(found, 1)
    last = {name: texts(some[0].rows)[-1] for name, some in found.items()}
    assert last["deltas"] == [
        *("logicbench", "DPO", "SFT", "+8.0", "[−1.0, 13.0]", "400", "200", "60", "20"),
        *("<\u202f0.001", "0.200", "not detected", "exploratory"),
    ]
    assert last["categories"] == [
        *("logicbench", "rule:modus_tollens", "400"),
        *("55.0 [50.0, 60.0]", "64.0 [59.0, 69.0]", "72.0 [67.0, 77.0]"),
    ]
    assert last["subsets"][1:7] == ["clean", "DPO", "72.0", "[67.0, 77.0]", "+17.0", "[10.0, 24.0]"]
    assert last["rewards"] == ["logicbench", "1", "86.0", "[82.0, 90.0]", "300", "100", "1.84"]
    assert last["curves"] == ["DPO", "loss", "2", "4", "0.250"]
    assert last["costs"][:6] == [
        "DPO",
        "1",
        "1\u202fmin 20\u202fs",
        "1\u202fmin 16\u202fs",
        "50,000",
        "2,500",
    ]
    assert last["funnel"] == ["logic", "data", "duplicates", "1,500", "1,462", "x"]
    assert last["datasets"] == ["logic", "842", "210", "375", "Apache-2.0", "A paper"]
    assert last["checks"] == ["no cell is nan[accuracy]", "passed", ""]


def test_nothing_run_gives_no_table() -> None:
    found = all_tables({name: [] for name in tables()}, [], {})
    assert set(found.values() and map(len, found.values())) == {0}


def test_the_prompt_in_use_is_marked_and_a_hopeless_one_has_no_cost() -> None:
    (table,) = teacher_tables(CARDS)
    assert texts(table.rows) == [
        ["tiny", "cot", "48", "192", "96", "50.0", "0", "0", "50.0", "used"],
        ["tiny", "direct", "48", "192", "0", "0.0", "0", "0", "–", ""],
    ]


def test_a_long_table_is_cut_and_says_so() -> None:
    (table,) = accuracy_tables([score("sft", str(seed)) for seed in range(MOST_ROWS + 3)])
    assert (len(table.rows), table.left_out) == (MOST_ROWS, 3)


def test_inputs_are_named_with_kind_and_short_digest() -> None:
    sources = [{"kind": "hub", "repo": "org/data", "revision": "f" * 40}, {"kind": "local", "path": "data"}]
    manifests = [
        *provenance()["manifests"],
        {"dataset": "logic", "sources": sources, "manifest_sha256": "9" * 64},
    ]
    assert texts(input_table(manifests).rows) == [
        ["tiny", "model", "scratch", "–", "–", "abababababab"],
        ["logic", "dataset", "hub, local", "org/data, data", "ffffffffffff", "999999999999"],
    ]
