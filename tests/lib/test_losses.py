"""Losses against closed forms worked out here, their limits and gradients, and TRL's own numbers."""

import math

import pytest
import torch
from torch import tensor

from workflow.lib import losses

YES, NO = True, False


def test_masked_mean_ignores_what_is_masked_and_micro_batches_add_up():
    values = tensor([[1.0, 2.0, math.nan], [3.0, 6.0, 9.0]])
    mask = tensor([[YES, YES, NO], [YES, NO, NO]])
    assert losses.masked_mean(values, mask) == (1 + 2 + 3) / 3
    parts = [losses.masked_mean(values[i : i + 1], mask[i : i + 1], count=3.0) for i in range(2)]
    assert sum(parts) == losses.masked_mean(values, mask)
    assert losses.masked_mean(values, torch.zeros_like(mask)) == 0.0


def test_whitening_is_over_the_mask():
    # mean (1+3)/2 = 2, variance ((1-2)² + (3-2)²)/2 = 1: 1 → -1, 3 → 1
    whitened = losses.masked_whiten(tensor([[1.0, 100.0, 3.0]]), tensor([[YES, NO, YES]]))
    torch.testing.assert_close(whitened, tensor([[-1.0, 0.0, 1.0]]))


def test_nll_is_the_mean_over_tokens_not_over_rows():
    logps = torch.log(tensor([[0.5, 0.5], [0.25, 1.0]]))
    mask = tensor([[YES, YES], [YES, NO]])
    assert losses.nll(logps, mask) == pytest.approx((2 * math.log(2) + math.log(4)) / 3)


def test_dpo_by_hand():
    # margin (-1 - -2) - (-4 - -3) = 2; -log σ(0.5 · 2) = log(1 + e^-1)
    loss = losses.dpo_sigmoid(tensor([-1.0]), tensor([-4.0]), tensor([-2.0]), tensor([-3.0]), beta=0.5)
    torch.testing.assert_close(loss, tensor([math.log1p(math.exp(-1.0))]))


@pytest.mark.parametrize("beta", [0.1, 5.0])
def test_dpo_of_the_reference_itself_is_log_2(beta: float):
    logps = (tensor([-3.0, -1.0]), tensor([-2.0, -8.0]))
    torch.testing.assert_close(losses.dpo_sigmoid(*logps, *logps, beta=beta), torch.full((2,), math.log(2)))


def test_dpo_without_beta_learns_nothing_and_otherwise_lifts_the_chosen():
    for beta, sign in ((0.0, 0.0), (0.3, 1.0)):
        chosen, rejected = tensor([-2.0], requires_grad=True), tensor([-2.0], requires_grad=True)
        losses.dpo_sigmoid(chosen, rejected, tensor([-2.0]), tensor([-2.0]), beta).sum().backward()
        # d/dm -log σ(βm) = -β σ(-βm) = -β/2 at m = 0
        assert chosen.grad.item() == pytest.approx(-sign * beta / 2)
        assert rejected.grad.item() == pytest.approx(sign * beta / 2)


def test_odds_ratio_by_hand():
    # p = 2/3 has odds 2, p = 1/3 odds 1/2: ratio 4; -log σ(log 4) = -log(4/5)
    loss = losses.orpo_odds_ratio(torch.log(tensor([2 / 3])), torch.log(tensor([1 / 3])))
    torch.testing.assert_close(loss, tensor([math.log(5 / 4)]))
    equal = losses.orpo_odds_ratio(tensor([-0.7]), tensor([-0.7]))
    torch.testing.assert_close(equal, tensor([math.log(2)]))


def test_bradley_terry_by_hand():
    # scores 3 and 1: -log σ(2); a constant added to both changes nothing
    expected = tensor([math.log1p(math.exp(-2.0))])
    torch.testing.assert_close(losses.bradley_terry(tensor([3.0]), tensor([1.0])), expected)
    torch.testing.assert_close(losses.bradley_terry(tensor([103.0]), tensor([101.0])), expected)


def test_kl_estimators_agree_in_expectation():
    # π = (0.7, 0.3), π_ref = (0.5, 0.5): KL = 0.7 log 1.4 + 0.3 log 0.6
    policy, reference = tensor([0.7, 0.3]), tensor([0.5, 0.5])
    truth = 0.7 * math.log(1.4) + 0.3 * math.log(0.6)
    k1 = losses.kl_k1(policy.log(), reference.log())
    k3 = losses.kl_k3(policy.log(), reference.log())
    assert (policy * k1).sum() == pytest.approx(truth, abs=1e-6)
    assert (policy * k3).sum() == pytest.approx(truth, abs=1e-6)
    assert k1.min() < 0.0 < k3.min()  # only k1 can be negative for one token
    assert k3.var() < k1.var()


def test_gae_by_hand():
    # γ = 0.5, λ = 0.5, values 1, 2, 4; reward 8 at the end. δ₃ = 8 - 4 = 4, δ₂ = 0 + 0.5·4 - 2 = 0,
    # δ₁ = 0 + 0.5·2 - 1 = 0; A₃ = 4, A₂ = 0 + 0.25·4 = 1, A₁ = 0 + 0.25·1 = 0.25; returns A + V.
    rewards, values = tensor([[0.0, 0.0, 8.0, 0.0]]), tensor([[1.0, 2.0, 4.0, 99.0]])
    mask = tensor([[YES, YES, YES, NO]])
    advantages, returns = losses.gae(rewards, values, mask, gamma=0.5, lam=0.5)
    torch.testing.assert_close(advantages, tensor([[0.25, 1.0, 4.0, 0.0]]))
    torch.testing.assert_close(returns, tensor([[1.25, 3.0, 8.0, 0.0]]))


