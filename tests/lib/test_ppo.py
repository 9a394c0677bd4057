"""PPO: rewards at the right token, exact micro-batches, gates by name, and a problem with a known optimum."""

from pathlib import Path

import pytest
import torch
from torch import tensor

from tests.training import HARDWARE, LORA, PPO, REWARD, job, parent, write_rows
from workflow.lib.adapters import attach
from workflow.lib.checkpoints import StopSignal
from workflow.lib.errors import IntegrityError, NumericalError
from workflow.lib.models import load_base, load_scorer, load_tokenizer
from workflow.lib.ppo import (
    Hyperparameters,
    Ppo,
    Special,
    check_health,
    explained_variance,
    optimise,
    picked,
    token_rewards,
)
from workflow.lib.records import Pair
from workflow.lib.rollouts import Crew, cut, pack
from workflow.scripts import train_reward

EOS, PAD, USER, ASSISTANT = 0, 0, 1, 2
SPECIAL = Special(EOS, PAD, [])
PROMPTS = [[USER, 40 + i, *[70] * i, EOS, ASSISTANT] for i in range(4)]
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


@pytest.fixture
def crew(tiny_llama: Path, reward: list[str]) -> Crew:
    return Crew(load_base(tiny_llama, HARDWARE), LORA, [], reward, seed=1)


def hyperparameters(**changed: float) -> Hyperparameters:
    known = Hyperparameters.__dataclass_fields__
    return Hyperparameters(**{k: v for k, v in {**PPO, **changed}.items() if k in known})


def test_the_score_is_at_the_last_token_of_the_response_and_the_penalty_at_all():
    mask = tensor([[NO, YES, YES, NO, NO], [NO, NO, YES, YES, YES]])
    kl = torch.full(mask.shape, 2.0)
    rewards = token_rewards(tensor([10.0, 20.0]), kl, mask, coefficient=0.5)
    expected = tensor([[0.0, -1.0, 9.0, 0.0, 0.0], [0.0, 0.0, -1.0, -1.0, 19.0]])
    torch.testing.assert_close(rewards, expected)


def test_explained_variance():
    mask = tensor([[YES, YES, YES, NO]])
    returns = tensor([[0.0, 1.0, 2.0, 50.0]])
    assert explained_variance(returns, returns, mask) == 1.0
    assert explained_variance(torch.zeros(1, 4), returns, mask) == 0.0
    # residuals 0, 0.5, 1: variance a quarter of that of the returns
    assert explained_variance(returns / 2, returns, mask) == pytest.approx(0.75)
    assert explained_variance(returns, torch.ones(1, 4), mask) == 0.0


def test_every_row_is_picked_once_per_pass():
    drawn = [row for update in range(5) for row in picked(10, 4, update, seed=3)]
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10] != drawn[10:]
    assert picked(10, 4, 0, seed=3) != picked(10, 4, 0, seed=4)
    assert sorted(picked(2, 5, 0, seed=1)) in ([0, 0, 0, 1, 1], [0, 0, 1, 1, 1])


def test_packing_marks_the_response():
    packed = pack([[7, 8], [9]], [[5], [6, 6, 6]], pad=0)
    assert packed.ids.tolist() == [[7, 8, 5, 0], [9, 6, 6, 6]]
    # the mask is at the token before, whose state predicts it
    assert packed.mask.tolist() == [[NO, YES, NO], [YES, YES, YES]]


def test_a_response_ends_with_its_first_eos():
    assert cut([5, EOS, 6, EOS], EOS) == [5, EOS]
    assert cut([5, 6], EOS) == [5, 6]


def test_scores_equal_those_of_the_reward_model_itself(tiny_llama: Path, crew: Crew, reward: list[str]):
    """The reward adapter on the causal base scores like a sequence classifier with that adapter."""
    tokenizer = load_tokenizer(tiny_llama)
    scorer = load_scorer(tiny_llama, HARDWARE, pad=tokenizer.pad_token_id, seed=9)
    from peft import PeftModel

    model = PeftModel.from_pretrained(scorer, Path(reward[0]).parent).eval()
    rows = [[*prompt, 50 + i, 51, EOS] for i, prompt in enumerate(PROMPTS)]
    alone = [model(tensor([row])).logits.item() for row in rows]
    torch.testing.assert_close(crew.scores(rows, PAD), tensor(alone), rtol=1e-4, atol=1e-4)
    wider = crew.scores([*rows, [*PROMPTS[0], *[60] * 20, EOS]], PAD)[:-1]
    torch.testing.assert_close(wider, tensor(alone), rtol=1e-4, atol=1e-4)


