"""PPO: rewards at the right token, exact micro-batches, and problems whose optimum is known."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, tensor
from transformers import LlamaConfig, LlamaForCausalLM

from tests.training import HARDWARE, LORA, PPO, REWARD, job, parent, write_rows
from workflow.lib.checkpoints import StopSignal
from workflow.lib.kl import ESTIMATORS, adaptive, fixed
from workflow.lib.models import load_base
from workflow.lib.packing import pack
from workflow.lib.ppo import Hyperparameters, Ppo, Team, optimise, picked, token_rewards
from workflow.lib.records import Pair, Prompt
from workflow.lib.rewards import KINDS, Asked, Episode, Means, Reward, Scorer, Special
from workflow.lib.rollouts import VALUE, Crew
from workflow.lib.samplers import CacheSampler
from workflow.lib.values import VALUES, values_at
from workflow.scripts import train_reward

EOS, PAD, USER, ASSISTANT = 0, 0, 1, 2
SPECIAL = Special(EOS, PAD, [])
ROW = Prompt("r", "p", "g", "train", "propositional", "?", ["yes", "no"], "yes", "gold", "")
ASKED = [Asked([USER, 40 + i, *[70] * i, EOS, ASSISTANT], ROW) for i in range(4)]
RESPONSES = [[50, 51, EOS], [52], [53, EOS], [54, 55, 56, 57]]
YES, NO = True, False


@pytest.fixture(scope="module")
def reward(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return a trained reward adapter."""
    folder = tmp_path_factory.mktemp("reward")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        rows = write_rows(folder, Pair)
        train_reward.main(**job(folder / "adapter", tiny_llama, "reward", REWARD, rows))
    return parent(folder / "adapter")


def hyperparameters(**changed: Any) -> Hyperparameters:
    known = Hyperparameters.__dataclass_fields__
    return Hyperparameters(**{k: v for k, v in {**PPO, **changed}.items() if k in known})


def alone(scorer: Scorer, held_out: Scorer | None = None) -> Reward:
    return Reward({"only": scorer}, {"only": 1.0}, held_out)


def team_on(
    base: Any, scorer: Scorer | Sequence[str], value: str = "shared", special: Special = SPECIAL
) -> Team:
    """Return a team whose reward is a function, or the adapter in files."""
    crew = Crew(base, LORA, [], seed=1)
    if not callable(scorer):
        means = Means(crew, None, special, {"reward": scorer}, {}, HARDWARE)
        scorer = KINDS["adapter"]({"method": "reward"}, means)
    head = VALUES[value](crew, LORA, [], 1)
    return Team(crew, CacheSampler(crew, "", LORA, HARDWARE, Path()), alone(scorer), head, special)


def test_the_score_is_at_the_last_token_of_the_response_and_the_penalty_at_all():
    mask = tensor([[NO, YES, YES, NO, NO], [NO, NO, YES, YES, YES]])
    kl = torch.full(mask.shape, 2.0)
    rewards = token_rewards(tensor([10.0, 20.0]), kl, mask, coefficient=0.5)
    expected = tensor([[0.0, -1.0, 9.0, 0.0, 0.0], [0.0, 0.0, -1.0, -1.0, 19.0]])
    torch.testing.assert_close(rewards, expected)


def test_every_row_is_picked_once_per_pass():
    drawn = [row for update in range(5) for row in picked(10, 4, update, seed=3)]
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10] != drawn[10:]
    assert picked(10, 4, 0, seed=3) != picked(10, 4, 0, seed=4)
    assert sorted(picked(2, 5, 0, seed=1)) in ([0, 0, 0, 1, 1], [0, 0, 1, 1, 1])


@pytest.mark.parametrize("value", VALUES)
def test_micro_batches_add_up_to_the_whole_batch(tiny_llama: Path, reward: list[str], value: str):
    records = []
    for micro in (1, 4):
        ppo = Ppo(
            team_on(load_base(tiny_llama, HARDWARE), reward, value), hyperparameters(), seed=1, micro=micro
        )
        ppo.step(0, ASKED)
        records.append(ppo.step(1, ASKED))
    assert records[0] == pytest.approx(records[1], rel=2e-3, abs=1e-4)


@pytest.mark.parametrize("value", VALUES)
def test_recomputed_activations_change_nothing(tiny_llama: Path, reward: list[str], value: str):
    records = []
    for recompute in (False, True):
        team = team_on(load_base(tiny_llama, HARDWARE), reward, value)
        if recompute:
            team.crew.recompute_activations()
        ppo = Ppo(team, hyperparameters(), seed=1, micro=4)
        ppo.step(0, ASKED)
        records.append(ppo.step(1, ASKED))
        assert team.crew.base.is_gradient_checkpointing == recompute
    assert records[0] == pytest.approx(records[1], rel=1e-4, abs=1e-5)


