"""Tables of the report: every cell is a cell of the CSV, rounded."""

from tests.report_inputs import CARDS, CHECKS, EVIL, delta, provenance, score, tables
from workflow.lib.answer_tables import win_tables
from workflow.lib.card_tables import detection_tables, input_table, label_tables, teacher_tables
from workflow.lib.page_tables import all_tables
from workflow.lib.run_tables import sweep_tables
from workflow.lib.score_tables import accuracy_tables, headline_tables, transfer_tables
from workflow.lib.tables import MOST_ROWS, Cell


def texts(rows: list[list[Cell]]) -> list[list[str]]:
    return [[cell.text for cell in row] for row in rows]


def test_the_headline_has_estimate_interval_gain_and_a_word() -> None:
    rows = tables()
    (table,) = headline_tables(*(rows[name] for name in ("accuracy", "deltas", "baselines", "noise")))
    assert table.columns == ["Method", "logicbench (n = 400)"]
    to = "dataset=logic&model=tiny&task=logicbench&method="
    assert table.rows == [
        [Cell("Base"), Cell("55.0 [50.0, 60.0]", samples=f"{to}base")],
        [Cell("SFT"), Cell("64.0 [59.0, 69.0]", "+9.0 [4.0, 14.0], better", samples=f"{to}sft")],
        [Cell("DPO"), Cell("72.0 [67.0, 77.0]", "+17.0 [12.0, 22.0], better", "highest", f"{to}dpo")],
        [Cell("Best guess"), Cell("51.2 [46.0, 56.0]", "always no")],
        [Cell("Noise floor"), Cell("+2.0 [−1.0, 5.0]", "DPO, another seed")],
    ]


def test_a_cell_leads_to_the_samples_it_speaks_of_and_only_to_these() -> None:
    found = all_tables(tables(), CARDS, CHECKS)
    leads = {
        name: [
            {column: cell.samples for column, cell in zip(table.columns, row, strict=True) if cell.samples}
            for row in table.rows
        ]
        for name, (table, *_) in found.items()
    }
    to = "dataset=logic&model=tiny&task=logicbench&"
    assert leads["accuracy"][:2] == [
        {"Estimate, %": f"{to}method=base"},
        {"Estimate, %": f"{to}method=base&seed=1"},
    ]
    assert leads["deltas"][0] == {
        "Groups better": f"{to}right=sft&wrong=base",
        "Groups worse": f"{to}right=base&wrong=sft",
    }
    assert leads["categories"][1]["DPO"] == f"{to}method=dpo&category=rule%3Amodus_tollens"
    assert leads["subsets"][:2] == [  # all, then the clean ones
        {"Accuracy, %": f"{to}method=base"},
        {"Accuracy, %": f"{to}method=base&subset=clean"},
    ]
    assert {name for name, rows in leads.items() if any(rows)} == {
        *("headline", "accuracy", "deltas", "categories", "subsets"),
    }


def test_a_method_without_a_score_on_a_task_is_not_run() -> None:
    (table,) = headline_tables([score("base"), score("sft"), score("base", task="other")], [], [], [])
    assert texts(table.rows)[1] == ["SFT", "64.0 [59.0, 69.0]", "not run"]
    assert texts(table.rows)[2:] == [["Best guess", "–", "–"], ["Noise floor", "–", "–"]]


