"""LogicBench yes/no questions (Parmar et al., ACL 2024, arXiv 2404.15522), Eval and Aug.

``{"type": "propositional_logic", "axiom": "modus_tollens", "samples": [{"id": 1, "context": "Liam …",
"qa_pairs": [{"question": "Does this imply that …?", "answer": "yes"}]}]}``; Aug has ``data_samples``
without ids, and its own names for three rules.
"""

from collections.abc import Iterator
from pathlib import Path

from workflow.lib.datasets.raw import Row, json_file
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


def logicbench_bqa(root: Path, dataset: str) -> Iterator[Problem]:
    """Yield a problem per question of every ``data_instances.json`` below ``root``."""
    for path in sorted(root.rglob("data_instances.json")):
        file = json_file(path, root)
        family = FAMILIES[file.one_of("type", list(FAMILIES))]
        axiom = file.text("axiom")
        key = "samples" if "samples" in file.fields else "data_samples"
        for number, fields in enumerate(file.items(key), start=1):
            sample = Row(f"{file.where} row {number}", fields)
            yield from _questions(sample, dataset, family, AUG_NAMES.get(axiom, axiom))


def _questions(sample: Row, dataset: str, family: str, rule: str) -> Iterator[Problem]:
    context = sample.text("context")
    for number, fields in enumerate(sample.items("qa_pairs"), start=1):
        pair = Row(f"{sample.where} question {number}", fields)
        question = pair.text("question")
        yield Problem(
            problem_id=problem_id(dataset, pair.where, context, question),
            group_id=group_id(dataset, context),
            dataset=dataset,
            category=family,
            rule=rule,
            context=context,
            question=question,
            choices=["yes", "no"],
            answer=pair.one_of("answer", ["yes", "no"]),
            verifier="gold",
            instance="",
            planted="",
            source=pair.where,
        )
