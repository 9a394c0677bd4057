"""What scorers make of the answers of every policy, and how far each policy has moved away from the base.

A scorer is a reward model of the study, or any sequence classifier with its own tokenizer. How far a policy
has moved is the mean, over its own answers, of log π(y|x) - log π_base(y|x): an unbiased estimate of the
divergence KL(π ‖ π_base) per answer, in nats, of the distributions that were sampled (Schulman 2020,
"Approximating KL divergence", k1). Greedy answers are no sample, so they have none.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from workflow.lib.chat import render, token_ids
from workflow.lib.classifiers import Classifier
from workflow.lib.errors import NumericalError
from workflow.lib.heads import head_of, trunk_of
from workflow.lib.models import load_scorer
from workflow.lib.packing import pack
from workflow.lib.policies import active, load_policies
from workflow.lib.records import Sample

TEXTS: dict[str, Callable[[Sample], str]] = {
    "whole": lambda sample: sample.prompt + sample.text,
    "response": lambda sample: sample.text,
}


class Turn(NamedTuple):
    """A prompt with an answer to it, which ends in EOS unless it was cut before."""

    prompt: str
    answer: str
    cut: bool


@dataclass(frozen=True)
class Means:
    """What scorers are made from."""

    snapshot: Path  # of the policies' base
    model: str  # its name
    tokenizer: PreTrainedTokenizerBase
    adapters: Mapping[tuple[str, int], Path]  # folder of the adapter of each reward method and seed
    classifiers: Mapping[str, Path]  # snapshot of each classifier
    hardware: Mapping[str, Any]

    @property
    def batch(self) -> int:
        """Rows per forward pass."""
        return int(self.hardware["evaluation_batch"])


def batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield the places of rows for one pass each, longest first so that batches pad little."""
    order = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    yield from (order[start : start + size] for start in range(0, len(order), size))


def rewards_of(
    scorer: PeftModel, tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], batch: int
) -> dict[str, float]:
    """Return the reward of each rendered conversation, equal ones scored once."""
    known = sorted(set(texts))
    tokens = [token_ids(tokenizer, text) for text in known]
    found: dict[str, float] = {}
    for part in batches([len(ids) for ids in tokens], batch):
        padded = tokenizer.pad({"input_ids": [tokens[place] for place in part]}, return_tensors="pt")
        with torch.no_grad():
            scores = scorer(**padded.to(scorer.device)).logits[:, 0].float()
        if not torch.isfinite(scores).all():
            raise NumericalError(f"reward model: a reward is not finite, among {len(part)} answers")
        found |= dict(zip([known[place] for place in part], scores.tolist(), strict=True))
    return found


def by_adapter(about: Mapping[str, Any], means: Means, samples: Sequence[Sample]) -> list[float]:
    """Return what the reward model of each sample's own seed gives it."""
    folders = {seed: folder for (method, seed), folder in means.adapters.items() if method == about["method"]}
    base = load_scorer(means.snapshot, means.hardware, pad=means.tokenizer.pad_token_id, seed=0)
    scorer = load_policies(base, {f"s{seed}": f for seed, f in folders.items()}, model=means.model)
    texts = [render(means.tokenizer, sample.prompt, sample.text) for sample in samples]
    found: dict[tuple[int, str], float] = {}
    for seed in folders:
        mine = [text for text, sample in zip(texts, samples, strict=True) if sample.seed == seed]
        with active(scorer, f"s{seed}"):
            scores = rewards_of(scorer, means.tokenizer, mine, means.batch)
        found |= {(seed, text): score for text, score in scores.items()}
    return [found[sample.seed, text] for text, sample in zip(texts, samples, strict=True)]


def by_classifier(about: Mapping[str, Any], means: Means, samples: Sequence[Sample]) -> list[float]:
    """Return what a classifier gives each sample's text."""
    folder = means.classifiers[about["model"]]
    model = Classifier(folder, about["label"], about["output"], means.hardware)
    texts = [TEXTS[about["text"]](sample) for sample in samples]
    found = [0.0] * len(texts)
    for part in batches([len(text) for text in texts], means.batch):
        for place, score in zip(part, model.scores([texts[p] for p in part]).tolist(), strict=True):
            found[place] = score
    print(f"classifier '{about['model']}': {len(texts)} texts, of {model.cut} of which it read the end only")
    return found


SCORERS: dict[str, Callable[[Mapping[str, Any], Means, Sequence[Sample]], list[float]]] = {
    "adapter": by_adapter,
    "classifier": by_classifier,
}


def answer_logps(
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    asked: Collection[Turn],
    *,
    temperature: float,
    batch: int,
) -> dict[Turn, float]:
    """Return the log-probability of each answer, EOS included, under the adapter that is active, in nats.

    Args:
        base: The causal language model, with adapters on its layers or none.
        tokenizer: Its tokenizer, with the chat template.
        asked: Distinct prompts with their answers.
        temperature: Of the distributions, as sampled.
        batch: Rows per forward pass.
    """
    turns = list(asked)
    before = [token_ids(tokenizer, render(tokenizer, turn.prompt)) for turn in turns]
    closed = [token_ids(tokenizer, render(tokenizer, turn.prompt, turn.answer)) for turn in turns]
    after = [ids[len(start) :] for ids, start in zip(closed, before, strict=True)]
    said = [  # what the template puts behind EOS was not sampled
        ids[: ids.index(tokenizer.eos_token_id) + (not turn.cut)]
        for ids, turn in zip(after, turns, strict=True)
    ]
    trunk, head = trunk_of(base), head_of(base)
    found: dict[Turn, float] = {}
    for part in batches([len(ids) for ids in closed], batch):
        packed = pack([before[p] for p in part], [said[p] for p in part], tokenizer.pad_token_id)
        ids, mask = packed.ids.to(base.device), packed.mask.to(base.device)
        with torch.no_grad():
            states = trunk(input_ids=ids, use_cache=False).last_hidden_state[:, :-1][mask]  # (N, H)
            logits = head(states) / temperature  # (N, V)
        logps = torch.log_softmax(logits, dim=-1).gather(-1, ids[:, 1:][mask][:, None]).squeeze(-1)
        sums = torch.zeros(len(part), device=base.device).index_add_(0, mask.nonzero()[:, 0], logps)
        found |= dict(zip([turns[p] for p in part], sums.tolist(), strict=True))
    return found
