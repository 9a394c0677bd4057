"""The small world of the generated problems: people, what they do, and how to say it."""

from dataclasses import dataclass, replace

from workflow.lib.generators.semantics import Formula

NAMES = ("Ann", "Ben", "Dan", "Eve", "Gus", "Ida", "Jon", "Kim", "Max", "Pam", "Sue", "Tom")
ACTIVITIES = (
    "bakes",
    "climbs",
    "dances",
    "draws",
    "fishes",
    "hikes",
    "paints",
    "reads",
    "rides",
    "runs",
    "sings",
    "swims",
)
RELATIONS = ("teaches", "helps", "calls", "meets", "trusts", "follows")


@dataclass(frozen=True)
class Literal:
    """That somebody does something, or does not."""

    who: str
    what: str
    positive: bool

    @property
    def opposite(self) -> "Literal":
        """The same with the other sign."""
        return replace(self, positive=not self.positive)

    def of(self, who: str) -> "Literal":
        """Return the same of somebody else."""
        return replace(self, who=who)

    @property
    def formula(self) -> Formula:
        """The literal as a formula."""
        atom = ("atom", self.who, self.what)
        return atom if self.positive else ("not", atom)

    @property
    def done(self) -> str:
        """The predicate: "bakes", "never bakes"."""
        return self.what if self.positive else f"never {self.what}"

    @property
    def sign(self) -> str:
        """The sign as a word."""
        return "does" if self.positive else "never"

    def __str__(self) -> str:
        """The clause: "Tom bakes"."""
        return f"{self.who} {self.done}"