def test_every_table_is_there_and_has_the_values_of_its_file() -> None:
    found = all_tables(tables(), CARDS, CHECKS)
    assert {name: len(some) for name, some in found.items()} == dict.fromkeys(found, 1)
    last = {name: texts(some[0].rows)[-1] for name, some in found.items()}
    assert last["deltas"] == [
        *("logicbench", "DPO", "SFT", "+8.0", "[−1.0, 13.0]", "[−2.0, 18.0]"),
        *("400", "200", "60", "20"),
        *("<\u202f0.001", "0.200", "not detected", "exploratory"),
    ]
    assert last["transfer"] == ["DPO", "+17.0"]
    # 0.08 of 400 answers are 32 more gained than lost, 0.17 are 68
    assert last["pairs"] == [
        *("logicbench", "DPO", "SFT", "+8.0", "[3.0, 13.0]", "[−2.0, 18.0]", "62", "30"),
        *("<\u202f0.001", "not detected"),
    ]
    assert last["category_deltas"] == [
        *("logicbench", "propositional", "DPO", "Base", "+17.0", "[12.0, 22.0]", "[7.0, 27.0]", "98", "30"),
        *("<\u202f0.001", "better"),
    ]
    assert texts(found["ranks"][0].rows) == [
        ["logicbench", "DPO", "72.0", "1–2", "a"],
        ["logicbench", "SFT", "64.0", "1–2", "a"],
        ["logicbench", "Base", "55.0", "3", "b"],
    ]
    assert last["baselines"] == ["logicbench", "always no", "51.2", "[46.0, 56.0]", "50.0", "375", "nothing"]
    assert last["noise"] == [
        *("logicbench", "DPO", "asked again", "1", "+2.0", "[−1.0, 5.0]", "4.0", "31.0", "200"),
    ]
    frontier = texts(found["frontier"][0].rows)
    assert frontier[-1] == [
        *("logicbench", "reward", "DPO", "2", "2.50", "1.50", "[1.00, 2.00]", "75.0", "[70.0, 80.0]"),
        *("2.50", "12.5", "400"),
    ]
    assert frontier[0][5:10] == ["–", "[no interval]", "–", "[no interval]", "0.000"]
    assert last["calibration"] == ["piqa", "DPO", "calibration error", "12.5", "[7.5, 17.5]", "40"]
    lengths = texts(found["lengths"][0].rows)
    assert lengths[3][7:] == ["10.0", "[8.00, 12.0]", "0.250", "200"]
    assert lengths[-1] == [
        *("logicbench", "DPO", "wrong", "34.0", "[32.0, 36.0]", "33.0", "60.0", "–", "[no interval]", "–"),
        "200",
    ]
    # 17 points for a quarter of a kWh are 68 per kWh
    assert last["efficiency"] == ["logicbench", "DPO", "sft", "0.250 kWh", "+17.0", "68.0", "48.0", "88.0"]
    assert last["categories"] == [
        *("logicbench", "rule:modus_tollens", "400"),
        *("55.0 [50.0, 60.0]", "64.0 [59.0, 69.0]", "72.0 [67.0, 77.0]"),
    ]
    assert last["subsets"][1:7] == ["clean", "DPO", "72.0", "[67.0, 77.0]", "+17.0", "[10.0, 24.0]"]
    assert last["rewards"] == [
        "logicbench",
        "Reward model",
        "1",
        "86.0",
        "[82.0, 90.0]",
        "300",
        "100",
        "1.84",
    ]
    assert last["sweeps"] == [
        *("DPO", "beta 0.9", "logicbench", "–", "[no interval]", "–", "[no interval]", "0", "0"),
        *("failed: loss is nan", "–"),
    ]
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
    assert last["rationales"][:-1] == ["tiny", "analogical", "1,200", "1,190", "1,180", "650", "647"]
    assert last["rationales"][-1] == f"10 length, 3 {EVIL}, 10 unparsed"
    assert last["detection"] == ["60.0", "20", "10.0", "25.0"]
    assert last["labels"] == ["gold share", "87.5", "50.0"]
    assert last["datasets"] == ["logic", "842", "210", "375", "Apache-2.0", "A paper"]
    assert last["checks"] == ["no cell is nan[accuracy]", "passed", ""]


def test_the_chosen_trial_and_those_tied_with_the_best_are_marked() -> None:
    rows = tables()["sweeps"]
    (table,) = sweep_tables([rows[0] | {"tied": "true"}, *rows[1:]])
    assert [row[-2].text for row in table.rows] == ["tied with the best", "chosen", "failed: loss is nan"]
    assert texts(table.rows)[0][3:9] == ["60.0", "[55.0, 65.0]", "−10.0", "[−15.0, −5.0]", "200", "100"]
    (plain,) = sweep_tables(rows)
    assert plain.rows[0][-2] == Cell("")


def test_wins_stand_with_what_tells_of_the_judge_and_say_why_a_rate_is_missing() -> None:
    (table,) = win_tables(tables()["wins"])
    whole, seed = texts(table.rows)
    assert whole[7:9] == ["66.0", "[55.0, 75.0]"]
    assert seed == [
        *("logicbench", "tiny", "DPO", "1", "73.1", "[60.0, 85.0]", "[50.0, 90.0]"),
        *("–", "n/a (constant)", "24", "6", "5", "4", "1", "62.0", "75.0", "[50.0, 95.0]", "16"),
    ]


