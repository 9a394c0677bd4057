"""FOLIO v0.0 (Han et al., arXiv 2209.00840) in the authors' files.

``folio-train.jsonl``: ``{"story_id": 69, "premises": ["…", "…"], "conclusion": "…", "label": "Unknown", …}``;
``folio-validation.jsonl`` has no ids and calls the same label "Uncertain". What the file calls it stays in
``instance``, so that it can be counted.
"""

import json
from collections.abc import Iterator

from workflow.lib.datasets.raw import Row, Source
from workflow.lib.errors import DataError, problem
from workflow.lib.records import Problem, group_id, problem_id

LABELS = {"True": "true", "False": "false", "Unknown": "uncertain", "Uncertain": "uncertain"}


def conclusion(row: Row, source: Source) -> Iterator[Problem]:
    """Yield the problem of one conclusion; conclusions of one story share a group."""
    premises = [premise for premise in row.texts("premises") if premise]
    if not premises:
        fix, expected = "mend or drop the row", "a text with words at least"
        raise DataError(problem(row.where, "premises", expected=expected, found=premises, fix=fix))
    context, label = " ".join(premises), row.one_of("label", list(LABELS))
    question = f"Is this conclusion true, false or uncertain? {row.text('conclusion')}"
    story = f"story {row.whole('story_id')}" if "story_id" in row.fields else context
    yield Problem(
        problem_id=problem_id(source.dataset, context, question),
        group_id=group_id(source.dataset, story),
        dataset=source.dataset,
        category="first_order",
        rule="folio",
        context=context,
        question=question,
        choices=["true", "false", "uncertain"],
        answer=LABELS[label],
        verifier="gold",
        instance=json.dumps({"label": label}),
        planted="",
        source=row.where,
    )
