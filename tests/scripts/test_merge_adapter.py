"""An adapter becomes a whole model with tokenizer and card, which loads without PEFT."""

from pathlib import Path

from transformers import AutoModelForCausalLM

from tests.random_adapters import HARDWARE, write_adapter
from workflow.lib.files import sha256, write_json
from workflow.lib.models import load_tokenizer
from workflow.scripts.merge_adapter import main


def test_a_folder_that_stands_alone(tiny_llama: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tiny_llama, tmp_path / "a", seed=3)
    facts = {"method": "dpo", "seed": 2, "dataset": "logic", "model": "tiny"}
    write_json(tmp_path / "run.json", {**facts, "settings": {"beta": 0.25}, "lora": {"r": 4}})
    write_json(
        tmp_path / "manifest.json",
        {"kind": "hub", "repo": "org/base", "path": None, "revision": "b" * 40, "digest": "d" * 64},
    )
    weights = adapter / "adapter_model.safetensors"
    main(
        adapter=str(weights),
        run=str(tmp_path / "run.json"),
        manifest=str(tmp_path / "manifest.json"),
        snapshot=str(tiny_llama),
        merged=str(tmp_path / "m"),
        model="tiny",
        hardware=HARDWARE,
    )
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "m", local_files_only=True)
    assert "lora" not in "".join(name for name, _ in model.named_parameters())
    assert load_tokenizer(tmp_path / "m").chat_template == load_tokenizer(tiny_llama).chat_template
    card = (tmp_path / "m/README.md").read_text()
    assert "base_model: org/base\n" in card and "# dpo, seed 2, on logic, merged" in card
    for line in (
        f"| adapter | {sha256(weights)} |",
        "| beta | 0.25 |",
        "| r | 4 |",
        f"| revision | {'b' * 40} |",
    ):
        assert line in card, line
    assert str(tmp_path) not in card + (tmp_path / "m/config.json").read_text()
