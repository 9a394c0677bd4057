"""LogicBench (Parmar et al., ACL 2024, arXiv 2404.15522): BQA and MCQA of Eval, and Aug.

BQA: ``{"type": "propositional_logic", "axiom": "modus_tollens", "samples": [{"id": 1, "context": "Liam …",
"qa_pairs": [{"question": "Does this imply that …?", "answer": "yes"}]}]}``; Aug has ``data_samples``
without ids, and its own names for three rules. MCQA asks about the same contexts: a sample has ``question``,
``"choices": {"choice_1": "…", …}`` and ``"answer": "choice_1"``. No record says which question of its context
it was: the first is nearly always "yes".
"""

from collections.abc import Iterator

from workflow.lib.answers import read_alike
from workflow.lib.datasets.raw import Row, Skipped, Source, json_file
from workflow.lib.records import Problem, group_id, problem_id

FAMILIES = {
    "propositional_logic": "propositional",
    "first_order_logic": "first_order",
    "non_monotonic_logic": "non_monotonic",
    "nm_logic": "non_monotonic",
    "analogical_logic": "analogical",  # of our own generator; LogicBench has none
}
AUG_NAMES = {
    "constructive_dillema": "constructive_dilemma",
    "destructive_dillema": "destructive_dilemma",
    "existential_instantiation": "existential_generalization",
}


def contexts(source: Source) -> Iterator[Row]:
    """Yield every context of every ``data_instances.json``, with its family and rule."""
    for path in sorted(source.folder.rglob("data_instances.json")):
        file = json_file(path, source.folder)
        family = FAMILIES[file.one_of("type", list(FAMILIES))]
        axiom = file.text("axiom")
        key = "samples" if "samples" in file.fields else "data_samples"
        about = {"family": family, "rule": AUG_NAMES.get(axiom, axiom)}
        for sample in file.parts(key, "row"):
            yield Row(sample.where, {**sample.fields, **about})


def yes_no_questions(row: Row, source: Source) -> Iterator[Problem]:
    """Yield a problem per question of a context."""
    context = row.text("context")
    for pair in row.parts("qa_pairs", "question"):
        question = pair.text("question")
        yield Problem(
            problem_id=problem_id(source.dataset, context, question),
            group_id=group_id(source.dataset, context),
            dataset=source.dataset,
            category=row.text("family"),
            rule=row.text("rule"),
            context=context,
            question=question,
            choices=["yes", "no"],
            answer=pair.one_of("answer", ["yes", "no"]),
            verifier="gold",
            instance="",
            planted="",
            source=pair.where,
        )


def choice_question(row: Row, source: Source) -> Iterator[Problem | Skipped]:
    """Yield the problem of a context's one question; a choice without words is no choice."""
    context, question, offered = row.text("context"), row.text("question"), row.part("choices")
    names = [f"choice_{number}" for number in range(1, len(offered.fields) + 1)]
    texts = {name: offered.text(name) for name in names if offered.fields.get(name) != ""}
    choices, answer = list(texts.values()), texts[row.one_of("answer", list(texts))]
    if read_alike(choices):
        yield Skipped(row.where, "two choices read the same")
        return
    yield Problem(
        problem_id=problem_id(source.dataset, context, question, *choices),
        group_id=group_id(source.dataset, context),
        dataset=source.dataset,
        category=row.text("family"),
        rule=row.text("rule"),
        context=context,
        question=question,
        choices=choices,
        answer=answer,
        verifier="gold",
        instance="",
        planted="",
        source=row.where,
    )