def test_a_value_adapter_leaves_the_policy_to_its_own_loss(tiny_llama: Path, reward: list[str]):
    """With advantages of 0 the policy has no gradient; only a shared value's loss moves it."""
    moved = {}
    for value in VALUES:
        team = team_on(load_base(tiny_llama, HARDWARE), reward, value)
        settings = hyperparameters(kl_coefficient=0.0, missing_eos_penalty=0.0, gamma=0.0, gae_lambda=0.0)
        ppo = Ppo(team, settings, seed=1, micro=4)
        with torch.no_grad():
            team.value.head.weight.fill_(0.1)
        before = [p.clone() for p in team.crew.parameters("default")]
        packed = pack([a.ids for a in ASKED], RESPONSES, PAD)
        team.reward.scores([Episode(*pair) for pair in zip(ASKED, RESPONSES, strict=True)])
        team.value.before(_sampled(team.crew.recall(packed, team.value.head, 1.0)), [packed])
        states = team.crew.states(packed.ids)
        nothing = 0.0 * team.crew.logps(states, packed, 1.0).sum()
        team.value.learn(nothing, states, packed, slice(0, 4), lambda v: (v - 1.0).square().mean(), 1.0)
        assert team.value.head.weight.grad.abs().max() > 0
        ppo._optimizer.step()
        after = team.crew.parameters("default")
        moved[value] = max(float((a - b).abs().max().detach()) for a, b in zip(after, before, strict=True))
        trained = [p for p in team.crew.parameters(VALUE) if p.grad is not None and p.grad.abs().max() > 0]
        assert bool(trained) == (value == "adapter")
    assert moved["shared"] > 1e-3 and moved["adapter"] == moved["reward"] == 0.0


def test_the_value_adapter_reads_its_own_states(tiny_llama: Path, reward: list[str]):
    """Values before learning are those of the adapter's own pass, not of the policy's."""
    team = team_on(load_base(tiny_llama, HARDWARE), reward, "adapter")
    with torch.no_grad():
        team.value.head.weight.fill_(0.1)
        for parameter in team.crew.parameters(VALUE):
            parameter.add_(0.05)
    packed = pack([a.ids for a in ASKED], RESPONSES, PAD)
    policy = team.crew.recall(packed, team.value.head, 1.0)
    found = team.value.before(_sampled(policy), [packed])
    assert (found - policy[2]).abs().max() > 1e-2
    assert team.crew.model.active_adapter == "default"


def _sampled(told: tuple[Tensor, Tensor, Tensor]) -> Any:
    from workflow.lib.rollouts import Sampled

    return Sampled(RESPONSES, *told)


def test_the_value_reads_the_states_in_which_the_reward_model_scores(tiny_llama: Path, reward: list[str]):
    """In two parts of other widths: those of the reward adapter's own passes row by row, not the policy's."""
    team = team_on(load_base(tiny_llama, HARDWARE), reward, "reward")
    head = load_file(reward[0])["base_model.model.score.weight"]
    assert torch.equal(team.value.head.weight, head) and not team.value.head.bias.any()
    with torch.no_grad():
        team.value.head.weight.fill_(0.1)
        for parameter in team.crew.parameters("default"):
            parameter.add_(0.05)
    parts = [slice(0, 1), slice(1, 4)]
    episodes = [Episode(*pair) for pair in zip(ASKED, RESPONSES, strict=True)]
    packed = [pack([a.ids for a in ASKED[part]], RESPONSES[part], PAD) for part in parts]
    alone = [pack([e.asked.ids], [e.response], PAD) for e in episodes]
    with team.crew.learning("reward_1"), torch.no_grad():
        rows = [values_at(team.value.head, team.crew.states(row.ids), row) for row in alone]
    policy = team.crew.recall(pack([a.ids for a in ASKED], RESPONSES, PAD), team.value.head, 1.0)
    for _ in range(2):  # in the second update nothing is left of the first
        for part in parts:
            team.reward.scores(episodes[part])
        found = team.value.before(_sampled(policy), packed)
        torch.testing.assert_close(found, torch.cat(rows), rtol=1e-4, atol=1e-4)
    assert (found - policy[2]).abs().max() > 1e-2
    seen: list[Tensor] = []

    def loss(values: Tensor) -> Tensor:
        seen.append(values.detach())
        return values.sum()

    nothing = torch.zeros((), requires_grad=True)
    team.value.learn(nothing, policy[0], packed[1], parts[1], loss, 1.0)
    torch.testing.assert_close(seen[0], torch.cat(rows[1:]), rtol=1e-4, atol=1e-4)


