"""One base model with several adapters on it: the policy samples, the reference anchors, rewards score.

Rows are kept as lists of token ids and packed to the right only for a forward pass, so that causal attention
alone keeps padding out and a row's numbers do not depend, but for rounding, on the rows beside it. Sampling
packs to the left.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache, PreTrainedModel

from workflow.lib.adapters import TRAINED, attach, load_weights, lora_config
from workflow.lib.decoding import roomy_cache, without_ended
from workflow.lib.errors import IntegrityError
from workflow.lib.heads import head_of, trunk_of
from workflow.lib.packing import Packed

REFERENCE = "reference"
REWARD = "reward_{}"  # number of the reward adapter, from 1
VALUE = "value"
WORTH = 1 / 8  # share of a pass that a common beginning must save, which then is a pass of its own


@dataclass(frozen=True)
class Sampled:
    """One response per prompt, EOS included where it came in time, and what the policy thought of it.

    The tensors are (N,): one number per token of the responses, row after row.
    """

    responses: list[list[int]]
    logps: Tensor
    entropy: Tensor
    values: Tensor  # of the state before the token


class Crew:
    """The base and its adapters; ``model`` is PEFT's view of them, with the policy active."""

    def __init__(self, base: PreTrainedModel, lora: Mapping[str, Any], start: Sequence[str], seed: int):
        """Put the policy, and the reference where it is not the bare base, onto ``base``.

        Args:
            base: The frozen causal language model.
            lora: The config's ``lora`` section, for the policy.
            start: ``[safetensors, config]`` of the adapter that the policy starts from and that stays the
                reference; empty for the bare base.
            seed: Of a new policy's weights.
        """
        self.base = base
        self.model: PeftModel = attach(base, lora, start, task="CAUSAL_LM", seed=seed)
        self._reference = REFERENCE if start else None
        self._heads: dict[str, Tensor] = {}
        self._listeners: dict[str, Callable[[Tensor], None]] = {}
        self._trunk, self._head = trunk_of(base), head_of(base)
        if start:
            self._add(REFERENCE, lora_config(lora, "CAUSAL_LM"), start[0])
        self._settle()

    def add_reward(self, files: Sequence[str]) -> str:
        """Put a reward adapter onto the base; return its name here.

        Args:
            files: ``[safetensors, config]`` of the adapter; the former holds the head ``score`` too.
        """
        name = REWARD.format(len(self._heads) + 1)
        rest = self._add(name, _as_causal(Path(files[0]).parent), files[0])
        if len(rest) != 1:
            raise IntegrityError(
                f"{files[0]}: expected one head beside the LoRA tensors, found {sorted(rest)}"
            )
        self._heads[name] = next(iter(rest.values())).to(self.base.device, torch.float32)  # (1, H)
        self._settle()
        return name

    def listen(self, reward: str, listener: Callable[[Tensor], None]) -> Tensor:
        """Let ``listener`` have the last hidden states whenever ``reward`` scores; return its head, (1, H).

        Args:
            reward: Name that ``add_reward`` returned.
            listener: Gets the states of the rows, prompt first, packed to the right, (B, T, H).
        """
        self._listeners[reward] = listener
        return self._heads[reward]

    def add_value(self, lora: Mapping[str, Any], start: Sequence[str], seed: int) -> None:
        """Put an adapter for the value function onto the base: a new one, or a copy of ``start``.

        Args:
            lora: The config's ``lora`` section.
            start: As for the policy.
            seed: Of a new adapter's weights; the global generator is left as it was.
        """
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.model.add_adapter(VALUE, lora_config(lora, "CAUSAL_LM"))
        if start:
            load_weights(self.model, start[0], VALUE)
        self._settle()

    def parameters(self, adapter: str) -> list[torch.nn.Parameter]:
        """Return the parameters of ``adapter``, always in the same order."""
        return [p for name, p in self.model.named_parameters() if f".{adapter}." in name]

    def recompute_activations(self) -> None:
        """Save memory in training mode at the price of a second forward pass."""
        self.base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})

    def _add(self, name: str, config: LoraConfig, path: str) -> dict[str, Tensor]:
        self.model.add_adapter(name, config)
        return load_weights(self.model, path, name)

    def _settle(self) -> None:
        """Activate the policy, without dropout: the ratio must be 1 where nothing was learnt."""
        self.model.set_adapter(TRAINED)
        for module in self.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            if isinstance(getattr(module, "attention_dropout", None), float):
                module.attention_dropout = 0.0

    @contextmanager
    def _wearing(self, adapter: str | None) -> Iterator[None]:
        """Let ``adapter``, or the bare base, answer within the block, without gradients."""
        with torch.no_grad():
            if adapter is None:
                with self.model.disable_adapter():
                    yield
                return
            self.model.set_adapter(adapter, inference_mode=True)
            try:
                yield
            finally:
                self.model.set_adapter(TRAINED)

    @contextmanager
    def learning(self, adapter: str) -> Iterator[None]:
        """Let ``adapter`` answer within the block, with gradients; go backward within it, too."""
        self.model.set_adapter(adapter)
        try:
            yield
        finally:
            self.model.set_adapter(TRAINED)

    def states(self, ids: Tensor) -> Tensor:
        """Return the last hidden states of the active adapter, (B, T, H), for rows packed to the right.

        What all rows begin with, as instructions do, is computed once.
        """
        ids = ids.to(self.base.device)
        begun = self._beginning(ids)
        if not begun:
            states: Tensor = self._trunk(input_ids=ids, use_cache=False).last_hidden_state
            return states
        cache = DynamicCache(config=self.base.config)
        first = self._trunk(input_ids=ids[:1, :begun], past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(len(ids))
        rest = self._trunk(input_ids=ids[:, begun:], past_key_values=cache, use_cache=True)
        shared = first.last_hidden_state.expand(len(ids), -1, -1)
        return torch.cat([shared, rest.last_hidden_state], dim=1)

    def _beginning(self, ids: Tensor) -> int:
        """Return the length of what all rows begin with; 0 where it does not pay or cannot be handed on."""
        if self.base._is_stateful or self.base.is_gradient_checkpointing:
            return 0
        same = int((ids == ids[:1]).all(dim=0).int().cumprod(dim=0).sum())
        begun = min(same, ids.shape[1] - 1)
        saved = begun * (len(ids) - 1) / ids.numel()
        return begun if saved > WORTH else 0

    def logps(self, states: Tensor, packed: Packed, temperature: float) -> Tensor:
        """Return the log-probability of each response token, in nats, (N,).

        Args:
            states: Of the rows of ``packed``, (B, T, H).
            packed: The rows.
            temperature: Of the sampling distribution.
        """
        mask = packed.mask.to(states.device)
        logits = self._head(states[:, :-1][mask]) / temperature  # (N, V)
        distribution = torch.log_softmax(logits, dim=-1)
        targets = packed.ids.to(states.device)[:, 1:][mask]
        return distribution.gather(-1, targets[:, None]).squeeze(-1)

    def reference_logps(self, packed: Packed, temperature: float) -> Tensor:
        """Return the reference's log-probability of each response token, (N,)."""
        with self._wearing(self._reference):
            return self.logps(self.states(packed.ids), packed, temperature)

    def scores(self, reward: str, rows: Sequence[list[int]], pad: int) -> Tensor:
        """Return the score that the adapter ``reward`` gives each whole conversation in ``rows``, (B,).

        It is read at the last token that is not ``pad``, as sequence classifiers of transformers do.
        """
        ids = pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=pad)
        last = ((ids != pad) * torch.arange(ids.shape[1])).argmax(dim=1)
        with self._wearing(reward):
            states = self.states(ids)
            if reward in self._listeners:
                self._listeners[reward](states)
            return states[torch.arange(len(rows)), last].float() @ self._heads[reward][0]

    @torch.no_grad()
    def recall(
        self, packed: Packed, value: torch.nn.Module, temperature: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return log-probability, entropy and value at each response token, each (N,), in one whole pass."""
        states = self.states(packed.ids)
        before = states[:, :-1][packed.mask.to(states.device)]  # (N, H)
        distribution = torch.log_softmax(self._head(before) / temperature, dim=-1)
        targets = packed.ids[:, 1:][packed.mask].to(states.device)
        logps = distribution.gather(-1, targets[:, None]).squeeze(-1)
        entropy = -(distribution.exp() * distribution).sum(-1)
        return logps, entropy, value(before.float()).squeeze(-1)

    @torch.no_grad()
    def sample(
        self,
        prompts: Sequence[list[int]],
        value: torch.nn.Module,
        *,
        longest: int,
        temperature: float,
        eos: int,
        pad: int,
        generator: torch.Generator,
    ) -> Sampled:
        """Sample one response of the policy per prompt, with keys and values cached; who has ended leaves.

        Args:
            prompts: Token ids, packed to the left here.
            value: Head that gives the value of a state, (B, H) to (B, 1).
            longest: Tokens after which a response is cut.
            temperature: Of the distribution that is sampled.
            eos: Token that ends a response.
            pad: Token that fills rows up.
            generator: Of the sampling, on the base's device.
        """
        device = self.base.device
        flipped = [torch.tensor(prompt[::-1]) for prompt in prompts]
        ids = pad_sequence(flipped, batch_first=True, padding_value=pad).flip(1).to(device)
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)[:, None]
        width = ids.shape[1]
        seen = (torch.arange(width + longest, device=device)[None] >= width - lengths).long()
        position = (seen[:, :width].cumsum(1) - 1).clamp(min=0)
        shape = (len(prompts), longest, 1)
        chances = torch.rand(shape, generator=generator, device=device, dtype=torch.float64)
        cache = roomy_cache(self.base.config, width + longest)
        rows = torch.arange(len(prompts), device=device)  # that are still computed
        ended = torch.zeros_like(rows, dtype=torch.bool)
        drawn = ids.new_full((len(prompts), longest), pad)
        told = torch.zeros(len(prompts), longest, 3, device=device)
        for step in range(longest):
            if ended.all():
                break
            if not self.base._is_stateful:
                ended, rows, ids, position = without_ended(cache, ended, rows, ids, position)
            states = self._trunk(
                input_ids=ids,
                attention_mask=seen[rows, : width + step],
                position_ids=position,
                past_key_values=cache,
                use_cache=True,
            ).last_hidden_state[:, -1]
            distribution = torch.log_softmax(self._head(states) / temperature, dim=-1)
            token = drawn_at(distribution.exp(), chances[rows, step])
            logp = distribution.gather(-1, token)
            entropy = -(distribution.exp() * distribution).sum(-1, keepdim=True)
            told[rows, step] = torch.cat([logp, entropy, value(states.float())], dim=1)
            drawn[rows, step] = token[:, 0].masked_fill(ended, pad)
            ended |= token[:, 0] == eos
            ids, position = token, position[:, -1:] + 1
        responses = [cut(row, eos) for row in drawn.tolist()]
        parts = [numbers[: len(response)] for numbers, response in zip(told, responses, strict=True)]
        return Sampled(responses, *torch.cat(parts).unbind(dim=-1))


def drawn_at(distribution: Tensor, chance: Tensor) -> Tensor:
    """Return each row's token, (B, 1), at which its probabilities, (B, V), add up to more than ``chance``.

    So a row's token depends on its own distribution and its own number, (B, 1), from [0, 1), and not on which
    other rows are drawn at the same time (inversion sampling; Devroye 1986, chapter III.2). A token without
    any probability is never drawn.
    """
    passed = distribution.double().cumsum(-1)
    whole = passed[:, -1:].contiguous()
    return torch.minimum(
        torch.searchsorted(passed, chance * whole, right=True), torch.searchsorted(passed, whole)
    )


def cut(row: list[int], eos: int) -> list[int]:
    """Return ``row`` up to and including its first ``eos``; all of it if there is none."""
    return row[: row.index(eos) + 1] if eos in row else row


def _as_causal(folder: Path) -> LoraConfig:
    """Return the configuration of a reward adapter as one for the causal model's same layers."""
    config = LoraConfig.from_pretrained(folder)
    config.task_type = "CAUSAL_LM"
    config.modules_to_save = None
    return config
