"""Proximal policy optimisation over one shared base: rollouts, rewards, clipped updates, health.

One update samples a batch of responses, scores each at its last token, takes the KL penalty off every
token, estimates advantages and takes ``epochs_per_batch`` optimizer steps, each on the whole batch:
micro-batches only split the passes and add up exactly. Every draw has a generator of its own, seeded by seed
and update, so a training that is resumed goes on as if it had not stopped.
"""

import math
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor

from workflow.lib import losses
from workflow.lib.adapters import TRAINED
from workflow.lib.checkpoints import CHECKPOINT_EVERY, PROGRESS_EVERY, StopSignal, newest, seal
from workflow.lib.errors import NumericalError, Preempted
from workflow.lib.files import read_json, write_json
from workflow.lib.rollouts import Crew, Packed, Sampled, pack

MAX_GRAD_NORM = 1.0
STATE = "state.pt"  # read with weights_only: tensors and plain values
HISTORY = "history.json"
COLLAPSED = 0.01  # share of the first update's entropy below which the policy has collapsed


@dataclass(frozen=True)
class Hyperparameters:
    """What the algorithm needs to know."""

    learning_rate: float  # of the first update; falls linearly to 0 after the last
    updates: int
    batch_size: int  # responses per update
    epochs_per_batch: int  # optimizer steps per update
    max_new_tokens: int
    temperature: float
    kl_coefficient: float  # reward lost per nat of log π/π_ref
    clip_range: float
    value_clip_range: float
    value_weight: float
    gamma: float
    gae_lambda: float
    missing_eos_penalty: float  # score lost by a response that was cut
    max_kl: float  # nats per response above which the training is stopped


@dataclass(frozen=True)
class Special:
    """The tokens that mean something: ``tail`` is what the chat template puts after EOS."""

    eos: int
    pad: int
    tail: list[int]


@dataclass(frozen=True)
class Batch:
    """A batch of responses with all that the loss needs; the tensors are (B, T - 1) and fixed."""

    packed: Packed
    old: Tensor  # log-probabilities under the policy that sampled
    values: Tensor
    advantages: Tensor  # whitened
    returns: Tensor


def token_rewards(scores: Tensor, kl: Tensor, mask: Tensor, coefficient: float) -> Tensor:
    """Return the reward of each response token, (B, T): the KL penalty, plus the score at the last one.

    Args:
        scores: Of the responses, (B,).
        kl: Estimated divergence at each token, (B, T).
        mask: Tokens of the response, (B, T).
        coefficient: Of the penalty.
    """
    rewards = (-coefficient * kl).masked_fill(~mask, 0.0)
    last = mask.shape[1] - 1 - mask.flip(1).int().argmax(dim=1)
    rewards[torch.arange(len(scores)), last] += scores
    return rewards


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> float:
    """Return 1 - Var(returns - values) / Var(returns) over the mask; 0 where the returns do not vary."""
    total = returns[mask].var(correction=0)
    left = (returns - values)[mask].var(correction=0)
    return float(1.0 - left / total) if total > 0 else 0.0


def check_health(record: Mapping[str, float], first_entropy: float, max_kl: float) -> None:
    """Raise ``NumericalError`` that names what is wrong with an update, if anything is."""
    at = f"PPO update {record['step']:.0f}"
    for name, value in record.items():
        if not math.isfinite(value):
            raise NumericalError(f"{at}: {name} is {value}. Fix: lower the learning rate.")
    if record["kl"] > max_kl:
        raise NumericalError(
            f"{at}: kl to the reference is {record['kl']:.3g} nats per response, max_kl is {max_kl:g}. "
            "Fix: raise kl_coefficient or lower the learning rate."
        )
    if record["entropy"] < COLLAPSED * first_entropy:
        raise NumericalError(
            f"{at}: entropy collapsed from {first_entropy:.3g} to {record['entropy']:.3g} nats per token. "
            "Fix: raise kl_coefficient or lower the learning rate."
        )


