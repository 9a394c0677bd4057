"""The formats of TRL and OpenAI, literally, and the card of the exported folder."""

import yaml

from workflow.lib.exports import FORMATS, WRITERS, export_card, origin
from workflow.lib.records import Pair, Prompt, SftRow

SHARED = ("p1/x/0", "p1", "g1", "train", "propositional", "Is it so?")
SFT = SftRow(*SHARED, "It is.")
PAIR = Pair(*SHARED, "It is.", "It is not.", 0.5)
PROMPT = Prompt(*SHARED, ["yes", "no"], "yes", "gold", "")


def shaped(name: str) -> dict:
    """Return the row of the right kind in the format of that name."""
    kind = next(kind for kind, formats in FORMATS.items() if name in formats)
    return FORMATS[kind][name]({"sft": SFT, "pairs": PAIR, "prompts": PROMPT}[kind])


def test_trl_texts() -> None:
    assert shaped("trl/standard/sft") == {"prompt": "Is it so?", "completion": "It is."}
    assert shaped("trl/standard/pairs") == {
        "prompt": "Is it so?",
        "chosen": "It is.",
        "rejected": "It is not.",
    }
    assert shaped("trl/standard/prompts") == {"prompt": "Is it so?"}


def test_trl_messages() -> None:
    asked = [{"role": "user", "content": "Is it so?"}]
    assert shaped("trl/conversational/sft") == {
        "prompt": asked,
        "completion": [{"role": "assistant", "content": "It is."}],
    }
    assert shaped("trl/conversational/pairs") == {
        "prompt": asked,
        "chosen": [{"role": "assistant", "content": "It is."}],
        "rejected": [{"role": "assistant", "content": "It is not."}],
    }
    assert shaped("trl/conversational/prompts") == {"prompt": asked}


def test_openai() -> None:
    asked = {"role": "user", "content": "Is it so?"}
    assert shaped("openai/supervised") == {"messages": [asked, {"role": "assistant", "content": "It is."}]}
    assert shaped("openai/preference") == {
        "input": {"messages": [asked]},
        "preferred_output": [{"role": "assistant", "content": "It is."}],
        "non_preferred_output": [{"role": "assistant", "content": "It is not."}],
    }


def test_the_origin_of_a_row_is_its_ids_and_whom_to_credit() -> None:
    ids = {"row_id": "p1/x/0", "problem_id": "p1", "group_id": "g1", "category": "propositional"}
    assert origin(SFT, {"p1": {"source": "f:1"}}) == {**ids, "source": "f:1"}
    credited = origin(PAIR, {"p1": {"source": "f:1", "attribution": "url, author"}})
    assert credited == {**ids, "margin": 0.5, "source": "f:1", "attribution": "url, author"}


BIAS = {
    "mean_words_chosen": 2.0,
    "mean_words_rejected": 3.0,
    "median_words_chosen": 2,
    "median_words_rejected": 3,
    "share_chosen_longer": 0.25,
}


def card(strategy: str) -> str:
    made = {
        "settings": {"strategy": {"logic": strategy}, "seed": 5},
        "funnel": [{"step": "pairs", "rows_in": 9, "rows_out": 4, "reason": "over the cap"}],
        "length_bias": {"before": BIAS, "after": dict.fromkeys(BIAS)},
    }
    counts = {
        "trl/standard/sft-train.jsonl": 3,
        "trl/standard/pairs-train.jsonl": 4,
        "trl/standard/pairs-dev.jsonl": 1,
        "origins/pairs-train.jsonl": 4,
        "openai/preference-train.jsonl": 4,
    }
    return export_card(
        "logic", counts, made, {"licence": "CC0-1.0", "citation": "Nobody"}, ["big: vllm, llama"]
    )


def test_the_card_has_licence_counts_and_how_it_was_made() -> None:
    text = card("right_vs_wrong")
    for line in (
        "CC0-1.0",
        "Source: Nobody",
        "- big: vllm, llama",
        "| trl/standard/pairs-train.jsonl | 4 | TRL, texts |",
        "| origins/pairs-train.jsonl | 4 | where each line comes from |",
        "| openai/preference-train.jsonl | 4 | OpenAI fine-tuning |",
        "| pairs | 9 | 4 | over the cap |",
        '  "seed": 5,',
        "| before length control | 2.0 | 3.0 | 2.0 | 3.0 | 25 % |",
        "| after length control | – | – | – | – | – |",
    ):
        assert line in text.splitlines()


def test_the_front_matter_tells_the_viewer_the_splits() -> None:
    about = yaml.safe_load(card("votes").split("---")[1])
    assert about["configs"] == [
        {"config_name": "sft", "data_files": [{"split": "train", "path": "trl/standard/sft-train.jsonl"}]},
        {
            "config_name": "pairs",
            "data_files": [
                {"split": "train", "path": "trl/standard/pairs-train.jsonl"},
                {"split": "dev", "path": "trl/standard/pairs-dev.jsonl"},
            ],
        },
    ]


def test_every_strategy_says_who_wrote_its_texts() -> None:
    assert all(WRITERS[name] in card(name) for name in WRITERS)
    named = {name for name in WRITERS if "big: vllm, llama" in card(name)}
    assert named == {"right_vs_wrong", "votes"}
    assert "No model wrote any of it." in card("given")
