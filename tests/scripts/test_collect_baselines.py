"""The table of baselines is that of the cards, task by task."""

from workflow.lib.files import read_csv, write_json
from workflow.scripts.collect_baselines import COLUMNS, main

GUESS = {
    **{"name": "always no", "looks_at": "nothing", "accuracy": 0.51234567, "low": 0.46, "high": 0.56},
    **{"n": 375, "groups": 190, "interval": "95% cluster bootstrap", "chance": 0.5, "majority": 0.512},
}


def test_every_task_has_the_baselines_of_the_dataset_that_it_asks(tmp_path):
    cards = {"logic": [GUESS, GUESS | {"name": "longest option", "low": None, "high": None}], "goals": []}
    paths = [str(tmp_path / f"{name}.json") for name in cards]
    for path, (dataset, baselines) in zip(paths, cards.items(), strict=True):
        write_json(path, {"dataset": dataset, "baselines": baselines, "rows": {}})
    tasks = {"greedy": "logic", "sampled": "logic", "piqa": "goals"}
    found = tmp_path / "baselines.csv"
    main(cards=paths, baselines=str(found), tasks={task: {"dataset": name} for task, name in tasks.items()})
    rows = read_csv(found)
    assert [(row["task"], row["dataset"], row["baseline"]) for row in rows] == [
        *(("greedy", "logic", "always no"), ("greedy", "logic", "longest option")),
        *(("sampled", "logic", "always no"), ("sampled", "logic", "longest option")),
    ]
    assert list(rows[0].values()) == [
        *("greedy", "logic", "always no", "375", "190", "0.512346", "0.46", "0.56"),
        *("95% cluster bootstrap", "0.5", "0.512", "nothing"),
    ]
    assert (rows[1]["low"], rows[1]["high"]) == ("", "")


def test_without_a_baseline_the_table_is_its_header(tmp_path):
    write_json(tmp_path / "card.json", {"dataset": "goals", "baselines": []})
    found = tmp_path / "baselines.csv"
    main(cards=[str(tmp_path / "card.json")], baselines=str(found), tasks={"piqa": {"dataset": "goals"}})
    assert found.read_text() == ",".join(COLUMNS) + "\n"