def generator_of(*key: int, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a generator seeded by ``key``: other keys, other streams."""
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state))


def picked(rows: int, batch_size: int, update: int, seed: int) -> list[int]:
    """Return the rows of ``update``: every row once per pass, in an order of its own for each pass."""
    places = range(update * batch_size, (update + 1) * batch_size)
    orders = {
        turn: torch.randperm(rows, generator=generator_of(seed, 0, turn)).tolist()
        for turn in {place // rows for place in places}
    }
    return [orders[place // rows][place % rows] for place in places]


def spread(values: Tensor, mask: Tensor) -> Tensor:
    """Return ``values``, (N,), at the N true places of ``mask``, zero elsewhere."""
    grid = torch.zeros(mask.shape, dtype=values.dtype, device=values.device)
    grid[mask] = values
    return grid


class Ppo:
    """A policy in training; ``step`` makes one update and returns its record."""

    def __init__(
        self, crew: Crew, settings: Hyperparameters, special: Special, *, seed: int, micro: int
    ) -> None:
        """Take ``crew``'s policy into training, ``micro`` rows per pass."""
        self._crew = crew
        self.settings = settings
        self._special = special
        self.seed = seed
        self._micro = micro
        self.value = torch.nn.Linear(crew.base.config.hidden_size, 1).to(crew.base.device)
        torch.nn.init.zeros_(self.value.weight)
        torch.nn.init.zeros_(self.value.bias)
        policy = [p for p in crew.model.parameters() if p.requires_grad]
        self._parameters = [*policy, *self.value.parameters()]
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=settings.learning_rate, weight_decay=0.0, fused=True
        )

    def step(self, update: int, prompts: Sequence[list[int]]) -> dict[str, float]:
        """Make update number ``update``, from 0, on ``prompts``, one response each; return its record."""
        settings = self.settings
        prompts = sorted(prompts, key=len)  # micro-batches of like lengths hold little padding
        sampled = self._crew.sample(
            prompts,
            self.value,
            longest=settings.max_new_tokens,
            temperature=settings.temperature,
            eos=self._special.eos,
            pad=self._special.pad,
            generator=generator_of(self.seed, 1, update, device=self._crew.base.device),
        )
        batch, record = self._judge(prompts, sampled)
        rate = settings.learning_rate * (1.0 - update / settings.updates)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        for _ in range(settings.epochs_per_batch):
            record |= self._learn(batch)
        return {"step": update + 1, **record, "learning_rate": rate}

    def _parts(self, rows: int) -> list[slice]:
        return [slice(i, min(i + self._micro, rows)) for i in range(0, rows, self._micro)]

    @torch.no_grad()
    def _judge(self, prompts: Sequence[list[int]], sampled: Sampled) -> tuple[Batch, dict[str, float]]:
        """Return the batch with its advantages, and what there is to tell of it."""
        settings, pad = self.settings, self._special.pad
        ended = torch.tensor([response[-1] == self._special.eos for response in sampled.responses])
        whole = pack(prompts, sampled.responses, pad)
        anchors, scores = [], []
        for part in self._parts(len(prompts)):
            packed = pack(prompts[part], sampled.responses[part], pad)
            anchors.append(self._crew.reference_logps(packed, settings.temperature))
            closed = [self._closed(*row) for row in zip(prompts[part], sampled.responses[part], strict=True)]
            scores.append(self._crew.scores(closed, pad))
        told = (sampled.logps, torch.cat(anchors), sampled.values)
        old, anchor, values = (spread(numbers.cpu(), whole.mask) for numbers in told)
        score = torch.cat(scores).cpu()
        penalised = score - settings.missing_eos_penalty * (~ended).float()
        penalty = losses.kl_k1(old, anchor)
        rewards = token_rewards(penalised, penalty, whole.mask, settings.kl_coefficient)
        advantages, returns = losses.gae(rewards, values, whole.mask, settings.gamma, settings.gae_lambda)
        batch = Batch(whole, old, values, losses.masked_whiten(advantages, whole.mask), returns)
        return batch, {
            "score": float(score.mean()),
            "kl": float((losses.kl_k3(old, anchor) * whole.mask).sum(1).mean()),
            "entropy": float(sampled.entropy.mean()),
            "explained_variance": explained_variance(values, returns, whole.mask),
            "length": float(whole.mask.sum(1).float().mean()),
            "eos": float(ended.float().mean()),
            "tokens": float(sum(map(len, prompts)) + whole.mask.sum()),
        }

    def _closed(self, prompt: list[int], response: list[int]) -> list[int]:
        """Return the conversation as the reward model was trained on: closed, and as long as the template."""
        end = [] if response[-1] == self._special.eos else [self._special.eos]
        return prompt + response + end + self._special.tail

    def _learn(self, batch: Batch) -> dict[str, float]:
        """Take one optimizer step on the whole batch; return the means over its tokens."""
        sums: Counter[str] = Counter()
        self._crew.model.train()  # matters only where activations are recomputed: there is no dropout
        for part in self._parts(len(batch.packed.ids)):
            sums.update(self._accumulate(batch, part))
        self._crew.model.eval()
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, MAX_GRAD_NORM)
        if not torch.isfinite(norm):
            raise NumericalError(f"PPO: the gradient's norm is {float(norm)}. Fix: lower the learning rate.")
        self._optimizer.step()
        self._optimizer.zero_grad()
        return {**sums, "grad_norm": float(norm)}

    def _accumulate(self, batch: Batch, part: slice) -> dict[str, float]:
        """Add the gradient of the rows ``part``; return their share of the batch's means."""
        settings, count = self.settings, float(batch.packed.mask.sum())
        width = int(batch.packed.mask[part].any(0).nonzero().max()) + 1  # only padding from there on
        packed = Packed(batch.packed.ids[part, : width + 1], batch.packed.mask[part, :width])
        grids = (batch.old, batch.values, batch.advantages, batch.returns)
        device = self._crew.base.device
        old, before, advantages, returns = (g[part, :width][packed.mask].to(device) for g in grids)
        states = self._crew.states(packed.ids)
        logps = self._crew.logps(states, packed, settings.temperature)
        values = self.value(states[:, :-1][packed.mask.to(device)].float()).squeeze(-1)
        policy_loss = losses.ppo_policy(logps, old, advantages, settings.clip_range).sum() / count
        value_loss = losses.ppo_value(values, before, returns, settings.value_clip_range).sum() / count
        torch.autograd.backward(policy_loss + settings.value_weight * value_loss)
        ratio = torch.exp(logps.detach() - old)
        clipped = (ratio - 1.0).abs() > settings.clip_range
        return {
            "policy_loss": float(policy_loss.detach()),
            "value_loss": float(value_loss.detach()),
            "ratio": float(ratio.sum()) / count,
            "clip_fraction": float(clipped.sum()) / count,
        }

    def state(self) -> dict[str, Any]:
        """Return all that a later process needs to go on."""
        return {
            "policy": get_peft_model_state_dict(self._crew.model, adapter_name=TRAINED),
            "value": self.value.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        set_peft_model_state_dict(self._crew.model, state["policy"], adapter_name=TRAINED)
        self.value.load_state_dict(state["value"])
        self._optimizer.load_state_dict(state["optimizer"])


def optimise(ppo: Ppo, prompts: Sequence[list[int]], work: Path, stop: StopSignal) -> list[dict[str, float]]:
    """Make all updates, from the newest checkpoint in ``work`` if there is one; return their records.

    Raises:
        NumericalError: An update was not healthy.
        Preempted: ``stop`` was received; the checkpoint is there.
    """
    history: list[dict[str, float]] = []
    checkpoint = newest(work)
    if checkpoint is not None:
        ppo.restore(torch.load(checkpoint / STATE, weights_only=True))
        history = read_json(checkpoint / HISTORY)
    saved = told = time.monotonic()
    settings = ppo.settings
    for update in range(len(history), settings.updates):
        rows = picked(len(prompts), settings.batch_size, update, ppo.seed)
        history.append(ppo.step(update, [prompts[row] for row in rows]))
        check_health(history[-1], history[0]["entropy"], settings.max_kl)
        if time.monotonic() - told > PROGRESS_EVERY or update in (0, settings.updates - 1):
            told = time.monotonic()
            print(f"update {update + 1} of {settings.updates}: {history[-1]}", flush=True)
        last = update + 1 == settings.updates
        if not last and (stop.received or time.monotonic() - saved > CHECKPOINT_EVERY):
            saved = time.monotonic()
            _save(ppo, history, work / f"checkpoint-{update + 1}")
        if not last and stop.received:
            raise Preempted(f"stopped at update {update + 1} of {settings.updates}: run again to go on")
    return history


def _save(ppo: Ppo, history: list[dict[str, float]], checkpoint: Path) -> None:
    """Write a sealed checkpoint and remove the one before it."""
    older = [path for path in checkpoint.parent.glob("checkpoint-*") if path.is_dir()]
    checkpoint.mkdir(parents=True)
    torch.save(ppo.state(), checkpoint / STATE)
    write_json(checkpoint / HISTORY, history)
    seal(checkpoint)
    for path in older:
        shutil.rmtree(path)
