"""IMDB reviews (Maas et al., ACL 2011) as texts to start prompts from.

``{"text": "A tight little thriller; …<br /><br />but the ending earns it.", "label": 1}``: 0 is negative,
1 positive, and -1 (the unsupervised files) nobody's judgement. The files are sorted by label.
"""

import re
from collections.abc import Iterator

from workflow.lib.datasets.raw import Row, Skipped, Source
from workflow.lib.records import Passage, group_id, problem_id

LABELS = {1: "positive", 0: "negative", -1: ""}
LINE_BREAK = re.compile(r"[ \t]*<br\s*/?>[ \t]*", re.IGNORECASE)


def review(row: Row, source: Source) -> Iterator[Passage | Skipped]:
    """Yield the passage of one review; its prompt ends where the last of its tokens does."""
    text = LINE_BREAK.sub("\n", row.text("text")).strip()
    if len(text) <= source.options["min_characters"]:
        yield Skipped(row.where, "shorter than min_characters")
        return
    _, end = source.encode(text).offsets[: source.options["prompt_tokens"]][-1]
    yield Passage(
        problem_id=problem_id(source.dataset, text),
        group_id=group_id(source.dataset, text),
        dataset=source.dataset,
        category="sentiment",
        rule="imdb",
        text=text,
        prompt=text[:end],
        answer=LABELS[row.one_of("label", list(LABELS))],
        source=row.where,
    )
