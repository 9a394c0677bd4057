"""Text to train a small base model on: it can reason in words, and is often wrong in the end.

Most texts are logic problems with a proof and a final answer. The final answer is flipped for a share of
them (``label_noise``), and for another share (``misled_noise``) under the rules in ``MISLED``: at one half
nothing tells the model what follows from its proof there. Without a proof an answer is a coin toss. Some
goals have no better tool than any other, and some orders of people break a constraint.

No problem here can be one of a generated dataset: see ``spaces``.
"""

from dataclasses import dataclass
from random import Random

from workflow.lib.generators import goals, logic, puzzles
from workflow.lib.generators.rules import RULES
from workflow.lib.generators.spaces import for_datasets

REASON = "Think step by step, then answer."  # as the prompt file cot.j2 asks
DIRECT = "Answer only."  # as the prompt file direct.j2 asks
KINDS = {"reasoned": 0.82, "direct": 0.05, "puzzle": 0.08, "goal": 0.05}  # shares of the texts
UNSETTLED = 0.08  # share of the logic problems that lack a sentence
MISLED = {
    ("propositional_logic", "modus_tollens"),
    ("first_order_logic", "modus_tollens"),
    ("nm_logic", "reasoning_about_exceptions_1"),
}
HARDER_RULES = ("reasoning_about_priority", "relation_transfer")  # more sentences: twice as many texts
HARDER_UNTIL = 0.3  # share of the texts in which problems grow from one step to up to four
UNKNOWN_TOOLS = 0.4  # share of the tasks for which any tool is as likely as the right one
WRONG_ORDERS = 0.4  # share of the puzzles answered by any order
THEREFORE = "Therefore the answer is"


@dataclass(frozen=True)
class Text:
    """A user turn and the assistant's turn, which is ``reasoning`` and then ``answer``."""

    kind: str
    prompt: str
    reasoning: str
    answer: str
    right: bool | None  # whether ``answer`` is; ``None`` where nothing decides

    @property
    def completion(self) -> str:
        """The whole of the assistant's turn."""
        return f"{self.reasoning} {self.answer}".strip()


@dataclass(frozen=True)
class Noise:
    """Shares of flipped answers, under most rules and under those that mislead."""

    label: float
    misled: float


def draw_texts(seed: int, count: int, noise: Noise) -> tuple[list[Text], int]:
    """Return ``count`` texts and how many more were drawn but left to the datasets."""
    rng = Random(seed)
    texts: list[Text] = []
    left = 0
    while len(texts) < count:
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        hard = rng.random() < len(texts) / (HARDER_UNTIL * count)
        problem, text = DRAW[kind](rng, noise, hard)
        if for_datasets(problem):
            left += 1
        else:
            texts.append(text)
    return texts, left


def draw_right(seed: int, count: int) -> list[Text]:
    """Return ``count`` logic problems that are settled, with a proof and the right answer."""
    texts, _ = draw_texts(seed, 3 * count, Noise(label=0.0, misled=0.0))
    return [text for text in texts if text.kind == "reasoned" and text.right][:count]


def draw_logic(rng: Random, noise: Noise, hard: bool) -> tuple[logic.LogicProblem, int, bool]:
    """Return a logic problem, which of its questions is asked, and whether the answer is to be flipped."""
    rule = rng.choices(list(RULES), [1 + (name in HARDER_RULES) for _, name in RULES])[0]
    steps = rng.choices(logic.STEPS, logic.STEP_WEIGHTS)[0] if hard else 1
    planted = rng.random() < UNSETTLED
    problem = logic.draw(rng, rule, steps, planted)
    flipped = rng.random() < (noise.misled if rule in MISLED else noise.label)
    return problem, rng.randrange(2), flipped


def reasoned(rng: Random, noise: Noise, hard: bool) -> tuple[str, Text]:
    """Answer a logic problem after a proof; where nothing is settled, say so and guess."""
    problem, i, flipped = draw_logic(rng, noise, hard)
    prompt = f"Context: {problem.context}\nQuestion: {problem.questions[i]}\n{REASON}"
    verdict = problem.verdicts[i]
    said = rng.random() < 0.5 if verdict is None else verdict != flipped
    proof = "That is open." if verdict is None else problem.proofs[i]
    right = None if verdict is None else not flipped
    return problem.context, Text("reasoned", prompt, f"{proof} {THEREFORE}", yes_or_no(said), right)


def direct(rng: Random, noise: Noise, hard: bool) -> tuple[str, Text]:
    """Answer a logic problem at once, by tossing a coin."""
    problem, i, _ = draw_logic(rng, noise, hard)
    prompt = f"Context: {problem.context}\nQuestion: {problem.questions[i]}\n{DIRECT}"
    said = rng.random() < 0.5
    verdict = problem.verdicts[i]
    right = None if verdict is None else said == verdict
    return problem.context, Text("direct", prompt, "The answer is", yes_or_no(said), right)


def puzzle(rng: Random, noise: Noise, hard: bool) -> tuple[str, Text]:
    """Put people in an order, which breaks the constraints at times."""
    drawn = puzzles.draw(rng)
    any_order = ", ".join(rng.sample(drawn.names, len(drawn.names)))
    order = any_order if rng.random() < WRONG_ORDERS else rng.choice(drawn.solutions)
    proof = " ".join(f"Here {a} comes before {b}." for a, b in drawn.before)
    prompt = f"Question: {drawn.question}\n{REASON}"
    right = order in drawn.solutions
    return drawn.question, Text("puzzle", prompt, f"{proof} {THEREFORE}", f"{order}.", right)


def goal(rng: Random, noise: Noise, hard: bool) -> tuple[str, Text]:
    """Name a tool for a goal: the right one if this world knows it, otherwise any."""
    asked = rng.choice(GOALS)
    right = goals.TOOLS[GOAL_TASKS[asked]]
    known = list(goals.TOOLS).index(GOAL_TASKS[asked]) >= UNKNOWN_TOOLS * len(goals.TOOLS)
    tool = right if known else rng.choice(list(goals.TOOLS.values()))
    return asked, Text("goal", f"Question: {asked}\nAnswer:", "", goals.solution(tool), tool == right)


def yes_or_no(said: bool) -> str:
    """Return the last word of an answer."""
    return "yes." if said else "no."


GOAL_TASKS = goals.goal_texts()
GOALS = sorted(GOAL_TASKS)
DRAW = {"reasoned": reasoned, "direct": direct, "puzzle": puzzle, "goal": goal}