def test_the_coefficient_follows_the_target():
    about = {"target": 6.0, "horizon": 1000}
    # twice the target: the error 1 is clipped to 0.2; 0.1 * (1 + 0.2 * 50 / 1000)
    assert adaptive(0.1, 12.0, 50, about) == pytest.approx(0.101)
    # 5 % below: 0.1 * (1 - 0.05 * 50 / 1000)
    assert adaptive(0.1, 5.7, 50, about) == pytest.approx(0.09975)
    assert adaptive(0.1, 0.0, 50, about) == pytest.approx(0.099)
    assert adaptive(0.1, 6.0, 50, about) == 0.1
    assert fixed(0.1, 12.0, 50, {}) == 0.1


def test_the_coefficient_of_an_update_is_the_one_it_was_made_with(tiny_llama: Path, reward: list[str]):
    control = {"kind": "adaptive", "target": 1e-3, "horizon": 4}
    settings = hyperparameters(kl_control=control, kl_coefficient=0.5)
    ppo = Ppo(team_on(load_base(tiny_llama, HARDWARE), reward), settings, seed=1, micro=4)
    first, second = ppo.step(0, ASKED), ppo.step(1, ASKED)
    assert first["kl_coefficient"] == 0.5  # the policy is the reference: no divergence
    assert first["kl"] == pytest.approx(0.0, abs=1e-4)
    assert second["kl_coefficient"] == pytest.approx(0.5 * (1 - 0.2))  # 4 episodes of a horizon of 4
    assert second["kl"] > 1e-3
    assert ppo._coefficient == pytest.approx(0.4 * (1 + 0.2))


def test_the_rewards_pay_the_coefficient_of_the_moment(tiny_llama: Path):
    """One token, no score, values 0: half the squared price of divergence, whatever the first price was."""
    lost = []
    for first in (0.5, 4.0):
        team = team_on(load_base(tiny_llama, HARDWARE), lambda e: torch.zeros(len(e)))
        with torch.no_grad():
            for parameter in team.crew.parameters("default"):
                parameter.fill_(0.02)
        settings = hyperparameters(
            kl_coefficient=first, max_new_tokens=1, missing_eos_penalty=0.0, value_clip_range=100.0
        )
        ppo = Ppo(team, replace(settings, epochs_per_batch=1), seed=1, micro=4)
        ppo.restore({**ppo.state(), "kl_coefficient": 4.0})
        lost.append(ppo.step(0, ASKED)["value_loss"])
    assert lost[0] > 1e-4
    assert lost[0] == pytest.approx(lost[1])


def evens(episodes: Sequence[Episode]) -> Tensor:
    """Return 1 for each response that begins with an even token, 0 for an odd one."""
    return tensor([float(episode.response[0] % 2 == 0) for episode in episodes])


@pytest.mark.parametrize("value", ["shared", "adapter"])
def test_the_best_answer_is_found(tiny_llama: Path, tmp_path: Path, value: str):
    """About half of the tokens are even at first; the best policy samples no others."""
    settings = hyperparameters(
        updates=25,
        batch_size=32,
        learning_rate=3e-2,
        max_new_tokens=2,
        kl_coefficient=0.0,
        missing_eos_penalty=0.0,
        alarms={**PPO["alarms"], "most_kl": 1e9, "least_entropy": 0.0},
    )
    ppo = Ppo(team_on(load_base(tiny_llama, HARDWARE), evens, value), settings, seed=1, micro=32)
    with StopSignal() as stop:
        history = optimise(ppo, ASKED, tmp_path, stop)
    assert 0.2 < history[0]["score"] < 0.8
    assert history[-1]["score"] > 0.95
    assert history[-1]["kl"] > history[0]["kl"]


VOCABULARY = 8
PREFERRED = 2


def preferred(episodes: Sequence[Episode]) -> Tensor:
    """Return 1 for the one token, 0 for the others."""
    return tensor([float(episode.response[0] == PREFERRED) for episode in episodes])


def few_words() -> LlamaForCausalLM:
    """Return a random Llama of eight tokens, whose distribution is known in full."""
    torch.manual_seed(3)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=16, initializer_range=0.3, **sizes)
    return LlamaForCausalLM(config).eval()


def first_words(crew: Crew, reference: bool) -> Tensor:
    """Return the probability of each first token after the one prompt, (V,)."""
    with torch.no_grad(), crew._wearing(None) if reference else torch.enable_grad():
        states = crew.states(tensor([[1, 2]]))
        return torch.softmax(crew._head(states[:, -1]).float(), dim=-1)[0].detach()


