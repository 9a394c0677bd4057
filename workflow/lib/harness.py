"""lm-evaluation-harness as a library: a task read from its YAML onto local rows, and one run of it.

``evaluate`` of the harness is called rather than ``simple_evaluate``, which adds only a description of
the machine (0.7 s a call, and different bytes every time). Caches and ``limit`` are never used.
"""

import json
import math
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
from lm_eval.api.model import TemplateLM
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml
from lm_eval.utils import handle_non_serializable
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from workflow.lib.branches import Scored, batches_of, can_branch, loglikelihoods, rows_of
from workflow.lib.decoding import can_shrink, greedy
from workflow.lib.errors import DataError, problem

INSTALLED = "lm_eval/"  # start of an ``include`` that names a file of the installed harness
SPLIT = "test"
ROWS = "documents.parquet"
CPU_INPUTS = 2048  # tokens of one pass; what does not fit a processor's cache takes three times as long
BOOTSTRAPS = 1000  # for the standard errors that have no formula; means have one


@dataclass(frozen=True)
class Official:
    """What of the harness's own scores of generated answers counts."""

    metric: str
    filter: str  # that finds the answer in the text


@dataclass(frozen=True)
class Task:
    """A task of the harness on local rows."""

    name: str
    config: Mapping[str, Any]
    chat: bool  # the model's chat template goes round the prompt
    official: Official | None = None  # ``None`` where generated answers are read by our own parser

    @property
    def sampled(self) -> bool:
        """Whether answers are drawn at random, so that a generation seed matters."""
        return self.generates and bool(self.config["generation_kwargs"].get("do_sample"))

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
    official = Official(**metadata["scored_by"]) if "scored_by" in metadata else None
    return Task(config["task"], config, bool(metadata["chat_template"]), official)


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
    return _asking_alike(task)


def _asking_alike(task: ConfigurableTask) -> ConfigurableTask:
    """Let ``task`` build its requests for the first run only: they are the same for whoever answers."""
    build_requests = task.build_all_requests

    def once(**options: Any) -> None:
        if not hasattr(task, "_instances"):
            build_requests(**options)
        for instance in task.instances:
            instance.resps, instance.filtered_resps = [], {}

    task.build_all_requests = once
    return task


class SharingLM(HFLM):  # type: ignore[misc]
    """The harness's model of transformers, which reads what options have in common once.

    A text is cut into tokens once, however many adapters are asked. A greedy answer that has ended is no
    longer computed.
    """

    def __init__(self, **options: Any) -> None:
        """Take the options of the harness's own class."""
        super().__init__(**options)
        self._branching = can_branch(self.model)
        self._shrinking = can_shrink(self.model, self.eot_token_id)
        self._known: dict[tuple[str, bool | None], list[int]] = {}

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **options: Any) -> list[int]:
        """Return the tokens of ``string``."""
        if options:
            return list(super().tok_encode(string, add_special_tokens, **options))
        key = (string, add_special_tokens)
        if key not in self._known:
            self._known[key] = super().tok_encode(string, add_special_tokens)
        return list(self._known[key])

    def _model_generate(self, context: Tensor, max_length: int, stop: list[str], **options: Any) -> Tensor:
        ends = [self.tok_decode(self.eot_token_id, skip_special_tokens=False)]
        if self._shrinking and stop == ends and options.get("do_sample") is False:
            options["custom_generate"] = greedy
        told: Tensor = super()._model_generate(context, max_length, stop, **options)
        return told

    def _loglikelihood_tokens(
        self,
        requests: list[tuple[tuple[str, str], list[int], list[int]]],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[tuple[float, bool]]:
        if not self._branching:
            told: list[tuple[float, bool]] = super()._loglikelihood_tokens(
                requests, disable_tqdm, override_bs
            )
            return told
        room = self.max_length + 1  # the last token is no input; what is too long loses its beginning
        sequences = [
            (tuple(context), Scored(number, (context + continuation)[-room:], len(continuation)))
            for number, (_, context, continuation) in enumerate(requests)
        ]
        found: dict[int, tuple[float, bool]] = {}
        limit = CPU_INPUTS if self.device.type == "cpu" else math.inf
        for batch in batches_of(rows_of(sequences, self.max_length), self.batch_size, limit):
            found |= loglikelihoods(self.model, batch, self.softmax_dtype)
        return [found[number] for number in range(len(requests))]


def language_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, chat: bool, batch: int
) -> SharingLM:
    """Return ``model`` as the harness wants it; under a chat template only the template places BOS."""
    return SharingLM(
        pretrained=model,
        tokenizer=tokenizer,
        backend="causal",
        batch_size=batch,
        add_bos_token=False if chat else None,
    )


def run(lm: TemplateLM, task: ConfigurableTask, *, chat: bool, seed: int) -> tuple[dict[str, Any], list[Any]]:
    """Score what ``lm`` answers now.

    Args:
        lm: The model, with one policy active.
        task: Of ``build``; several runs may share it.
        chat: The model's chat template goes round the prompt.
        seed: Of whatever is drawn.

    Returns:
        The scores in the harness's own layout, without times and paths, and its log of samples.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    name = task.config.task
    task.set_fewshot_seed(seed)
    found = evaluate(
        lm=lm,
        task_dict={"tasks": {name: task}},
        bootstrap_iters=BOOTSTRAPS,
        log_samples=True,
        apply_chat_template=chat,
        fewshot_as_multiturn=True,
    )
    logged = found.pop("samples")[name]
    found["configs"][name]["dataset_kwargs"] = {"data_files": {SPLIT: ROWS}}
    found["config"] = {
        "batch_size": lm.batch_size,
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
