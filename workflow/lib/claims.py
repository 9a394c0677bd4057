"""What a yes/no question or a sentence claims, by its words alone: cheap, in English, often unable to tell.

A claim is its content words in their order and its number of negation cues. Two claims are opposites when
their content words are alike, one by one, and one has an odd number of cues more than the other. Left out,
because both could be true: claims with a condition or an alternative inside ("or", "if", "unless"), claims
under different conditions ("If Ann studies, does this imply that …"), and two claims about "some".

What it does not see: negation without a cue ("fails to", "unhappy", "stays away"), verbs that change their
root unlike those in ``IRREGULAR``, the same said in another order, who "she" is, and what in a sentence a
cue belongs to. Of the 91 pairs in three rules of LogicBench(Eval) and three of LogicBench(Aug) it finds all.
"""

import re
from dataclasses import dataclass
from itertools import pairwise


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


NEGATIONS = _set("not never no none nobody nothing neither false untrue incorrect")
NOBODY = _set("no none nobody nothing neither")
SOME = _set("some someone somebody something sometimes")
ALL = _set("all every everyone everybody everything always each")
OPEN = _set("or if unless either whether")  # nothing is claimed, or one of several
EMPTY = _set(
    """a an the this that these those it its he she they him her them his their i we you there is are was were
    be been being am do does did doing has have had having will would shall should can could may might must to
    of then so also thus hence therefore indeed any anyone anybody anything one ones"""
)
VERDICTS = _set("true false untrue incorrect correct valid follow hold entail imply")
ABOUT = _set(
    """statement claim conclusion hypothesis question sentence context premise from logically necessarily
    clearly here above given"""
)
IRREGULAR = dict(
    pair.split("/")
    for pair in _set(
        """ate/eat began/begin bought/buy broke/break brought/bring built/build came/come caught/catch
        chose/choose drank/drink drew/draw drove/drive fell/fall felt/feel flew/fly found/find
        gave/give goes/go gone/go got/get grew/grow heard/hear held/hold kept/keep knew/know left/leave
        lost/lose made/make met/meet paid/pay ran/run rode/ride rose/rise said/say sang/sing saw/see
        sent/send slept/sleep sold/sell spent/spend spoke/speak swam/swim taught/teach told/tell
        took/take thought/think went/go won/win wore/wear wrote/write"""
    )
)
ENDINGS = ("ing", "ies", "ed", "es", "s", "e", "y")
SHORTEST = 3  # letters that stay of a word without its ending, or that two like words share
ALIKE = 0.6  # share of the longer word that two like words must have in common from their start
CONTRACTED = (("can't", "can not"), ("cannot", "can not"), ("won't", "will not"), ("n't", " not"))
CLAUSE = re.compile(r"[,;:—]|\b(?:so|therefore|thus|hence|because|since|but|which means)\b")


@dataclass(frozen=True)
class Claim:
    """What is claimed, under what condition."""

    words: tuple[str, ...]  # stems of the content words, in order
    negated: bool  # the number of negation cues is odd
    some: bool  # about "some", or "not all"
    quantified: bool  # about some, all or nobody
    open: bool  # with a condition or an alternative inside
    condition: tuple[tuple[str, ...], bool]  # stems before the claim, and whether they are negated


def tokens(text: str) -> list[str]:
    """Return the words of ``text`` in lower case, with "didn't" as "did not"."""
    plain = text.casefold().replace("’", "'")
    for written, meant in CONTRACTED:
        plain = plain.replace(written, meant)
    return re.findall(r"\w+", plain)


def stem(word: str) -> str:
    """Return ``word`` without its last ending, where enough of it stays: "rides", "ride", "rode" → "rid"."""
    word = IRREGULAR.get(word, word)
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) >= len(ending) + SHORTEST:
            return word.removesuffix(ending)
    return word


_VERDICTS, _ABOUT = frozenset(map(stem, VERDICTS)), frozenset(map(stem, ABOUT))


def content(words: list[str]) -> tuple[str, ...]:
    """Return the stems of the words that say something but negation and quantity, in order."""
    return tuple(stem(w) for w in words if w not in EMPTY | NEGATIONS | SOME | ALL)


def negated(words: list[str]) -> bool:
    """Return whether the number of negation cues among ``words`` is odd."""
    return sum(word in NEGATIONS for word in words) % 2 == 1


def claim_of(text: str) -> Claim:
    """Return what the question or the sentence ``text`` claims.

    The claim starts after the first "that", if there is one: "Does this imply that …?". What stands before
    the last comma of the words before it is its condition; a cue behind that comma ("is it false that")
    belongs to the claim.
    """
    head, that, clause = text.partition(" that ")
    if not that:
        head, clause = "", text
    before, _, asked = head.rpartition(",")
    said = tokens(clause)
    not_all = any(a == "not" and b in ALL for a, b in pairwise(said))
    some = bool(SOME & set(said)) or not_all
    return Claim(
        words=content(said),
        negated=negated(tokens(asked) + said),
        some=some,
        quantified=some or bool((ALL | NOBODY) & set(said)),
        open=bool(OPEN & set(said)) or "at least" in clause.casefold(),
        condition=(content(tokens(before)), negated(tokens(before))),
    )


def alike(one: str, other: str) -> bool:
    """Return whether two stems start alike: "forget" and "forgot"."""
    shared = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    common = min(len(one), len(other)) if shared is None else shared
    return one == other or common >= max(SHORTEST, ALIKE * max(len(one), len(other)))


def covers(words: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Return whether the ``wanted`` stems, or their like, are among ``words`` in this order."""
    left = iter(words)
    return all(any(alike(word, other) for other in left) for word in wanted)


def opposites(one: Claim, other: Claim) -> bool:
    """Return whether ``one`` and ``other`` cannot both be true: see the head of this module."""
    if one.open or other.open or (one.some and other.some) or one.condition != other.condition:
        return False
    same = 0 < len(one.words) == len(other.words) and covers(one.words, other.words)
    return same and one.negated != other.negated


def answer_in(step: str, claim: Claim) -> str | None:
    """Return the answer to the question ``claim`` that a sentence comes to, "yes" or "no", if one can tell.

    Its clauses are looked at from the last to the first. One that has all content words of
    the claim, in their order, says "yes" where both or neither are negated, and "no" otherwise; about
    "someone" or "no one" a denial counts only with "no one" or its like. One that speaks of nothing but
    truth ("it does not follow") says so. A sentence with "if" or "or" tells nothing.
    """
    if OPEN & set(tokens(step)):
        return None
    for clause in reversed(CLAUSE.split(step.casefold())):
        words = tokens(clause)
        stems, denies = content(words), negated(words)
        if words in (["yes"], ["no"]):
            return words[0]
        if claim.words and covers(stems, claim.words):
            if claim.quantified and denies and not NOBODY & set(words):
                return None
            return "yes" if denies == claim.negated else "no"
        spoken = {*stems, *(stem(word) for word in words if word in NEGATIONS)}
        if spoken & _VERDICTS and set(stems) <= _VERDICTS | _ABOUT:
            return "no" if denies else "yes"
    return None