def test_what_sampling_records_is_what_a_whole_pass_computes(crew: Crew):
    """Left packing and the cache change nothing: log-probabilities and values agree token by token."""
    value = torch.nn.Linear(crew.base.config.hidden_size, 1)
    draw = torch.Generator().manual_seed(2)
    sampled = crew.sample(PROMPTS, value, longest=6, temperature=0.7, eos=EOS, pad=PAD, generator=draw)
    packed = pack(PROMPTS, sampled.responses, PAD)
    states = crew.states(packed.ids)
    torch.testing.assert_close(sampled.logps, crew.logps(states, packed, 0.7).detach(), rtol=1e-4, atol=1e-4)
    values = value(states[:, :-1][packed.mask]).squeeze(-1)
    torch.testing.assert_close(sampled.values, values.detach(), rtol=1e-4, atol=1e-4)
    assert len(sampled.entropy) == sum(map(len, sampled.responses))


def test_the_reference_of_a_new_policy_is_the_base_and_stays_it(crew: Crew):
    packed = pack(PROMPTS, [[50, 51, EOS]] * 4, PAD)
    before = crew.reference_logps(packed, 1.0)
    with torch.no_grad():
        for name, parameter in crew.model.named_parameters():
            if "lora_B.default" in name:
                parameter.add_(0.1)
    torch.testing.assert_close(crew.reference_logps(packed, 1.0), before, rtol=0.0, atol=0.0)
    moved = crew.logps(crew.states(packed.ids), packed, 1.0)
    assert (moved - before).abs().max() > 1e-3
    trained = {name for name, p in crew.model.named_parameters() if p.requires_grad}
    assert trained and all(".default." in name for name in trained)


def test_micro_batches_add_up_to_the_whole_batch(tiny_llama: Path, reward: list[str]):
    records = []
    for micro in (1, 4):
        crew = Crew(load_base(tiny_llama, HARDWARE), LORA, [], reward, seed=1)
        ppo = Ppo(crew, hyperparameters(), SPECIAL, seed=1, micro=micro)
        records.append(ppo.step(0, PROMPTS))
    assert records[0] == pytest.approx(records[1], rel=1e-3, abs=1e-5)


def test_recomputed_activations_change_nothing(tiny_llama: Path, reward: list[str]):
    records = []
    for recompute in (False, True):
        crew = Crew(load_base(tiny_llama, HARDWARE), LORA, [], reward, seed=1)
        if recompute:
            crew.recompute_activations()
        ppo = Ppo(crew, hyperparameters(), SPECIAL, seed=1, micro=4)
        records.append(ppo.step(0, PROMPTS))
        assert crew.base.is_gradient_checkpointing == recompute
    assert records[0] == pytest.approx(records[1], rel=1e-4, abs=1e-6)


class Wishes(Crew):
    """A crew whose reward is known: 1 where the first token of the response has an even number."""

    def scores(self, rows: list[list[int]], pad: int) -> torch.Tensor:
        """Return 1.0 for an even first token, 0.0 for an odd one."""
        return tensor([float(row[row.index(ASSISTANT) + 1] % 2 == 0) for row in rows])


def test_a_known_optimum_is_found(tiny_llama: Path, reward: list[str], tmp_path: Path):
    """About half of the tokens are even at first; the best policy samples no others."""
    crew = Wishes(load_base(tiny_llama, HARDWARE), LORA, [], reward, seed=1)
    settings = hyperparameters(
        updates=25,
        batch_size=32,
        learning_rate=3e-2,
        max_new_tokens=2,
        kl_coefficient=0.0,
        missing_eos_penalty=0.0,
        max_kl=1e9,
    )
    ppo = Ppo(crew, settings, SPECIAL, seed=1, micro=32)
    with StopSignal() as stop:
        history = optimise(ppo, PROMPTS, tmp_path, stop)
    assert 0.2 < history[0]["score"] < 0.8
    assert history[-1]["score"] > 0.95
    assert history[-1]["kl"] > history[0]["kl"]


def test_a_reward_adapter_without_a_head_is_refused(tiny_llama: Path, reward: list[str], tmp_path: Path):
    base = load_base(tiny_llama, HARDWARE)
    attach(base, LORA, [], task="CAUSAL_LM", seed=1).save_pretrained(tmp_path)
    with pytest.raises(IntegrityError, match="one head"):
        Crew(load_base(tiny_llama, HARDWARE), LORA, [], parent(tmp_path), seed=1)


HEALTHY = {"step": 3.0, "kl": 1.0, "entropy": 0.5, "score": 0.1}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kl": 51.0}, "PPO update 3: kl to the reference is 51 .* max_kl is 50"),
        ({"entropy": 0.009}, "PPO update 3: entropy collapsed from 1 to 0.009"),
        ({"score": float("nan")}, "PPO update 3: score is nan"),
    ],
)
def test_alarms_name_their_reason(changed: dict[str, float], message: str):
    check_health(HEALTHY, first_entropy=1.0, max_kl=50.0)
    with pytest.raises(NumericalError, match=message):
        check_health({**HEALTHY, **changed}, first_entropy=1.0, max_kl=50.0)
