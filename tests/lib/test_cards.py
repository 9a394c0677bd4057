"""Model cards: what a reader needs, and nothing that changes from run to run."""

from workflow.lib.cards import model_card

FACTS = {
    "dataset": "logic",
    "model": "tiny",
    "method": "dpo",
    "seed": 2,
    "settings": {"learning_rate": 2.0e-4, "beta": 0.1},
    "lora": {"r": 8},
    "steps": 30,
    "rows": 400,
    "rows_dropped": 3,
    "final": {"loss": 0.123456},
    "inputs": {"pairs.parquet": "a" * 64},
    "versions": {"trl": "1.16.0"},
}
MANIFEST = {"kind": "hub", "repo": "org/base", "path": None, "revision": "b" * 40, "digest": "c" * 64}


def test_card_of_a_hub_model():
    card = model_card(FACTS, MANIFEST)
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
