"""The verifiers by the names of the puzzles, and how much of a model's words each of them reads.

A verifier is a pure function ``(answer, instance) -> bool`` on the JSON ``instance`` of a puzzle. It looks
at the rules, never at one solution, where many are right. Whatever the answer, it ends soon: nothing is
evaluated as code and nothing is searched.
"""

from collections.abc import Callable

from workflow.lib.verifiers.arithmetic import countdown
from workflow.lib.verifiers.grids import kakurasu, mini_sudoku, survo
from workflow.lib.verifiers.logic import knights_knaves, propositional_logic
from workflow.lib.verifiers.orders import ordering
from workflow.lib.verifiers.single import choice, number, word

VERIFIERS: dict[str, Callable[[str, str], bool]] = {
    "aiw": number,
    "circuit_logic": number,
    "countdown": countdown,
    "course_schedule": choice,
    "family_relationships": word,
    "kakurasu": kakurasu,
    "knights_knaves": knights_knaves,
    "mini_sudoku": mini_sudoku,
    "ordering": ordering,
    "propositional_logic": propositional_logic,
    "self_reference": number,
    "survo": survo,
    "syllogism": choice,
    "zebra_puzzles": word,
}
IN_SYMBOLS = frozenset({"countdown", "propositional_logic"})  # brackets around the answer belong to it
IN_LINES = frozenset({"kakurasu", "knights_knaves", "mini_sudoku", "survo"})  # it may take several lines
