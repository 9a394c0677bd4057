"""What a response is worth: the weighted sum of a study's rewards, each a kind in ``KINDS``.

A kind is a function from its settings and what is at hand to a scorer, which scores responses. Adapters read
tokens on the shared base; classifiers and answer checks read text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from workflow.lib.answers import judge
from workflow.lib.chat import render, token_ids
from workflow.lib.classifiers import Classifier
from workflow.lib.errors import DataError
from workflow.lib.families import classifiers_of, scorers_of
from workflow.lib.records import Prompt
from workflow.lib.rollouts import Crew
from workflow.lib.training import Job


@dataclass(frozen=True)
class Special:
    """The tokens that mean something: ``tail`` is what the chat template puts after EOS."""

    eos: int
    pad: int
    tail: list[int]


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> Special:
    """Return EOS, the padding, and what the template puts after the EOS that closes an answer."""
    ids = token_ids(tokenizer, render(tokenizer, "Is it so?", "It is."))
    after = len(ids) - ids[::-1].index(tokenizer.eos_token_id)
    return Special(tokenizer.eos_token_id, tokenizer.pad_token_id, ids[after:])


@dataclass(frozen=True)
class Asked:
    """One prompt as tokens, with the row it came from."""

    ids: list[int]
    row: Prompt


@dataclass(frozen=True)
class Episode:
    """One prompt with one sampled response."""

    asked: Asked
    response: list[int]  # EOS included where it came in time

    def closed(self, special: Special) -> list[int]:
        """Return the conversation as reward models are trained on it: closed, and as the template ends."""
        end = [] if self.response[-1] == special.eos else [special.eos]
        return self.asked.ids + self.response + end + special.tail


Scorer = Callable[[Sequence[Episode]], Tensor]  # B responses → their scores, (B,)


@dataclass(frozen=True)
class Means:
    """What scorers are made from."""

    crew: Crew
    tokenizer: PreTrainedTokenizerBase  # of the policy
    special: Special
    adapters: Mapping[str, Sequence[str]]  # [safetensors, config] of each reward method that is named
    snapshots: Mapping[str, str]  # folder of each classifier that is named
    hardware: Mapping[str, Any]


def adapter(about: Mapping[str, Any], means: Means) -> Scorer:
    """Return the scorer of a trained reward model, an adapter on the policy's own base."""
    name, special = means.crew.add_reward(means.adapters[about["method"]]), means.special
    return lambda episodes: means.crew.scores(name, [e.closed(special) for e in episodes], special.pad)


def classifier(about: Mapping[str, Any], means: Means) -> Scorer:
    """Return the scorer of a sequence classifier, which reads the decoded text with its own tokenizer."""
    model = Classifier(means.snapshots[about["model"]], about["label"], about["output"], means.hardware)
    seen = TEXTS[about["text"]]

    def score(episodes: Sequence[Episode]) -> Tensor:
        before = model.cut
        scores = model.scores([decoded(means.tokenizer, seen(episode)) for episode in episodes])
        if model.cut > before == 0:
            print(f"classifier '{about['model']}': a text is longer than it reads; the end counts")
        return scores

    return score


def answer_check(about: Mapping[str, Any], means: Means) -> Scorer:
    """Return the scorer of the answer that is stated: 1 right, 0 wrong, ``unparsed`` where none is."""

    def worth(episode: Episode) -> float:
        row = episode.asked.row
        if row.verifier == "":
            raise DataError(f"row {row.row_id}: nothing to check an answer by. Fix: take another reward.")
        found = judge(
            decoded(means.tokenizer, episode.response),
            choices=row.choices,
            answer=row.answer,
            verifier=row.verifier,
            instance=row.instance,
        )
        return float(found.right) if found.parsed is not None else float(about["unparsed"])

    def score(episodes: Sequence[Episode]) -> Tensor:
        return torch.tensor([worth(episode) for episode in episodes])

    return score


KINDS: dict[str, Callable[[Mapping[str, Any], Means], Scorer]] = {
    "adapter": adapter,
    "classifier": classifier,
    "verifier": answer_check,
}
TEXTS: dict[str, Callable[[Episode], list[int]]] = {
    "whole": lambda episode: episode.asked.ids + episode.response,
    "response": lambda episode: episode.response,
}


def decoded(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    """Return the text of ``ids`` without special tokens."""
    return str(tokenizer.decode(ids, skip_special_tokens=True))


@dataclass(frozen=True)
class Reward:
    """The weighted sum that is optimised, and one more scorer, if any, that never is."""

    scorers: Mapping[str, Scorer]
    weights: Mapping[str, float]
    held_out: Scorer | None

    def scores(self, episodes: Sequence[Episode]) -> dict[str, Tensor]:
        """Return the score of each response, (B,), by name: "score" is their sum, "held_out" the other's."""
        parts = {name: scorer(episodes).cpu() for name, scorer in self.scorers.items()}
        total: Any = sum(self.weights[name] * part for name, part in parts.items())
        several = parts if len(parts) > 1 else {}  # one alone, of weight 1, is the sum
        other = {} if self.held_out is None else {"held_out": self.held_out(episodes).cpu()}
        return {"score": total, **several, **other}


def reward_of(rewards: Sequence[Mapping[str, Any]], held_out: str | None, means: Means) -> Reward:
    """Return the reward of a method's settings ``rewards`` and ``held_out``."""
    named = {f"reward_{i}_{about['kind']}": about for i, about in enumerate(rewards, start=1)}
    scorers = {name: KINDS[about["kind"]](about, means) for name, about in named.items()}
    other = None if held_out is None else adapter({"method": held_out}, means)
    return Reward(scorers, {name: float(about["weight"]) for name, about in named.items()}, other)


def reward_for(job: Job, crew: Crew, tokenizer: PreTrainedTokenizerBase, special: Special) -> Reward:
    """Return the reward of a job's settings; reward adapters go onto the base of ``crew``."""
    pairs = zip(job.reward[::2], job.reward[1::2], strict=True)
    means = Means(
        crew=crew,
        tokenizer=tokenizer,
        special=special,
        adapters=dict(zip(scorers_of(job.settings), pairs, strict=True)),
        snapshots=dict(zip(classifiers_of(job.settings), job.judges[::2], strict=True)),
        hardware=job.hardware,
    )
    return reward_of(job.settings["rewards"], job.settings["held_out"], means)
