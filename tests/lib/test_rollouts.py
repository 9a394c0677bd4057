"""Rollouts: sampling with a cache, adapters that share a base and do not touch each other."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import tensor

from tests.families import tiny
from tests.tiny_gpt2 import write_tiny_gpt2
from tests.tiny_llama import write_tiny_llama
from tests.training import HARDWARE, LORA, REWARD, job, parent, write_rows
from workflow.lib import decoding, rollouts
from workflow.lib.adapters import TRAINED, attach
from workflow.lib.errors import IntegrityError
from workflow.lib.models import load_base, load_scorer, load_tokenizer
from workflow.lib.packing import pack
from workflow.lib.records import Pair
from workflow.lib.rollouts import REWARD as REWARD_NAME
from workflow.lib.rollouts import VALUE, Crew, cut, drawn_at
from workflow.scripts import train_reward

EOS, PAD, USER, ASSISTANT = 0, 0, 1, 2
PROMPTS = [[USER, 40 + i, *[70] * i, EOS, ASSISTANT] for i in range(4)]


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
def crew(tiny_llama: Path) -> Crew:
    return Crew(load_base(tiny_llama, HARDWARE), LORA, [], seed=1)


def shapes(crew: Crew) -> list[tuple[int, ...]]:
    """Return the list to which the shape of every later pass, (rows, tokens), is added."""
    seen: list[tuple[int, ...]] = []
    crew._trunk.register_forward_hook(
        lambda *hooked: seen.append(tuple(hooked[-1].last_hidden_state.shape[:2]))
    )
    return seen


def test_a_response_ends_with_its_first_eos():
    assert cut([5, EOS, 6, EOS], EOS) == [5, EOS]
    assert cut([5, 6], EOS) == [5, 6]


def test_scores_equal_those_of_the_reward_model_itself(tiny_llama: Path, crew: Crew, reward: list[str]):
    """The reward adapter on the causal base scores like a sequence classifier with that adapter."""
    name = crew.add_reward(reward)
    tokenizer = load_tokenizer(tiny_llama)
    scorer = load_scorer(tiny_llama, HARDWARE, pad=tokenizer.pad_token_id, seed=9)
    model = PeftModel.from_pretrained(scorer, Path(reward[0]).parent).eval()
    rows = [[*prompt, 50 + i, 51, EOS] for i, prompt in enumerate(PROMPTS)]
    alone = [model(tensor([row])).logits.item() for row in rows]
    torch.testing.assert_close(crew.scores(name, rows, PAD), tensor(alone), rtol=1e-4, atol=1e-4)
    wider = crew.scores(name, [*rows, [*PROMPTS[0], *[60] * 20, EOS]], PAD)[:-1]
    torch.testing.assert_close(wider, tensor(alone), rtol=1e-4, atol=1e-4)


def test_two_reward_models_share_the_base(crew: Crew, reward: list[str]):
    first, second = crew.add_reward(reward), crew.add_reward(reward)
    rows = [[*prompt, 50, EOS] for prompt in PROMPTS]
    before = crew.scores(first, rows, PAD)
    with torch.no_grad():
        for parameter in crew.parameters(second):
            parameter.add_(0.1)
    torch.testing.assert_close(crew.scores(first, rows, PAD), before, rtol=0.0, atol=0.0)
    assert (crew.scores(second, rows, PAD) - before).abs().max() > 1e-3
    assert {first, second} == {REWARD_NAME.format(1), REWARD_NAME.format(2)}


def test_what_sampling_records_is_what_a_whole_pass_computes(crew: Crew):
    """Left packing and the cache change nothing: log-probabilities, entropy and values agree by token."""
    value = torch.nn.Linear(crew.base.config.hidden_size, 1)
    draw = torch.Generator().manual_seed(2)
    sampled = crew.sample(PROMPTS, value, longest=6, temperature=0.7, eos=EOS, pad=PAD, generator=draw)
    packed = pack(PROMPTS, sampled.responses, PAD)
    logps, entropy, values = crew.recall(packed, value, 0.7)
    states = crew.states(packed.ids)
    torch.testing.assert_close(logps, crew.logps(states, packed, 0.7).detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sampled.logps, logps, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(sampled.entropy, entropy, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(sampled.values, values, rtol=1e-4, atol=1e-4)
    assert len(entropy) == sum(map(len, sampled.responses))


@pytest.mark.parametrize("family", ["granite", "gemma2", "mixtral", "opt"])
def test_what_is_sampled_has_the_probability_that_the_model_gives_it(family: str):
    """Logits that are scaled or bounded, windows shorter than a row, experts, a trunk within the trunk."""
    crew = Crew(tiny(family), LORA, [], seed=1)
    value = torch.nn.Linear(crew.base.config.hidden_size, 1)
    draw = torch.Generator().manual_seed(2)
    sampled = crew.sample(PROMPTS, value, longest=12, temperature=0.7, eos=EOS, pad=PAD, generator=draw)
    packed = pack(PROMPTS, sampled.responses, PAD)
    logits = crew.model(input_ids=packed.ids).logits[:, :-1][packed.mask].detach()
    expected = torch.log_softmax(logits / 0.7, dim=-1)
    expected = expected.gather(-1, packed.ids[:, 1:][packed.mask][:, None]).squeeze(-1)
    for found in (sampled.logps, crew.recall(packed, value, 0.7)[0], crew.reference_logps(packed, 0.7)):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_rows_that_have_ended_leave_without_a_trace(crew: Crew, monkeypatch: pytest.MonkeyPatch):
    """Whoever stays draws the same tokens, whether or not the others are still computed."""
    value = torch.nn.Linear(crew.base.config.hidden_size, 1)
    push = 4.0 * torch.nn.functional.one_hot(tensor(EOS), crew.base.config.vocab_size)
    crew.base.lm_head.register_forward_hook(lambda head, given, logits: logits + push)
    computed = shapes(crew)
    told, rows = [], []
    for crowded in (0.99, -1.0):  # each row leaves once it has ended; none does
        monkeypatch.setattr(decoding, "CROWDED", crowded)
        draw = torch.Generator().manual_seed(3)
        told.append(
            crew.sample(PROMPTS * 4, value, longest=12, temperature=1.0, eos=EOS, pad=PAD, generator=draw)
        )
        rows.append([count for count, _ in computed])
        computed.clear()
    fewer, all_of_them = told
    lengths = [len(response) for response in fewer.responses]
    assert min(lengths) < 3 and max(lengths) == 12
    assert rows[0] == [sum(length > step for length in lengths) for step in range(12)]
    assert rows[1] == [16] * 12
    assert fewer.responses == all_of_them.responses
    for name in ("logps", "entropy", "values"):
        torch.testing.assert_close(getattr(fewer, name), getattr(all_of_them, name), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("chance", "token"), [(0.0, 0), (0.1999, 0), (0.2, 2), (0.6999, 2), (0.7, 3), (1.0 - 2.0**-53, 3)]
)
def test_a_token_is_drawn_where_the_probabilities_pass_the_chance(chance: float, token: int):
    """Sums 0.2, 0.2, 0.7, 1, 1: neither the second nor the last token has any probability."""
    weights = torch.tensor([[0.2, 0.0, 0.5, 0.3, 0.0]], dtype=torch.float64)
    assert drawn_at(weights, torch.tensor([[chance]], dtype=torch.float64)).tolist() == [[token]]


def test_the_reference_of_a_new_policy_is_the_base_and_stays_it(crew: Crew, reward: list[str]):
    crew.add_reward(reward)
    crew.add_value(LORA, [], seed=1)
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
    with crew.learning(VALUE):
        trained = {name for name, p in crew.model.named_parameters() if p.requires_grad}
        assert trained and all(f".{VALUE}." in name for name in trained)


def test_a_value_adapter_starts_where_the_policy_does(crew: Crew, tiny_llama: Path, tmp_path: Path):
    with torch.no_grad():
        for parameter in crew.parameters("default"):
            parameter.add_(0.1)
    crew.model.save_pretrained(tmp_path, selected_adapters=["default"])
    other = Crew(load_base(tiny_llama, HARDWARE), LORA, parent(tmp_path), seed=5)
    generator = torch.get_rng_state()
    other.add_value(LORA, parent(tmp_path), seed=7)
    assert torch.equal(torch.get_rng_state(), generator)
    pairs = zip(other.parameters(VALUE), other.parameters("default"), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_there_is_no_dropout_however_late_an_adapter_comes(tiny_llama: Path, reward: list[str]):
    base = load_base(tiny_llama, HARDWARE)
    attentions = [module for module in base.modules() if hasattr(module, "attention_dropout")]
    for module in attentions:
        module.attention_dropout = 0.5
    crew = Crew(base, {**LORA, "dropout": 0.5}, [], seed=1)
    crew.add_value({**LORA, "dropout": 0.5}, [], seed=1)
    crew.add_reward(reward)
    rates = [module.p for module in crew.model.modules() if isinstance(module, torch.nn.Dropout)]
    assert len(rates) > 10 and set(rates) == {0.0}
    assert [module.attention_dropout for module in attentions] == [0.0, 0.0]


def test_a_reward_adapter_without_a_head_is_refused(crew: Crew, tiny_llama: Path, tmp_path: Path):
    base = load_base(tiny_llama, HARDWARE)
    attach(base, LORA, [], task="CAUSAL_LM", seed=1).save_pretrained(tmp_path)
    with pytest.raises(IntegrityError, match="one head"):
        crew.add_reward(parent(tmp_path))


SHARED = [USER, 40, 41, 42, 43, 44, 45, 46]  # what an instruction is to all prompts
ROWS = [[*SHARED, 50 + i, *[60] * i, EOS, ASSISTANT, 70, 71 + i] for i in range(4)]


def trained_states(crew: Crew, ids: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the states of the policy, and the gradient of a random sum of them."""
    states = crew.states(ids)
    weights = torch.randn(states.shape, generator=torch.Generator().manual_seed(5))
    (states * weights).sum().backward()
    gradients = [parameter.grad.clone() for parameter in crew.parameters(TRAINED)]
    crew.model.zero_grad()
    return states.detach(), gradients


