"""Proximal policy optimisation over one shared base: rollouts, rewards, clipped updates, health.

One update samples a batch of responses, scores each at its last token, takes the KL penalty off every
token, estimates advantages and takes ``epochs_per_batch`` optimizer steps, each on the whole batch:
micro-batches only split the passes and add up exactly. Every draw has a generator of its own, seeded by seed
and update, so a training that is resumed goes on as if it had not stopped.
"""

import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor

from workflow.lib import losses
from workflow.lib.adapters import TRAINED
from workflow.lib.budgets import Share
from workflow.lib.checkpoints import CHECKPOINT_EVERY, StopSignal, newest, seal
from workflow.lib.errors import NumericalError, Preempted
from workflow.lib.files import read_json, write_json
from workflow.lib.health import Alarms, check, explained_variance, repetition
from workflow.lib.kl import CONTROLS, ESTIMATORS
from workflow.lib.layers import lean
from workflow.lib.packing import Packed, pack
from workflow.lib.progress import Progress
from workflow.lib.rewards import Asked, Episode, Reward, Special
from workflow.lib.rollouts import VALUE, Crew, Sampled
from workflow.lib.samplers import Draw, Sampler, generator_of
from workflow.lib.values import Value

MAX_GRAD_NORM = 1.0
STATE = "state.pt"  # read with weights_only: tensors and plain values
HISTORY = "history.json"


@dataclass(frozen=True)
class Hyperparameters:
    """What the algorithm needs to know."""

    learning_rate: float  # of the first update; falls linearly to 0 after the last
    updates: int
    batch_size: int  # responses per update
    epochs_per_batch: int  # optimizer steps per update
    max_new_tokens: int
    temperature: float
    kl_coefficient: float  # reward lost per nat of divergence, in the first update
    kl_estimator: str  # key of ``workflow.lib.kl.ESTIMATORS``
    kl_control: Mapping[str, Any]  # "kind", a key of ``workflow.lib.kl.CONTROLS``, and what that needs
    clip_range: float
    value_clip_range: float
    value_weight: float
    gamma: float
    gae_lambda: float
    missing_eos_penalty: float  # score lost by a response that was cut
    centre_scores: bool  # subtract the first update's mean score from all: the value has less to learn
    alarms: Mapping[str, float]  # fields of ``workflow.lib.health.Alarms``


@dataclass(frozen=True)
class Batch:
    """A batch of responses with all that the loss needs; the tensors are (B, T - 1) and fixed."""

    packed: Packed
    old: Tensor  # log-probabilities under the policy that sampled
    values: Tensor
    advantages: Tensor  # whitened
    returns: Tensor


