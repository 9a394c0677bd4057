"""lm-evaluation-harness as a library: a task read from its YAML onto local rows, and one run of it.

``evaluate`` of the harness is called rather than ``simple_evaluate``, which adds only a description of
the machine (0.7 s a call, and different bytes every time). Caches and ``limit`` are never used.
"""

import json
import random
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lm_eval
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml
from lm_eval.utils import handle_non_serializable
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from workflow.lib.errors import DataError, problem

INSTALLED = "lm_eval/"  # start of an ``include`` that names a file of the installed harness
SPLIT = "test"
ROWS = "documents.parquet"
BOOTSTRAPS = 1000  # for the standard errors that have no formula; means have one


@dataclass(frozen=True)
class Task:
    """A task of the harness on local rows."""

    name: str
    config: Mapping[str, Any]
    chat: bool  # the model's chat template goes round the prompt

    @property
    def sampled(self) -> bool:
        """Whether answers are drawn at random, so that a generation seed matters."""
        return "generation_kwargs" in self.config and bool(self.config["generation_kwargs"]["do_sample"])

    @property
    def generates(self) -> bool:
        """Whether answers are generated, rather than given options scored."""
        return bool(self.config["output_type"] == "generate_until")


def read_definition(path: str | Path) -> dict[str, Any]:
    """Return the task in the YAML at ``path``, with the file that it includes beneath it.

    An ``include`` is relative to its file, or, as ``lm_eval/tasks/…``, to where the harness is installed.
    """
    config = dict(load_yaml(path, recursive=False))
    included = config.pop("include", None)
    if included is None:
        return config
    root = Path(lm_eval.__file__).parents[1] if included.startswith(INSTALLED) else Path(path).parent
    return {**read_definition(root / included), **config}


def read_task(path: str | Path, max_new_tokens: int) -> Task:
    """Return the task in the YAML at ``path``, which reads no data yet.

    Raises:
        DataError: The file does not say whether the chat template applies, or asks for few-shot
            examples, which could only come from the test split.
    """
    config = read_definition(path)
    metadata = config.get("metadata") or {}
    for key in ("version", "chat_template"):
        if key not in metadata:
            raise DataError(
                problem(str(path), f"metadata.{key}", expected="a value", found=None, fix="state it.")
            )
    if config.get("num_fewshot"):
        found = config["num_fewshot"]
        raise DataError(problem(str(path), "num_fewshot", expected="0", found=found, fix="remove it."))
    if config["output_type"] == "generate_until":
        config["generation_kwargs"] = {**config["generation_kwargs"], "max_gen_toks": max_new_tokens}
    return Task(config["task"], config, bool(metadata["chat_template"]))


def on_rows(task: Task, rows: pa.Table, folder: str | Path) -> dict[str, Any]:
    """Return the task's configuration reading ``rows``, written to ``folder``, as its only split."""
    path = Path(folder) / ROWS
    pq.write_table(rows, path)
    local = {"data_files": {SPLIT: str(path)}, "cache_dir": str(Path(folder) / "cache")}
    splits = {"training_split": None, "validation_split": None, "test_split": SPLIT}
    return {**task.config, **splits, "dataset_path": "parquet", "dataset_name": None, "dataset_kwargs": local}


def build(config: Mapping[str, Any]) -> ConfigurableTask:
    """Return the harness's task object for ``config``, without any few-shot example."""
    loaded = TaskManager(include_defaults=False).load([deepcopy(dict(config))])
    task = loaded["tasks"][config["task"]]
    task.set_config("num_fewshot", 0)
    return task


def language_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, chat: bool, batch: int
) -> HFLM:
    """Return ``model`` as the harness wants it; under a chat template only the template places BOS."""
    return HFLM(
        pretrained=model,
        tokenizer=tokenizer,
        backend="causal",
        batch_size=batch,
        add_bos_token=False if chat else None,
    )


def run(lm: HFLM, config: Mapping[str, Any], *, chat: bool, seed: int) -> tuple[dict[str, Any], list[Any]]:
    """Score what ``lm`` answers now.

    Returns:
        The scores in the harness's own layout, without times and paths, and its log of samples.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    task = build(config)
    task.set_fewshot_seed(seed)
    found = evaluate(
        lm=lm,
        task_dict={"tasks": {config["task"]: task}},
        bootstrap_iters=BOOTSTRAPS,
        log_samples=True,
        apply_chat_template=chat,
        fewshot_as_multiturn=True,
    )
    logged = found.pop("samples")[config["task"]]
    found["configs"][config["task"]]["dataset_kwargs"] = {"data_files": {SPLIT: ROWS}}
    found["config"] = {
        "model": "hf",
        "batch_size": lm.batch_size,
        "device": lm.device.type,
        "limit": None,
        "use_cache": None,
        "bootstrap_iters": BOOTSTRAPS,
        "random_seed": seed,
        "numpy_seed": seed,
        "torch_seed": seed,
        "fewshot_seed": seed,
    }
    plain = json.loads(json.dumps(found, default=handle_non_serializable))
    return plain, logged
