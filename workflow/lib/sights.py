"""What a prompt file says that it shows of a problem, and who may be shown it.

The first line of a prompt file may be a comment ``{# sees: context question choices rule #}``; without it
the file sees ``STUDENT``. What it does not declare it cannot reach, and what it may not see stops the study.
"""

import re

STUDENT = ("context", "question", "choices")  # also what a prompt file without a header sees
TEACHER = (*STUDENT, "rule", "category", "examples")  # examples are solved problems of train
HINTED = (*TEACHER, "answer")  # gold: only for problems of train that failed, see ``workflow.lib.hints``
JUDGE = (*STUDENT, "steps", "stated")  # one rationale, see ``workflow.lib.opinions``
COMPARER = (*STUDENT, "first", "second")  # two rationales of one problem
RIVALS = ("asked", "first", "second")  # two answers to one user turn, see ``workflow.lib.duels``
MUST_SEE = {
    HINTED: ("answer",),
    JUDGE: ("steps", "stated"),
    COMPARER: ("first", "second"),
    RIVALS: ("first", "second"),
}

HEADER = re.compile(r"\A\s*\{#-?\s*sees:(?P<names>[^#}]*?)-?#\}")


def sights_of(text: str) -> tuple[str, ...]:
    """Return the names that the prompt file with this text declares in its header."""
    header = HEADER.match(text)
    return tuple(dict.fromkeys(header["names"].split())) if header else STUDENT