@pytest.mark.parametrize("family", [write_tiny_llama, write_tiny_gpt2])
def test_what_all_rows_begin_with_is_computed_once(
    family: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """States and gradients are those of whole rows; the passes are one short row and the rests."""
    crew = Crew(load_base(family(tmp_path / "base"), HARDWARE), LORA, [], seed=1)
    ids = pack(ROWS, [[80]] * 4, PAD).ids
    seen = shapes(crew)
    states, gradients = trained_states(crew, ids)
    assert seen == [(1, len(SHARED)), (4, ids.shape[1] - len(SHARED))]
    monkeypatch.setattr(rollouts, "WORTH", 1.0)
    whole, expected = trained_states(crew, ids)
    assert seen[2:] == [tuple(ids.shape)]
    torch.testing.assert_close(states, whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradients, expected, rtol=1e-3, atol=1e-4)
    assert max(float(gradient.abs().max()) for gradient in gradients) > 0.1


def test_a_beginning_that_saves_little_is_no_pass_of_its_own(crew: Crew):
    """Two tokens save 6 of the 44 of a batch, which is more than an eighth; one saves 3 of 40."""
    seen = shapes(crew)
    for start, passes in ((0, 2), (6, 2), (7, 1), (8, 1)):
        crew.states(pack([row[start:] for row in ROWS], [[80]] * 4, PAD).ids)
        assert len(seen) == passes, start
        seen.clear()
    crew.states(pack(ROWS[:1], [[80]], PAD).ids)  # alone: nothing to share
    crew.recompute_activations()
    crew.states(pack(ROWS, [[80]] * 4, PAD).ids)  # what is computed again keeps no keys and values
    assert [rows for rows, _ in seen] == [1, 4]