@dataclass(frozen=True)
class Team:
    """Who takes part in a training."""

    crew: Crew
    sampler: Sampler
    reward: Reward
    value: Value
    special: Special


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

    def __init__(self, team: Team, settings: Hyperparameters, *, seed: int, micro: int) -> None:
        """Take the team's policy into training, ``micro`` rows per pass."""
        self._crew, self._team = team.crew, team
        self.settings = settings
        self.alarms = Alarms(**settings.alarms)
        self.seed = seed
        self._micro = micro
        self._coefficient = settings.kl_coefficient
        self._centre: float | None = None if settings.centre_scores else 0.0
        lean(self._crew.model)
        self._parameters = [*self._crew.parameters(TRAINED), *team.value.parameters()]
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=settings.learning_rate, weight_decay=0.0, fused=True
        )

    def step(self, update: int, asked: Sequence[Asked], done: float | None = None) -> dict[str, float]:
        """Make update number ``update``, from 0, on ``asked``, one response each; return its record.

        Args:
            update: Its number.
            asked: The prompts.
            done: Share of the way before it, which the learning rate follows; ``None``: that of the updates.
        """
        settings = self.settings
        asked = sorted(asked, key=lambda a: len(a.ids))  # micro-batches of like lengths hold little padding
        draw = Draw(settings.max_new_tokens, settings.temperature, self._team.special, self.seed, update)
        sampled = self._team.sampler.sample([a.ids for a in asked], self._team.value.head, draw)
        batch, record = self._judge(asked, sampled)
        rate = settings.learning_rate * (1.0 - (update / settings.updates if done is None else done))
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        for _ in range(settings.epochs_per_batch):
            record |= self._learn(batch)
        record |= {"learning_rate": rate, "kl_coefficient": self._coefficient}
        control = CONTROLS[settings.kl_control["kind"]]
        self._coefficient = control(self._coefficient, record["kl"], len(asked), settings.kl_control)
        return {"step": update + 1, **record}

    def _parts(self, rows: int) -> list[slice]:
        return [slice(i, min(i + self._micro, rows)) for i in range(0, rows, self._micro)]

    @torch.no_grad()
    def _judge(self, asked: Sequence[Asked], sampled: Sampled) -> tuple[Batch, dict[str, float]]:
        """Return the batch with its advantages, and what there is to tell of it."""
        settings, special, prompts = self.settings, self._team.special, [a.ids for a in asked]
        ended = torch.tensor([response[-1] == special.eos for response in sampled.responses])
        whole = pack(prompts, sampled.responses, special.pad)
        parts = self._parts(len(prompts))
        packed = [pack(prompts[part], sampled.responses[part], special.pad) for part in parts]
        anchors = [self._crew.reference_logps(part, settings.temperature) for part in packed]
        episodes = [Episode(*pair) for pair in zip(asked, sampled.responses, strict=True)]
        scored = [self._team.reward.scores(episodes[part]) for part in parts]
        told = (sampled.logps, torch.cat(anchors), self._team.value.before(sampled, packed))
        old, anchor, values = (spread(numbers.cpu(), whole.mask) for numbers in told)
        scores = {name: torch.cat([part[name] for part in scored]) for name in scored[0]}
        self._centre = float(scores["score"].mean()) if self._centre is None else self._centre
        penalised = scores["score"] - self._centre - settings.missing_eos_penalty * (~ended).float()
        penalty = ESTIMATORS[settings.kl_estimator](old, anchor)
        rewards = token_rewards(penalised, penalty, whole.mask, self._coefficient)
        advantages, returns = losses.gae(rewards, values, whole.mask, settings.gamma, settings.gae_lambda)
        batch = Batch(whole, old, values, losses.masked_whiten(advantages, whole.mask), returns)
        return batch, {
            **{name: float(of_each.mean()) for name, of_each in scores.items()},
            "kl": float((losses.kl_k3(old, anchor) * whole.mask).sum(1).mean()),
            "entropy": float(sampled.entropy.mean()),
            "explained_variance": explained_variance(values, returns, whole.mask),
            "length": float(whole.mask.sum(1).float().mean()),
            "eos": float(ended.float().mean()),
            "repetition": repetition(sampled.responses),
            "tokens": float(sum(map(len, prompts)) + whole.mask.sum()),
        }

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

        def value_loss(values: Tensor) -> Tensor:
            return losses.ppo_value(values, before, returns, settings.value_clip_range).sum() / count

        states = self._crew.states(packed.ids)
        logps = self._crew.logps(states, packed, settings.temperature)
        policy_loss = losses.ppo_policy(logps, old, advantages, settings.clip_range).sum() / count
        weight = settings.value_weight
        value = self._team.value.learn(policy_loss, states, packed, part, value_loss, weight)
        ratio = torch.exp(logps.detach() - old)
        clipped = (ratio - 1.0).abs() > settings.clip_range
        return {
            "policy_loss": float(policy_loss.detach()),
            "value_loss": float(value.detach()),
            "ratio": float(ratio.sum()) / count,
            "clip_fraction": float(clipped.sum()) / count,
        }

    def state(self) -> dict[str, Any]:
        """Return all that a later process needs to go on."""
        known = [name for name in (TRAINED, VALUE) if self._crew.parameters(name)]
        return {
            "adapters": {
                name: get_peft_model_state_dict(self._crew.model, adapter_name=name) for name in known
            },
            "head": self._team.value.head.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "kl_coefficient": self._coefficient,
            "centre": self._centre,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        for name, tensors in state["adapters"].items():
            set_peft_model_state_dict(self._crew.model, tensors, adapter_name=name)
        self._team.value.head.load_state_dict(state["head"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._coefficient, self._centre = state["kl_coefficient"], state["centre"]


def optimise(
    ppo: Ppo, asked: Sequence[Asked], work: Path, stop: StopSignal, share: Share | None = None
) -> list[dict[str, float]]:
    """Make all updates, from the newest checkpoint in ``work`` if there is one; return their records.

    Args:
        ppo: The policy in training.
        asked: All prompts.
        work: Folder of the checkpoints.
        stop: Signals of the system.
        share: How far the training is; ``None``: as the updates of the settings say.

    Raises:
        NumericalError: An update was not healthy.
        Preempted: ``stop`` was received; the checkpoint is there.
    """
    history: list[dict[str, float]] = []
    checkpoint = newest(work)
    if checkpoint is not None:
        ppo.restore(torch.load(checkpoint / STATE, weights_only=True))
        history = read_json(checkpoint / HISTORY)
    saved = time.monotonic()
    settings = ppo.settings
    progress = Progress("update", settings.updates if share is None else None)
    share = share or (lambda history: len(history) / settings.updates)
    while (done := share(history)) < 1.0:
        update = len(history)
        rows = picked(len(asked), settings.batch_size, update, ppo.seed)
        history.append(ppo.step(update, [asked[row] for row in rows], done))
        check(history[-1], history[0], ppo.alarms)
        last = share(history) >= 1.0
        progress.at(update + 1, history[-1], last=last)
        if not last and (stop.received or time.monotonic() - saved > CHECKPOINT_EVERY):
            saved = time.monotonic()
            _save(ppo, history, work / f"checkpoint-{update + 1}")
        if not last and stop.received:
            total = "" if progress.total is None else f" of {progress.total}"
            raise Preempted(f"stopped at update {update + 1}{total}: run again to go on")
    progress.close()
    return history


def _save(ppo: Ppo, history: list[dict[str, float]], checkpoint: Path) -> None:
    """Write a sealed checkpoint and keep one before it."""
    older = sorted(checkpoint.parent.glob("checkpoint-*"), key=lambda path: path.stat().st_mtime_ns)
    checkpoint.mkdir(parents=True)
    torch.save(ppo.state(), checkpoint / STATE)
    write_json(checkpoint / HISTORY, history)
    seal(checkpoint)
    for path in older[:-1]:
        shutil.rmtree(path)
