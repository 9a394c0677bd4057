"""lm-evaluation-harness by its own command line, on our task files and rows: what ours is compared with."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import lm_eval
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
TASKS = ROOT / "workflow/tasks"
OFFICIAL = Path(lm_eval.__file__).parent / "tasks"
COLUMNS = {"piqa/piqa": ("goal", "sol1", "sol2")}  # of tasks that are taken from the harness itself


def write_tasks(folder: Path, rows: Mapping[str, pa.Table], tokens: int) -> None:
    """Write a definition for the command, and its rows, for each task.

    Args:
        folder: Gets ``tasks/`` for ``--include_path`` and a Parquet file per task.
        rows: What ``workflow.lib.scoring.documents`` gives, by definition as ``piqa/piqa_goals``.
        tokens: Longest generated answer.
    """
    (folder / "tasks").mkdir(parents=True)
    for definition, table in rows.items():
        name = Path(definition).name
        own: dict[str, Any] = {"include": str(TASKS / f"{definition}.yaml"), "task": name}
        if definition in COLUMNS:
            own["include"] = str(OFFICIAL / f"{definition}.yaml")
            texts = [
                [q, *c] for q, c in zip(*(table[k].to_pylist() for k in ("question", "choices")), strict=True)
            ]
            for column, values in zip(COLUMNS[definition], zip(*texts, strict=True), strict=True):
                table = table.append_column(column, pa.array(values))
        pq.write_table(table, folder / f"{name}.parquet")
        own |= {"training_split": None, "validation_split": None, "test_split": "test"}
        own |= {"dataset_path": "parquet", "dataset_name": None}
        own |= {"dataset_kwargs": {"data_files": {"test": str(folder / f"{name}.parquet")}}}
        if "generate_until" in (TASKS / f"{definition}.yaml").read_text():
            own["generation_kwargs"] = {"until": [], "do_sample": False, "max_gen_toks": tokens}
        (folder / f"tasks/{name}.yaml").write_text(json.dumps(own))


def command(
    folder: Path, snapshot: Path, adapter: Path, names: Sequence[str], *, batch: int, chat: bool
) -> list[str]:
    """Return the command that scores one adapter on the tasks of ``write_tasks``, one thread on a CPU."""
    options = {
        "--model": "hf",
        "--model_args": f"pretrained={snapshot},peft={adapter},dtype=float32",
        "--tasks": ",".join(names),
        "--include_path": str(folder / "tasks"),
        "--output_path": str(folder / f"{'-'.join(adapter.parts[-2:])}.json"),
        **{"--device": "cpu", "--batch_size": str(batch)},
    }
    more = ["--apply_chat_template"] if chat else []
    return [sys.executable, "-m", "lm_eval", "run", "--log_samples", *chain(*options.items()), *more]


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of the command: ours on the path, and nothing from the hub."""
    own = {"HF_DATASETS_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **own, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def scored_by_command(folder: Path, adapter: Path) -> bool:
    """Return whether the command has scored an adapter."""
    return any(folder.glob(f"{'-'.join(adapter.parts[-2:])}_*.json"))


def found(folder: Path, adapter: Path) -> dict[str, Any]:
    """Return the scores of one adapter by task, as the command wrote them."""
    (path,) = folder.glob(f"{'-'.join(adapter.parts[-2:])}_*.json")
    return dict(json.loads(path.read_text())["results"])


def samples(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the log of one task, by problem, where the command ran once."""
    (path,) = folder.glob(f"samples_{name}_*.jsonl")
    return sorted(map(json.loads, path.read_text().splitlines()), key=lambda entry: int(entry["doc_id"]))
