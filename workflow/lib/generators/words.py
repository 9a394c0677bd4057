"""The small world of the generated problems: people, what they do, and how to say it."""

from dataclasses import dataclass, replace

from workflow.lib.generators.semantics import Formula

NAMES = (
    *("Ann", "Ben", "Cid", "Dan", "Eve", "Fay", "Gus", "Hal", "Ida", "Jon"),
    *("Kim", "Lee", "Max", "Ned", "Oli", "Pam", "Ray", "Sue", "Tom", "Una"),
)
ACTIVITIES = {  # what one does to what: the third person is the verb with an s
    **{"bread": "bake", "chess": "play", "songs": "sing", "maps": "draw", "boats": "row"},
    **{"cars": "wash", "trees": "climb", "hats": "knit", "coins": "collect", "plants": "water"},
    **{"books": "read", "tea": "drink", "kites": "build", "horses": "ride", "walls": "paint"},
    **{"shirts": "sew", "fish": "feed", "pots": "fill", "stones": "lift", "letters": "write"},
}
RELATIONS = ("teaches", "helps", "calls", "meets", "trusts", "follows")


def third(verb: str) -> str:
    """Return the third person of ``verb``."""
    return verb + ("es" if verb.endswith("sh") else "s")


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
        """The predicate in the singular: "bakes bread", "does not bake bread"."""
        verb = ACTIVITIES[self.what]
        return f"{third(verb)} {self.what}" if self.positive else f"does not {verb} {self.what}"

    @property
    def doing(self) -> str:
        """The predicate in the plural: "bake bread", "do not bake bread"."""
        verb = ACTIVITIES[self.what]
        return f"{verb} {self.what}" if self.positive else f"do not {verb} {self.what}"

    def __str__(self) -> str:
        """The clause: "Tom bakes bread"."""
        return f"{self.who} {self.done}"
