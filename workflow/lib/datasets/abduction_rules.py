"""AbductionRules (Young et al., Findings of ACL 2022) in the authors' files.

``Abduction-Person/test.jsonl``: ``{"id": "Abduction-Person-1885", "context": "Anne is dull. …",
"questions": [{"text": "Fiona is huge.", "label": "Fiona is big.", "QCat": "0"}]}``. Every observation
stands there again in the negative (``QCat`` "0_0") with the same explanation: a rule name of its own.
"""

from collections.abc import Iterator

from workflow.lib.datasets.raw import Row, Source
from workflow.lib.records import Problem, group_id, problem_id

VARIANTS = {"0": "", "0_0": "_negated"}


def observations(row: Row, source: Source) -> Iterator[Problem]:
    """Yield a problem per observation: which fact would explain it?"""
    context = row.text("context")
    part = row.text("id").rpartition("-")[0].casefold().replace("-", "_")  # abduction_person
    for asked in row.parts("questions", "question"):
        question = f"Which fact would explain this observation: {asked.text('text')}"
        yield Problem(
            problem_id=problem_id(source.dataset, context, question),
            group_id=group_id(source.dataset, context),
            dataset=source.dataset,
            category="abductive",
            rule=part + VARIANTS[asked.one_of("QCat", list(VARIANTS))],
            context=context,
            question=question,
            choices=[],
            answer=asked.text("label"),
            verifier="gold",
            instance="",
            planted="",
            source=asked.where,
        )