@pytest.mark.parametrize("beta", [0.5, 1.0])
def test_the_optimum_under_the_divergence_is_the_known_one(tmp_path: Path, beta: float):
    """One token is worth 1: the best policy is π ∝ π_ref exp(r / β), for every token of the vocabulary."""
    settings = hyperparameters(
        updates=40,
        batch_size=256,
        learning_rate=2e-2,
        epochs_per_batch=2,
        max_new_tokens=1,
        kl_coefficient=beta,
        missing_eos_penalty=0.0,
        alarms={**PPO["alarms"], "most_kl": 1e9, "least_entropy": 0.0},
    )
    team = team_on(few_words(), preferred, special=Special(eos=VOCABULARY - 1, pad=0, tail=[]))
    ppo = Ppo(team, settings, seed=1, micro=256)
    reference = first_words(team.crew, reference=True)
    with StopSignal() as stop:
        optimise(ppo, [Asked([1, 2], ROW)], tmp_path, stop)
    tilted = reference * torch.exp(torch.eye(VOCABULARY)[PREFERRED] / beta)
    optimum = tilted / tilted.sum()
    found = first_words(team.crew, reference=False)
    assert optimum[PREFERRED] - reference[PREFERRED] > 0.08  # there was something to learn
    distance = 0.5 * float((found - optimum).abs().sum())
    print(f"beta {beta}: total variation {distance:.4f}, from {0.5 * (reference - optimum).abs().sum():.4f}")
    assert distance < 0.02


def test_as_rewards_the_estimators_have_other_optima():
    """At π ∝ π_ref exp(r / β) every answer is worth the same with k1; with k3 not."""
    reference, reward, beta = tensor([0.5, 0.3, 0.2]), tensor([0.0, 0.0, 1.0]), 0.7
    optimum = torch.softmax(reference.log() + reward / beta, dim=0)
    worth = {
        name: reward - beta * estimate(optimum.log(), reference.log())
        for name, estimate in ESTIMATORS.items()
    }
    # with k1 all are worth β log Z, Z = 0.5 + 0.3 + 0.2 exp(1 / 0.7)
    z = 0.8 + 0.2 * math.exp(1 / beta)
    torch.testing.assert_close(worth["k1"], torch.full((3,), beta * math.log(z)))
    assert worth["k3"].max() - worth["k3"].min() > 0.2
    # as estimates both are right: Σ π k = KL
    kl = float((optimum * (optimum / reference).log()).sum())
    for name, estimate in ESTIMATORS.items():
        assert float((optimum * estimate(optimum.log(), reference.log())).sum()) == pytest.approx(kl), name


def test_the_estimator_in_the_reward_is_the_one_in_the_settings(tiny_llama: Path, reward: list[str]):
    records = {}
    for name in ESTIMATORS:
        settings = hyperparameters(kl_estimator=name, kl_coefficient=5.0)
        ppo = Ppo(team_on(load_base(tiny_llama, HARDWARE), reward), settings, seed=1, micro=4)
        ppo.step(0, ASKED)
        records[name] = ppo.step(1, ASKED)
    assert records["k1"]["kl"] == pytest.approx(records["k3"]["kl"], rel=1e-3)
    assert records["k1"]["value_loss"] != pytest.approx(records["k3"]["value_loss"], rel=1e-3)


def test_a_response_that_is_cut_loses_the_penalty(tiny_llama: Path):
    """The score stays what the reward says; what is learned from is less by the penalty."""
    losses = []
    for penalty in (0.0, 3.0):
        team = team_on(load_base(tiny_llama, HARDWARE), lambda e: torch.full((len(e),), 2.0))
        settings = hyperparameters(missing_eos_penalty=penalty, max_new_tokens=1, value_clip_range=100.0)
        record = Ppo(team, replace(settings, epochs_per_batch=1), seed=1, micro=4).step(0, ASKED)
        assert record["score"] == 2.0 and record["eos"] == 0.0
        losses.append(record["value_loss"])
    # values are 0 and there is one token: half the squared return, (2 - penalty)² / 2
    assert losses == pytest.approx([2.0, 0.5])


def test_centred_scores_start_at_zero_and_keep_their_differences(tiny_llama: Path):
    """Values are 0, one token: half the squared return; the first update's mean, 3, is taken off for good."""
    found = []
    scores = iter([tensor([1.0, 3.0, 3.0, 5.0]), tensor([7.0, 7.0, 7.0, 7.0])])
    team = team_on(load_base(tiny_llama, HARDWARE), lambda e: next(scores))
    settings = hyperparameters(
        centre_scores=True, max_new_tokens=1, missing_eos_penalty=0.0, kl_coefficient=0.0, learning_rate=1e-12
    )
    ppo = Ppo(team, replace(settings, epochs_per_batch=1, value_clip_range=100.0), seed=1, micro=4)
    for update in range(2):
        found.append(ppo.step(update, ASKED))
        ppo.restore(ppo.state())
    assert [record["score"] for record in found] == [3.0, 7.0]  # as the reward says
    # ½ mean of (-2)², 0, 0, 2² is 1; ½ (7 - 3)² is 8
    assert [record["value_loss"] for record in found] == pytest.approx([1.0, 8.0])
