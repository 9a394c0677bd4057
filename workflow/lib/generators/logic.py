"""Logic problems with yes/no questions, in the file format of LogicBench(Eval) BQA.

Four families: propositional, first-order, non-monotonic and analogical. A problem is drawn from a rule
(1 to 4 steps, negations, sentences that do not matter, several ways of saying it) and labelled by looking
at every model of its sentences, never by the way it was drawn: "yes" if the question holds in every
preferred model, "no" if in none. A planted ambiguous problem lacks one sentence: its models disagree, and
its recorded answers are arbitrary. A planted mislabelled one is settled, and its recorded answer is the
other one.
"""

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from workflow.lib.files import write_json, write_jsonl
from workflow.lib.generators.flips import NONE, Flips, flip
from workflow.lib.generators.rules import RULES
from workflow.lib.generators.semantics import verdict
from workflow.lib.generators.spaces import for_datasets

ASKED = ("Does this imply that {}?", "Is it true that {}?", "Can we conclude that {}?")
STEPS, STEP_WEIGHTS = (1, 2, 3, 4), (24, 3, 1, 1)
NOISE = 0.12  # share of the problems with a sentence that does not matter


@dataclass(frozen=True)
class LogicProblem:
    """A context with two questions; ``verdicts`` are the models' (``None``: they disagree)."""

    context: str
    questions: list[str]
    verdicts: list[bool | None]
    proofs: list[str]


def draw(rng: Random, rule: tuple[str, str], steps: int, planted: bool = False) -> LogicProblem:
    """Return a problem of ``rule``; ``planted`` leaves one sentence out so that nothing is settled."""
    while True:
        draft = RULES[rule](rng, steps)
        noise = [rng.choice(draft.noise)] if rng.random() < NOISE else []
        sentences = draft.sentences + noise
        if planted:
            sentences.pop(rng.randrange(len(draft.sentences)))
        premises = [*draft.given, *(meaning for _, meaning in sentences)]
        verdicts = [verdict(premises, query.meaning) for query in draft.queries]
        if not planted and sorted(map(str, verdicts)) != ["False", "True"]:
            raise ValueError(f"rule {rule}: expected one yes and one no, found {verdicts}: {sentences}")
        if not planted or verdicts == [None, None]:
            break
    rng.shuffle(sentences)
    order = rng.sample((0, 1), 2)
    return LogicProblem(
        context=" ".join(text for text, _ in sentences),
        questions=[rng.choice(ASKED).format(draft.queries[i].clause) for i in order],
        verdicts=[verdicts[i] for i in order],
        proofs=[draft.queries[i].proof for i in order],
    )


def write(folder: Path, seed: int, size: int, ambiguous: float, flips: Flips = NONE) -> None:
    """Write about ``size`` questions, two for a context, of which a share ``ambiguous`` settles nothing.

    The texts are the same whatever ``flips`` says: only recorded answers of settled questions change.
    """
    rng = Random(seed)
    count = size // 2
    planted = set(rng.sample(range(count), round(ambiguous * count)))
    contexts: set[str] = set()
    samples: dict[tuple[str, str], list[dict[str, Any]]] = {rule: [] for rule in RULES}
    settled: list[dict[str, Any]] = []
    marks: list[dict[str, str]] = []
    for i in range(count):
        rule = list(RULES)[i % len(RULES)]
        steps = rng.choices(STEPS, STEP_WEIGHTS)[0]
        problem = draw(rng, rule, steps, planted=i in planted)
        while problem.context in contexts or not for_datasets(problem.context):
            problem = draw(rng, rule, steps, planted=i in planted)
        contexts.add(problem.context)
        arbitrary = rng.sample(("yes", "no"), 2)
        answers = arbitrary if i in planted else ["yes" if v else "no" for v in problem.verdicts]
        asked = [{"question": q, "answer": a} for q, a in zip(problem.questions, answers, strict=True)]
        samples[rule].append({"id": len(samples[rule]) + 1, "context": problem.context, "qa_pairs": asked})
        if i in planted:
            marks += [
                {"context": problem.context, "question": q, "planted": "ambiguous"} for q in problem.questions
            ]
        else:
            settled.append(samples[rule][-1])
    marks += flip(settled, flips, seed)
    for (family, name), rows in samples.items():
        path = folder / "data" / "LogicBench(Eval)" / "BQA" / family / name / "data_instances.json"
        write_json(path, {"type": family, "axiom": name, "samples": rows})
    write_jsonl(folder / "planted.jsonl", marks)
