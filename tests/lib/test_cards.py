"""Model cards: what a reader needs, and nothing that changes from run to run."""

from workflow.lib.cards import model_card

FACTS = {
    "dataset": "logic",
    "model": "tiny",
    "method": "dpo",
    "seed": 2,
    "settings": {"learning_rate": 2.0e-4, "beta": 0.1},
    "sweep": None,
    "lora": {"r": 8},
    "steps": 30,
    "rows": 400,
    "rows_dropped": 3,
    "counts": {"completion_tokens": 126},
    "final": {"loss": 0.123456},
    "inputs": {"pairs.parquet": "a" * 64},
    "versions": {"trl": "1.16.0"},
}
MANIFEST = {"kind": "hub", "repo": "org/base", "path": None, "revision": "b" * 40, "digest": "c" * 64}


def test_card_of_a_hub_model():
    card = model_card(FACTS, MANIFEST)
    assert "| completion tokens | 126 |" in card
    assert card.startswith("---\nbase_model: org/base\nlibrary_name: peft\n")
    assert "# dpo, seed 2, on logic" in card
    for row in (
        f"| revision | {'b' * 40} |",
        "| beta | 0.1 |",
        "| rows over max_length | 3 |",
        "| loss | 0.1235 |",
        f"| pairs.parquet | {'a' * 64} |",
        "| trl | 1.16.0 |",
    ):
        assert row in card.splitlines()
    assert "| path |" not in card


def test_card_of_a_model_without_a_repository_names_the_model():
    card = model_card(FACTS, {**MANIFEST, "kind": "scratch", "repo": None, "revision": None})
    assert "base_model: tiny" in card.splitlines()


def test_card_says_where_settings_come_from():
    assert "sweep" not in model_card(FACTS, MANIFEST)
    sweep = {"task": "quiz", "trial": 2, "trials": 6, "settings": {"beta": 0.1}}
    told = model_card({**FACTS, "sweep": sweep}, MANIFEST).split("## Settings that a sweep on dev chose")[1]
    assert told.split("##")[0].split("\n")[4:7] == ["| beta | 0.1 |", "| task | quiz |", "| trials | 6 |"]
