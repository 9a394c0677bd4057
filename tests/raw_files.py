"""Raw files that tests write, and the records that an adapter makes of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from workflow.lib.answers import judge
from workflow.lib.datasets.raw import Skipped, Source
from workflow.lib.datasets.registry import ADAPTERS
from workflow.lib.records import Problem, Record

SHARED = Path(__file__).parents[2] / "shared/data"


def write(folder: Path, name: str, *rows: object, text: str | None = None) -> None:
    """Write ``rows`` as JSON Lines, or ``text`` as it is, into the file ``name`` below ``folder``."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows) if text is None else text)


def read(
    adapter: str, folder: Path, options: Mapping[str, Any] | None = None, tokenizer: Tokenizer | None = None
) -> list[Record | Skipped]:
    """Return all that an adapter makes of the files below ``folder``, for a dataset named "d"."""
    source = Source(folder, "d", "source", options or {}, tokenizer)
    chosen = ADAPTERS[adapter]
    return [record for row in chosen.rows(source) for record in chosen.records(row, source)]


def accepted(problem: Problem) -> bool:
    """Return whether our own scorer takes the gold answer of ``problem`` for right."""
    text, about = f"The answer is {problem.answer}", vars(problem)
    return judge(text, **{key: about[key] for key in ("choices", "answer", "verifier", "instance")}).right
