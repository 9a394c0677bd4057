"""Prompt files: the text of the user turn, rendered from a problem in a sandbox.

A prompt file sees what its header declares (``workflow.lib.sights``), and a file that declares more than its
reader may be shown is refused: a student's prompt never has a rule, an example or the gold answer. Its text
is data for the model; the model's chat template puts the turn marks around it (see ``workflow.lib.chat``).
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Protocol

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from workflow.lib.errors import DataError, problem
from workflow.lib.examples import Example
from workflow.lib.sights import STUDENT, sights_of


class Asked(Protocol):
    """What every prompt file may see of a problem; one that sees more is given a whole ``Problem``."""

    @property
    def context(self) -> str: ...  # noqa: D102
    @property
    def question(self) -> str: ...  # noqa: D102
    @property
    def choices(self) -> list[str]: ...  # noqa: D102


class Rivals(Protocol):
    """Two answers to one user turn."""

    @property
    def asked(self) -> str: ...  # noqa: D102
    @property
    def first(self) -> str: ...  # noqa: D102
    @property
    def second(self) -> str: ...  # noqa: D102


Solved = Callable[[Any], Sequence[Example]]  # from a problem to the solved examples to show with it


def _in_words(name: str) -> Callable[[Any], str]:
    """Return a reader of the field ``name`` as words: ``modus_tollens`` is "modus tollens"."""
    return lambda asked: str(getattr(asked, name)).replace("_", " ")


SHOWN: dict[str, Callable[[Any], object]] = {
    "context": attrgetter("context"),
    "question": attrgetter("question"),
    "choices": lambda asked: list(asked.choices),
    "rule": _in_words("rule"),
    "category": _in_words("category"),
    "answer": attrgetter("answer"),
    **{name: attrgetter(name) for name in ("steps", "stated", "first", "second")},  # of rationales
    "asked": attrgetter("asked"),
}


class PromptFile:
    """A prompt template read from ``path``; ``name`` is the file's stem, ``sees`` what it shows."""

    def __init__(
        self, path: str | Path, may_see: Sequence[str] = STUDENT, solved: Solved | None = None
    ) -> None:
        """Read and compile the template; an error names the file.

        Args:
            path: The file.
            may_see: Names that its reader may be shown; a file that declares another one is refused.
            solved: What gives the examples for a problem, where ``may_see`` has them.
        """
        self.path = Path(path)
        self.name = self.path.stem
        text = self.path.read_text(encoding="utf-8")
        self.sees = sights_of(text)
        hidden = [name for name in self.sees if name not in may_see]
        if hidden:
            raise DataError(
                problem(
                    str(path),
                    "sees",
                    expected=f"only {', '.join(may_see)} here",
                    found=", ".join(hidden),
                    fix="correct the header of the file, or name another prompt in the config",
                )
            )
        self._shown = {**SHOWN, "examples": solved} if solved else SHOWN
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        try:
            self._template = environment.from_string(text)
        except TemplateError as error:
            raise DataError(f"{path}: not a prompt template: {error}. Fix: mend the file.") from error

    def render(self, asked: Asked | Rivals) -> str:
        """Return the user turn that asks a problem, or about answers, without surrounding white space."""
        shown = {name: self._shown[name](asked) for name in self.sees}
        try:
            return self._template.render(shown).strip()
        except TemplateError as error:
            raise DataError(
                f"{self.path}: {error}. Expected only {', '.join(self.sees)} to be used. "
                "Fix: mend the file, or declare what it sees in its first line: docs/prompts.md."
            ) from error
