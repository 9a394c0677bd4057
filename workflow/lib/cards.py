"""The model card of an adapter: what it is, what it was made from, and how, without dates."""

from collections.abc import Mapping
from typing import Any

CARD = """---
base_model: {base}
library_name: peft
tags:
- lora
- plumbline
- {method}
---

# {method}, seed {seed}, on {dataset}

A LoRA adapter for the base model **{model}**, trained by Plumbline with the method `{method}`.
It is an adapter only: load the base model first, then this folder with PEFT.

{tables}
"""


MERGED = """---
base_model: {base}
base_model_relation: finetune
library_name: transformers
tags:
- plumbline
- {method}
---

# {method}, seed {seed}, on {dataset}, merged

The base model **{model}** with a LoRA adapter added to its weights, trained by Plumbline with the method
`{method}`. It is a whole model: load it without PEFT.

{tables}
"""


def merged_card(facts: Mapping[str, Any], manifest: Mapping[str, Any], merging: Mapping[str, Any]) -> str:
    """Return the README of a merged model.

    Args:
        facts: Of the training, as in ``run.json``.
        manifest: Of the base model.
        merging: What there is to tell of the merging.
    """
    tables = [
        _table("Base model", _base(manifest)),
        _table("Merging", merging),
        _table("Settings", facts["settings"]),
        _table("LoRA", facts["lora"]),
    ]
    named = {key: facts[key] for key in ("method", "seed", "dataset", "model")}
    return MERGED.format(**named, base=manifest["repo"] or facts["model"], tables="\n\n".join(tables))


def model_card(facts: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Return the README of an adapter.

    Args:
        facts: Of the training, as in ``run.json``.
        manifest: Of the base model.
    """
    training = {"steps": facts["steps"], "rows": facts["rows"], "rows over max_length": facts["rows_dropped"]}
    training |= {name.replace("_", " "): count for name, count in facts["counts"].items()}
    sweep = facts["sweep"]
    chosen = {**sweep["settings"], "task": sweep["task"], "trials": sweep["trials"]} if sweep else {}
    tables = [
        _table("Base model", _base(manifest)),
        _table("Training", training),
        _table("Settings", facts["settings"]),
        *([_table("Settings that a sweep on dev chose", chosen)] if chosen else []),
        _table("LoRA", facts["lora"]),
        _table("At the last step", {name: f"{value:.4g}" for name, value in facts["final"].items()}),
        _table("Inputs (SHA-256)", facts["inputs"]),
        _table("Versions", facts["versions"]),
    ]
    named = {key: facts[key] for key in ("method", "seed", "dataset", "model")}
    return CARD.format(**named, base=manifest["repo"] or facts["model"], tables="\n\n".join(tables))


def _base(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest tells of where a base model is from."""
    return {key: manifest[key] for key in ("kind", "repo", "path", "revision", "digest") if manifest[key]}


def _table(title: str, values: Mapping[str, Any]) -> str:
    """Return a Markdown section with one row per value, in the order of their names."""
    rows = [f"| {name} | {values[name]} |" for name in sorted(values)]
    return "\n".join([f"## {title}", "", "| | |", "|---|---|", *rows])
