"""The value function of PPO: a linear head on last hidden states of the policy, a reward model or an adapter.

On the policy's it costs nothing but pulls at the policy's weights with its loss. On those of the first reward
model, which reads every response anyway, it costs nothing either, and leaves the policy to its own loss. An
adapter of its own costs a pass to look and one per step to learn. None is a second model.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from workflow.lib.packing import Packed
from workflow.lib.rollouts import REWARD, VALUE, Crew, Sampled

ValueLoss = Callable[[Tensor], Tensor]  # values of the response tokens, (N,) → their loss


class Value(Protocol):
    """What PPO needs of a value function."""

    head: torch.nn.Linear

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return all that is trained for the value, always in the same order."""

    def before(self, sampled: Sampled, parts: Sequence[Packed]) -> Tensor:
        """Return the value of the state before each sampled token, (N,), once the responses are scored."""

    def learn(
        self,
        loss: Tensor,
        states: Tensor,
        packed: Packed,
        part: slice,
        value_loss: ValueLoss,
        weight: float,
    ) -> Tensor:
        """Go backward from the policy's ``loss`` and from the value loss; return the latter.

        Args:
            loss: Of the policy, with its graph.
            states: The policy's last hidden states of ``packed``, (B, T, H).
            packed: The rows.
            part: Their places in the batch.
            value_loss: Gives the loss of the values of the response tokens.
            weight: Of the value loss.
        """


def new_head(crew: Crew) -> torch.nn.Linear:
    """Return a head that calls every state worth 0."""
    head = torch.nn.Linear(crew.base.config.get_text_config().hidden_size, 1).to(crew.base.device)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    return head


def values_at(head: torch.nn.Module, states: Tensor, packed: Packed) -> Tensor:
    """Return the value of the state before each response token, (N,); ``states``: (B, T, H)."""
    values: Tensor = head(states[:, :-1][packed.mask.to(states.device)].float()).squeeze(-1)
    return values


class SharedValue:
    """A head on the policy's last hidden state; its loss reaches the policy's adapter too."""

    def __init__(self, crew: Crew, lora: Mapping[str, Any], start: Sequence[str], seed: int) -> None:
        """Put a head onto ``crew``'s policy."""
        self.head = new_head(crew)

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return the head's."""
        return list(self.head.parameters())

    def before(self, sampled: Sampled, parts: Sequence[Packed]) -> Tensor:
        """Return what the head said while the policy sampled."""
        return sampled.values

    def learn(
        self,
        loss: Tensor,
        states: Tensor,
        packed: Packed,
        part: slice,
        value_loss: ValueLoss,
        weight: float,
    ) -> Tensor:
        """Go backward once, from both losses."""
        second = value_loss(values_at(self.head, states, packed))
        torch.autograd.backward(loss + weight * second)
        return second


class AdapterValue:
    """A head on the last hidden state of an adapter of its own, which starts where the policy does."""

    def __init__(self, crew: Crew, lora: Mapping[str, Any], start: Sequence[str], seed: int) -> None:
        """Add the adapter to ``crew``."""
        self._crew = crew
        crew.add_value(lora, start, seed)
        self.head = new_head(crew)

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return the head's and the adapter's."""
        return [*self.head.parameters(), *self._crew.parameters(VALUE)]

    @torch.no_grad()
    def before(self, sampled: Sampled, parts: Sequence[Packed]) -> Tensor:
        """Return the values by a pass of the adapter over the whole rows."""
        with self._crew.learning(VALUE):
            found = [values_at(self.head, self._crew.states(part.ids), part) for part in parts]
        return torch.cat(found)

    def learn(
        self,
        loss: Tensor,
        states: Tensor,
        packed: Packed,
        part: slice,
        value_loss: ValueLoss,
        weight: float,
    ) -> Tensor:
        """Go backward twice: PEFT takes gradients of the active adapter only."""
        torch.autograd.backward(loss)
        with self._crew.learning(VALUE):
            second = value_loss(values_at(self.head, self._crew.states(packed.ids), packed))
            torch.autograd.backward(weight * second)
        return second


class RewardValue:
    """A head on the last hidden state of the first reward adapter, which starts as that adapter's own.

    So a state is first thought to be worth what the reward model says of a conversation that ends there.
    """

    def __init__(self, crew: Crew, lora: Mapping[str, Any], start: Sequence[str], seed: int) -> None:
        """Listen to ``crew``'s first reward adapter."""
        self.head = new_head(crew)
        self._heard: list[Tensor] = []  # of each pass that scored since the last look, (B, T, H)
        self._states: tuple[Tensor, ...] = ()  # of each row, at the tokens of its response
        with torch.no_grad():
            self.head.weight.copy_(crew.listen(REWARD.format(1), self._heard.append))

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return the head's."""
        return list(self.head.parameters())

    @torch.no_grad()
    def before(self, sampled: Sampled, parts: Sequence[Packed]) -> Tensor:
        """Return the values by the states that the reward adapter had while it scored ``parts``."""
        kept = []
        for states, part in zip(self._heard, parts, strict=True):
            mask = part.mask.to(states.device)  # of prompt and response; what closes them comes after
            kept.append(states[:, : mask.shape[1]][mask].float())
        self._heard.clear()
        states, lengths = torch.cat(kept), [len(response) for response in sampled.responses]
        self._states = torch.split(states, lengths)
        values: Tensor = self.head(states).squeeze(-1)
        return values

    def learn(
        self,
        loss: Tensor,
        states: Tensor,
        packed: Packed,
        part: slice,
        value_loss: ValueLoss,
        weight: float,
    ) -> Tensor:
        """Go backward once; no path leads from the value loss to an adapter."""
        second = value_loss(self.head(torch.cat(self._states[part])).squeeze(-1))
        torch.autograd.backward(loss + weight * second)
        return second


VALUES: dict[str, type[SharedValue] | type[AdapterValue] | type[RewardValue]] = {
    "shared": SharedValue,
    "adapter": AdapterValue,
    "reward": RewardValue,
}
