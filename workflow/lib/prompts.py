"""Prompt files: the text of the user turn, rendered from a problem in a sandbox.

A prompt file sees only ``context``, ``question`` and ``choices``: never the gold answer. Its text is
data for the model; the model's chat template puts the turn marks around it (see ``workflow.lib.chat``).
"""

from pathlib import Path
from typing import Protocol

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from workflow.lib.errors import DataError


class Asked(Protocol):
    """What a prompt file may see of a problem."""

    @property
    def context(self) -> str: ...  # noqa: D102
    @property
    def question(self) -> str: ...  # noqa: D102
    @property
    def choices(self) -> list[str]: ...  # noqa: D102


class PromptFile:
    """A prompt template read from ``path``; ``name`` is the file's stem."""

    def __init__(self, path: str | Path) -> None:
        """Read and compile the template; a syntax error names the file."""
        self.path = Path(path)
        self.name = self.path.stem
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        try:
            self._template = environment.from_string(self.path.read_text(encoding="utf-8"))
        except TemplateError as error:
            raise DataError(f"{path}: not a prompt template: {error}. Fix: mend the file.") from error

    def render(self, problem: Asked) -> str:
        """Return the user turn that asks ``problem``, without surrounding white space."""
        try:
            return self._template.render(
                context=problem.context, question=problem.question, choices=list(problem.choices)
            ).strip()
        except TemplateError as error:
            raise DataError(
                f"{self.path}: {error}. Expected only context, question and choices to be used."
            ) from error