def test_nothing_run_gives_no_table() -> None:
    found = all_tables({name: [] for name in tables()}, [], {})
    assert set(found.values() and map(len, found.values())) == {0}


def test_the_prompt_in_use_and_those_tied_are_marked_and_a_hopeless_one_has_no_cost() -> None:
    (table,) = teacher_tables(CARDS)
    told = [dict(zip(table.columns, row, strict=True)) for row in texts(table.rows)]
    assert list(told[0].values()) == [
        *("tiny", "cot", "48", "192", "96"),
        *("50.0 [43.8, 56.2]", "0.0 [−6.2, 18.8]", "66.7 [no interval]"),  # 96 / 192; 96 / 144
        *("0.0", "25.0", "50.0", "0.012", "2.50", "31.2", "12.5", "used"),
    ]
    assert [row["Choice"] for row in told] == ["used", "", "tied with the best"]
    direct = told[1]
    assert direct["Difference to best, points"] == "−43.8 [−50.0, −25.0]"
    assert direct["Tokens per right"] == direct["USD per right"] == "–"
    assert direct["Accuracy, %"] == "– [no interval]"
    assert table.note.startswith("Choice: best yield. Yield: right answers among all samples;")


def test_a_limit_that_flags_nothing_has_no_precision_and_the_scores_are_told() -> None:
    (table,) = detection_tables(CARDS)
    assert texts(table.rows)[0] == ["50.0", "0", "–", "0.0"]
    assert table.note == (
        "8 ambiguous and 92 other problems. In use: gold answer and vote share below 0.6. "
        "AUROC in percent by score: vote share 62.5, pair gap 75.0."
    )
    (labels,) = label_tables(CARDS)
    assert labels.note == (
        "4 labels are wrong and 96 sound. A label is suspect by the rule: gold answer, and 0.9 of at least 5 "
        "answers are one other answer. It flags 0: precision – %, recall 0.0 %."
    )
    assert label_tables([card | {"label_detection": None} for card in CARDS]) == []
    nothing_planted = [card | {"detection": None} for card in CARDS]
    assert detection_tables(nothing_planted) == []


def test_a_long_table_is_cut_and_says_so() -> None:
    (table,) = accuracy_tables([score("sft", str(seed)) for seed in range(MOST_ROWS + 3)])
    assert (len(table.rows), table.left_out) == (MOST_ROWS, 3)


def test_inputs_are_named_with_kind_and_short_digest() -> None:
    sources = [{"kind": "hub", "repo": "org/data", "revision": "f" * 40}, {"kind": "local", "path": "data"}]
    manifests = [
        *provenance()["manifests"],
        {"dataset": "logic", "sources": sources, "manifest_sha256": "9" * 64},
        {
            "teacher": "tuned",
            "kind": "hub",
            "repo": "org/lora",
            "revision": "e" * 40,
            "manifest_sha256": "8" * 64,
        },
    ]
    assert texts(input_table(manifests).rows) == [
        ["tiny", "model", "scratch", "–", "–", "abababababab"],
        ["logic", "dataset", "hub, local", "org/data, data", "ffffffffffff", "999999999999"],
        ["tuned", "teacher", "hub", "org/lora", "eeeeeeeeeeee", "888888888888"],
    ]


def test_gains_on_tasks_trained_for_and_on_others_stand_side_by_side() -> None:
    (table,) = transfer_tables(
        [
            *(
                delta("sft"),
                delta("sft", task="exam", trained="false", delta="-0.1", low="-0.2", high="-0.01"),
            ),
            *(delta("dpo"), delta("dpo", "sft")),
        ]
    )
    assert table.columns == ["Method", "logicbench (trained for)", "exam (not trained for)"]
    assert table.rows == [
        [Cell("SFT"), Cell("+9.0", "[4.0, 14.0]", "better"), Cell("−10.0", "[−20.0, −1.0]", "worse")],
        [Cell("DPO"), Cell("+17.0", "[12.0, 22.0]", "better"), Cell("not run")],
    ]