def test_gae_does_not_see_what_is_before_or_after_the_response():
    rewards, values = tensor([[5.0, 0.0, 1.0, 7.0]]), tensor([[9.0, 0.5, 0.25, 9.0]])
    mask = tensor([[NO, YES, YES, NO]])
    advantages, _ = losses.gae(rewards, values, mask, gamma=1.0, lam=1.0)
    # Monte Carlo: return 1 at both tokens, less the value there
    torch.testing.assert_close(advantages, tensor([[0.0, 0.5, 0.75, 0.0]]))


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "learns"),
    [
        (1.0, 2.0, -2.0, True),
        (1.5, 1.0, -1.2, False),  # a good action that is likelier enough already
        (1.5, -1.0, 1.5, True),  # a bad one that became likelier: not clipped
        (0.5, -1.0, 0.8, False),
        (0.5, 1.0, -0.5, True),
    ],
)
def test_clipped_policy_loss(ratio: float, advantage: float, loss: float, learns: bool):
    logps = torch.log(tensor([[ratio]])).requires_grad_()
    found = losses.ppo_policy(logps, tensor([[0.0]]), tensor([[advantage]]), clip=0.2)
    found.sum().backward()
    assert found.item() == pytest.approx(loss)
    assert (logps.grad.item() != 0.0) == learns


def test_clipped_value_loss():
    # old 0, clip 0.2. New 1, return 1: the plain error is 0, the clipped ½(0.2 - 1)² = 0.32 is the larger.
    assert losses.ppo_value(tensor([1.0]), tensor([0.0]), tensor([1.0]), 0.2).item() == pytest.approx(0.32)
    # New 0.1 is inside the range: ½(0.1 - 1)² = 0.405 either way
    assert losses.ppo_value(tensor([0.1]), tensor([0.0]), tensor([1.0]), 0.2).item() == pytest.approx(0.405)


def test_dpo_and_nll_equal_trl(tmp_path, tiny_llama):
    """TRL's loss on a batch is ours: -log σ plus 0.5 times the mean NLL of the chosen tokens."""
    from datasets import Dataset
    from trl import DPOConfig

    from tests.training import HARDWARE, LORA
    from workflow.lib.adapters import attach
    from workflow.lib.models import load_base, load_tokenizer
    from workflow.scripts.train_dpo import TokenTrainer

    model = attach(load_base(tiny_llama, HARDWARE), LORA, [], task="CAUSAL_LM", seed=3)
    rows = [
        {"prompt_ids": [1, 40, 2], "chosen_ids": [50, 51, 0], "rejected_ids": [60, 0]},
        {"prompt_ids": [1, 41, 42, 2], "chosen_ids": [52, 0], "rejected_ids": [61, 62, 63, 0]},
    ]
    trainer = TokenTrainer(
        model=model,
        args=DPOConfig(
            str(tmp_path),
            loss_type=["sigmoid", "sft"],
            loss_weights=[1.0, 0.5],
            beta=0.3,
            max_length=None,
            use_cpu=True,
            bf16=False,
            report_to="none",
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=load_tokenizer(tiny_llama),
    )
    for name, parameter in model.named_parameters():
        if "lora_B.default" in name:  # away from the reference, so that the margin is not zero
            torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(5))
    theirs = trainer.compute_loss(model, trainer.data_collator(rows))

    def logps(row: dict[str, list[int]], side: str) -> torch.Tensor:
        ids = tensor([row["prompt_ids"] + row[f"{side}_ids"]])
        every = model(ids).logits[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None]).squeeze(-1)
        return every[len(row["prompt_ids"]) - 1 :]

    def summed(side: str) -> torch.Tensor:
        return torch.stack([logps(row, side).sum() for row in rows])

    policy = (summed("chosen"), summed("rejected"))
    chosen = torch.cat([logps(row, "chosen") for row in rows])
    with model.disable_adapter():  # the "ref" adapter is a copy of a new one, which is the base
        reference = (summed("chosen"), summed("rejected"))
    dpo = losses.dpo_sigmoid(*policy, *reference, beta=0.3).mean()
    ours = dpo + 0.5 * losses.nll(chosen, torch.ones_like(chosen, dtype=torch.bool))
    torch.testing.assert_close(theirs, ours)
    assert abs(dpo.item() - math.log(2)) > 1e-2


def test_odds_ratio_equals_trl():
    from types import SimpleNamespace

    from trl.experimental.orpo import ORPOTrainer

    chosen, rejected = tensor([-0.3, -2.0]), tensor([-0.9, -0.4])
    trainer = SimpleNamespace(beta=0.25, accelerator=SimpleNamespace(device="cpu"))
    theirs, *_ = ORPOTrainer.odds_ratio_loss(trainer, chosen, rejected)
    torch.testing.assert_close(theirs, -0.25 * losses.orpo_odds_ratio(chosen, rejected))
