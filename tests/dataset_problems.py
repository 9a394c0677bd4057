"""Problems written by hand, as an adapter would make them."""

from collections.abc import Sequence

from workflow.lib.records import Problem, group_id, problem_id

YES_NO = ("yes", "no")


def asked(
    context: str,
    question: str,
    answer: str | None,
    choices: Sequence[str] = YES_NO,
    *,
    source: str = "a.json row 1",
    rule: str = "modus_tollens",
    instance: str = "",
    verifier: str = "gold",
) -> Problem:
    """Return one problem."""
    return Problem(
        problem_id=problem_id("d", context, question, *choices),
        group_id=group_id("d", context or question),
        dataset="d",
        category="propositional",
        rule=rule,
        context=context,
        question=question,
        choices=list(choices),
        answer=answer,
        verifier=verifier,
        instance=instance,
        planted="",
        source=source,
    )


def three_questions(number: int) -> list[Problem]:
    """Return the questions of one context: "yes" to the first, "no" to the others, of which one negates."""
    context = f"context {number}"
    source = f"a.json row {number} question"
    return [
        asked(context, f"does it rain in {number}", "yes", source=f"{source} 1"),
        asked(context, f"does it never rain in {number}", "no", source=f"{source} 2"),
        asked(context, f"does the sun shine in {number}", "no", source=f"{source} 3"),
    ]
