"""Losses against closed forms worked out here, their limits and gradients, and TRL's own numbers."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import PeftModel
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


def test_nll_lifts_what_counts_and_nothing_else():
    logps = tensor([[-1.0, math.nan], [math.nan, math.nan], [-2.0, -3.0]], requires_grad=True)
    mask = tensor([[YES, NO], [NO, NO], [YES, YES]])  # a whole row does not count
    loss = losses.nll(logps, mask)
    loss.backward()
    assert loss.item() == pytest.approx(6 / 3)
    torch.testing.assert_close(logps.grad, tensor([[-1 / 3, 0.0], [0.0, 0.0], [-1 / 3, -1 / 3]]))


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


def test_dpo_with_a_large_margin_has_learnt_it():
    """-log σ falls to 0 on the right side and grows by β per nat on the wrong one."""
    chosen = tensor([400.0, -400.0], requires_grad=True)
    zero = torch.zeros(2)
    loss = losses.dpo_sigmoid(chosen, zero, zero, zero, beta=0.5)
    loss.sum().backward()
    torch.testing.assert_close(loss, tensor([0.0, 200.0]))
    torch.testing.assert_close(chosen.grad, tensor([0.0, -0.5]))


def both(margin: float, beta: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return a margin of log-ratios that requires a gradient, and the loss of its label and of the other."""
    moved, zero = tensor([margin], requires_grad=True), torch.zeros(1)
    straight = losses.dpo_sigmoid(moved, zero, zero, zero, beta)
    return moved, straight, losses.dpo_sigmoid(zero, moved, zero, zero, beta)


def test_conservative_and_robust_dpo_by_hand():
    # βm = 1: straight log(1 + e⁻¹) = 0.31326, flipped log(1 + e) = 1.31326; a quarter of the labels wrong
    _, straight, flipped = both(2.0, beta=0.5)
    conservative, robust = (
        f(straight, flipped, 0.25).item() for f in (losses.dpo_conservative, losses.dpo_robust)
    )
    assert conservative == pytest.approx(0.75 * 0.313262 + 0.25 * 1.313262, abs=1e-5)
    assert robust == pytest.approx((0.75 * 0.313262 - 0.25 * 1.313262) / 0.5, abs=1e-5)
    for smoothed in (losses.dpo_conservative, losses.dpo_robust):
        torch.testing.assert_close(smoothed(straight, flipped, 0.0), straight)


def test_robust_dpo_is_right_on_average_over_wrong_labels():
    _, straight, flipped = both(1.3, beta=0.7)
    mean = 0.8 * losses.dpo_robust(straight, flipped, 0.2) + 0.2 * losses.dpo_robust(flipped, straight, 0.2)
    torch.testing.assert_close(mean, straight)


@pytest.mark.parametrize(("shift", "sign"), [(-0.5, -1), (0.0, 0), (0.5, 1)])
def test_conservative_dpo_stops_where_the_label_is_as_likely_as_it_is_right(shift: float, sign: int):
    """At σ(βm) = 1 - ε the gradient is 0: m = log((1 - ε)/ε) / β."""
    moved, straight, flipped = both(math.log(0.9 / 0.1) / 0.5 + shift, beta=0.5)
    losses.dpo_conservative(straight, flipped, 0.1).backward()
    assert moved.grad.item() == pytest.approx(0.0, abs=1e-6) if sign == 0 else moved.grad.item() * sign > 1e-3


def test_robust_dpo_never_stops():
    """Its gradient is -β (σ(-βm) (1 - ε) + σ(βm) ε) / (1 - 2ε): below 0 at every margin."""
    moved, straight, flipped = both(20.0, beta=0.5)
    losses.dpo_robust(straight, flipped, 0.1).backward()
    assert moved.grad.item() == pytest.approx(-0.5 * 0.1 / 0.8, abs=1e-4)


def test_ipo_by_hand():
    # margin (-1 - -2) - (-4 - -3) = 2, target 1/(2 · 0.5) = 1: (2 - 1)² = 1
    values = (tensor([-1.0]), tensor([-4.0]), tensor([-2.0]), tensor([-3.0]))
    assert losses.dpo_ipo(*values, beta=0.5).item() == pytest.approx(1.0)
    # at the reference the margin is 0: 1/(4β²)
    assert losses.dpo_ipo(*values[:2], *values[:2], beta=0.25).item() == pytest.approx(4.0)


@pytest.mark.parametrize(("margin", "gradient"), [(0.0, -2.0), (1.0, 0.0), (3.0, 4.0)])
def test_ipo_pulls_towards_its_target_from_both_sides(margin: float, gradient: float):
    """The target is 1/(2β) = 1, and d/dm (m - 1)² = 2 (m - 1)."""
    chosen, zero = tensor([margin], requires_grad=True), torch.zeros(1)
    losses.dpo_ipo(chosen, zero, zero, zero, beta=0.5).backward()
    assert chosen.grad.item() == pytest.approx(gradient)


def test_odds_ratio_by_hand():
    # p = 2/3 has odds 2, p = 1/3 odds 1/2: ratio 4; -log σ(log 4) = -log(4/5)
    loss = losses.orpo_odds_ratio(torch.log(tensor([2 / 3])), torch.log(tensor([1 / 3])))
    torch.testing.assert_close(loss, tensor([math.log(5 / 4)]))
    equal = losses.orpo_odds_ratio(tensor([-0.7]), tensor([-0.7]))
    torch.testing.assert_close(equal, tensor([math.log(2)]))


def test_odds_ratio_lifts_the_chosen_and_more_the_likelier_it_is():
    """With log odds z, dz/dlog p = 1/(1 - p); at z⁺ = z⁻ the sigmoid gives ½."""
    chosen, rejected = (torch.log(tensor([0.75])).requires_grad_() for _ in range(2))
    losses.orpo_odds_ratio(chosen, rejected).backward()
    assert chosen.grad.item() == pytest.approx(-0.5 * 4.0)
    assert rejected.grad.item() == pytest.approx(0.5 * 4.0)
    far = losses.orpo_odds_ratio(tensor([-1e-6]), tensor([-30.0]))
    assert 0.0 <= far.item() < 1e-6


def test_simpo_by_hand():
    # β = 2: rewards 2 · -0.5 = -1 and 2 · -2 = -4, apart by 3; -log σ(3 - 1)
    loss = losses.simpo(tensor([-0.5]), tensor([-2.0]), beta=2.0, gamma=1.0)
    torch.testing.assert_close(loss, tensor([math.log1p(math.exp(-2.0))]))
    equal = losses.simpo(tensor([-0.7]), tensor([-0.7]), beta=2.0, gamma=1.5)
    torch.testing.assert_close(equal, tensor([math.log1p(math.exp(1.5))]))


def test_simpo_lifts_the_chosen_and_the_more_within_the_margin():
    gradients = []
    for gamma in (0.0, 2.0):
        chosen, rejected = tensor([-1.0], requires_grad=True), tensor([-2.0], requires_grad=True)
        losses.simpo(chosen, rejected, beta=2.0, gamma=gamma).backward()
        # -β σ(-(βΔ - γ)) with βΔ = 2: σ(-2) without a margin, σ(0) at the margin
        assert chosen.grad.item() == -rejected.grad.item()
        gradients.append(chosen.grad.item())
    assert gradients == pytest.approx([-2.0 / (1.0 + math.exp(2.0)), -1.0])


def test_kto_by_hand():
    # β = 0.5, z = 1: gains 3 - 1 = 2 and -1 - 1 = -2. Good: 1 - σ(1), 1 - σ(-1); bad: 1 - σ(-1), 1 - σ(1)
    logps, reference = tensor([-2.0, -6.0, -2.0, -6.0]), tensor([-5.0, -5.0, -5.0, -5.0])
    found = losses.kto(logps, reference, tensor([YES, YES, NO, NO]), tensor(1.0), beta=0.5)
    low, high = 1 / (1 + math.e), 1 / (1 + math.exp(-1))
    torch.testing.assert_close(found, tensor([low, high, high, low]))


def test_kto_of_the_reference_itself_is_a_half_and_pulls_both_ways():
    """d/dx (1 - σ(±βx)) = ∓β σ(1 - σ) = ∓β/4 at x = 0."""
    logps = tensor([-3.0, -3.0], requires_grad=True)
    loss = losses.kto(logps, tensor([-3.0, -3.0]), tensor([YES, NO]), tensor(0.0), beta=0.4)
    loss.sum().backward()
    torch.testing.assert_close(loss, tensor([0.5, 0.5]))
    torch.testing.assert_close(logps.grad, tensor([-0.1, 0.1]))


def test_kto_stops_at_both_ends():
    """Unlike DPO's, its loss lies between 0 and 1 and is flat far from the reference point."""
    logps = tensor([500.0, -500.0], requires_grad=True)
    loss = losses.kto(logps, torch.zeros(2), tensor([YES, YES]), tensor(0.0), beta=0.5)
    loss.sum().backward()
    torch.testing.assert_close(loss, tensor([0.0, 1.0]))
    torch.testing.assert_close(logps.grad, torch.zeros(2))


def test_the_reference_point_of_kto_is_a_mean_that_is_not_negative_and_not_trained():
    logps = tensor([-1.0, -2.0], requires_grad=True)
    found = losses.kto_divergence(logps, tensor([-3.0, -3.0]))
    assert found.item() == pytest.approx((2 + 1) / 2) and not found.requires_grad
    assert losses.kto_divergence(logps, tensor([0.0, 0.0])).item() == 0.0
    # one row below the reference does not lose its sign before the mean
    assert losses.kto_divergence(tensor([3.0, -1.0]), torch.zeros(2)).item() == pytest.approx(1.0)


def test_bradley_terry_by_hand():
    # scores 3 and 1: -log σ(2); a constant added to both changes nothing
    expected = tensor([math.log1p(math.exp(-2.0))])
    torch.testing.assert_close(losses.bradley_terry(tensor([3.0]), tensor([1.0])), expected)
    torch.testing.assert_close(losses.bradley_terry(tensor([103.0]), tensor([101.0])), expected)


def test_a_margin_must_lie_between_the_scores():
    # scores 3 and 1, margins 0, 2 and -1: -log σ(2), -log σ(0), -log σ(3)
    found = losses.bradley_terry(tensor([3.0] * 3), tensor([1.0] * 3), tensor([0.0, 2.0, -1.0]))
    torch.testing.assert_close(found, tensor([math.log1p(math.exp(-x)) for x in (2.0, 0.0, 3.0)]))


def test_bradley_terry_parts_equal_scores_and_leaves_settled_ones():
    chosen, rejected = tensor([0.0, 90.0], requires_grad=True), tensor([0.0, -90.0], requires_grad=True)
    losses.bradley_terry(chosen, rejected).sum().backward()
    torch.testing.assert_close(chosen.grad, tensor([-0.5, 0.0]))
    torch.testing.assert_close(rejected.grad, tensor([0.5, 0.0]))


def test_centring_sees_what_bradley_terry_does_not():
    # (3 + 1)² = 16 pulls both down by 2 · 4; scores 1 and -1 are centred, whatever lies between them
    chosen, rejected = tensor([3.0, 1.0], requires_grad=True), tensor([1.0, -1.0], requires_grad=True)
    found = losses.centring(chosen, rejected)
    found.sum().backward()
    torch.testing.assert_close(found, tensor([16.0, 0.0]))
    for scores in (chosen, rejected):
        torch.testing.assert_close(scores.grad, tensor([8.0, 0.0]))


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


def test_gae_at_its_limits():
    # λ = 0: one step, r + γ V' - V; γ = 0: the reward less the value; a row without a response: nothing
    rewards, values = tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([[0.5, 0.25], [9.0, 9.0]])
    mask = tensor([[YES, YES], [NO, NO]])
    one_step, _ = losses.gae(rewards, values, mask, gamma=0.5, lam=0.0)
    torch.testing.assert_close(one_step, tensor([[1.0 + 0.125 - 0.5, 2.0 - 0.25], [0.0, 0.0]]))
    short_sighted, returns = losses.gae(rewards, values, mask, gamma=0.0, lam=1.0)
    torch.testing.assert_close(short_sighted, tensor([[0.5, 1.75], [0.0, 0.0]]))
    torch.testing.assert_close(returns, tensor([[1.0, 2.0], [0.0, 0.0]]))


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


def test_group_advantages_by_hand():
    # means 2 and 5; deviations of a sample √((1 + 1)/1) = √2 and 0
    rewards = tensor([[1.0, 3.0], [5.0, 5.0]])
    torch.testing.assert_close(
        losses.group_advantages(rewards, scaled=False), tensor([[-1.0, 1.0], [0.0, 0.0]])
    )
    scaled = 1.0 / (math.sqrt(2.0) + 1e-4)
    torch.testing.assert_close(
        losses.group_advantages(rewards, scaled=True), tensor([[-scaled, scaled], [0.0, 0.0]])
    )


def test_leave_one_out_by_hand():
    # of 1, 2, 6 the others' means are 4, 3.5, 1.5; it is G/(G - 1) times the advantage over the group's mean
    rewards = tensor([[1.0, 2.0, 6.0]])
    torch.testing.assert_close(losses.leave_one_out(rewards), tensor([[-3.0, -1.5, 4.5]]))
    torch.testing.assert_close(
        losses.leave_one_out(rewards), 1.5 * losses.group_advantages(rewards, scaled=False)
    )


def test_answers_or_tokens_weigh_alike():
    # answers of 1 and 3 tokens: (4 + (1 + 2 + 3)/3)/2 = 3, against (4 + 6)/(2 · 5) = 1
    values = tensor([[4.0, math.nan, math.nan], [1.0, 2.0, 3.0]])
    mask = tensor([[YES, NO, NO], [YES, YES, YES]])
    assert losses.mean_of_answers(values, mask) == 3.0
    assert losses.mean_of_budget(values, mask, longest=5) == 1.0


def test_clipped_value_loss():
    # old 0, clip 0.2. New 1, return 1: the plain error is 0, the clipped ½(0.2 - 1)² = 0.32 is the larger.
    assert losses.ppo_value(tensor([1.0]), tensor([0.0]), tensor([1.0]), 0.2).item() == pytest.approx(0.32)
    # New 0.1 is inside the range: ½(0.1 - 1)² = 0.405 either way
    assert losses.ppo_value(tensor([0.1]), tensor([0.0]), tensor([1.0]), 0.2).item() == pytest.approx(0.405)


@pytest.mark.parametrize(("value", "gradient"), [(0.1, -0.9), (-0.1, -1.1), (0.9, 0.0), (1.5, 0.0)])
def test_value_loss_pulls_towards_the_return_unless_clipped(value: float, gradient: float):
    """Old 0, return 1, clip 0.2: from 0.2 to 1.8 the clipped error, 0.8, is the larger one."""
    values = tensor([value], requires_grad=True)
    losses.ppo_value(values, tensor([0.0]), tensor([1.0]), 0.2).backward()
    assert values.grad.item() == pytest.approx(gradient)


ROWS = [
    {"prompt_ids": [1, 40, 2], "chosen_ids": [50, 51, 0], "rejected_ids": [60, 0]},
    {"prompt_ids": [1, 41, 42, 2], "chosen_ids": [52, 0], "rejected_ids": [61, 62, 63, 0]},
]
QUIET = {"use_cpu": True, "bf16": False, "report_to": "none"}
CASES = {
    "dpo": ("sigmoid", 0.0, 0.0),
    "cdpo": ("sigmoid", 0.1, 0.0),
    "robust": ("robust", 0.1, 0.0),
    "ipo": ("ipo", 0.0, 0.0),
    "dpo + nll": ("sigmoid", 0.0, 0.5),
    "cdpo + nll": ("sigmoid", 0.2, 0.5),
    "ipo + nll": ("ipo", 0.0, 2.0),
}


def policy_of(snapshot: Path, task: str = "CAUSAL_LM") -> PeftModel:
    """Return the tiny model with an adapter that is not at its start."""
    from tests.training import HARDWARE, LORA
    from workflow.lib.adapters import attach
    from workflow.lib.models import load_base, load_scorer

    if task == "CAUSAL_LM":
        base = load_base(snapshot, HARDWARE)
    else:
        base = load_scorer(snapshot, HARDWARE, pad=0, seed=2)
    return attach(base, LORA, [], task=task, seed=3)


def move(model: PeftModel) -> None:
    """Move the adapter away from the base, so that no difference is zero."""
    for name, parameter in model.named_parameters():
        if "lora_B.default" in name:
            torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(5))


def logps_of(model: PeftModel, prompt: list[int], completion: list[int]) -> torch.Tensor:
    """Return the log-probabilities of the tokens of ``completion``, one sequence at a time, unpadded."""
    ids = tensor([prompt + completion])
    every = model(ids).logits[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None]).squeeze(-1)
    return every[len(prompt) - 1 :]


@pytest.mark.parametrize(("loss", "smoothing", "weight"), CASES.values(), ids=CASES.keys())
def test_every_loss_of_dpo_equals_trl(tmp_path, tiny_llama, loss: str, smoothing: float, weight: float):
    """TRL's loss on a batch is the mean of ours over pairs, plus the mean NLL of the chosen tokens."""
    from datasets import Dataset
    from trl import DPOConfig

    from tests.training import DPO
    from workflow.lib.models import load_tokenizer
    from workflow.scripts.train_dpo import Settings, TokenTrainer, loss_terms

    settings = Settings(**{**DPO, "loss": loss, "label_smoothing": smoothing, "nll_weight": weight})
    model = policy_of(tiny_llama)
    args = DPOConfig(str(tmp_path), **loss_terms(settings), beta=0.3, max_length=None, **QUIET)
    trainer = TokenTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(ROWS),
        processing_class=load_tokenizer(tiny_llama),
    )
    move(model)
    (batch,), _ = trainer.get_batch_samples(iter([trainer.data_collator(ROWS)]), 1, torch.device("cpu"))
    theirs = trainer.compute_loss(model, batch)

    def each(side: str) -> list[torch.Tensor]:
        return [logps_of(model, row["prompt_ids"], row[f"{side}_ids"]) for row in ROWS]

    reduce = torch.mean if loss == "ipo" else torch.sum
    policy = [torch.stack([reduce(logps) for logps in each(side)]) for side in ("chosen", "rejected")]
    chosen = torch.cat(each("chosen"))
    with model.disable_adapter():  # the "ref" adapter is a copy of a new one, which is the base
        reference = [torch.stack([reduce(logps) for logps in each(side)]) for side in ("chosen", "rejected")]
    if loss == "ipo":
        pairs = losses.dpo_ipo(*policy, *reference, beta=0.3)
    else:
        straight = losses.dpo_sigmoid(*policy, *reference, beta=0.3)
        flipped = losses.dpo_sigmoid(*policy[::-1], *reference[::-1], beta=0.3)
        smoothed = losses.dpo_robust if loss == "robust" else losses.dpo_conservative
        pairs = smoothed(straight, flipped, smoothing)
        assert abs(straight.mean().item() - math.log(2)) > 1e-2
    ours = pairs.mean() + weight * losses.nll(chosen, torch.ones_like(chosen, dtype=torch.bool))
    torch.testing.assert_close(theirs, ours)


def test_nll_equals_trl(tmp_path, tiny_llama):
    """Rows of unequal lengths: the mean is over all completion tokens of the batch, the padding out of it."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from workflow.lib.models import load_tokenizer
    from workflow.lib.rows import labelled

    rows = [labelled(row["prompt_ids"], row["chosen_ids"]) for row in ROWS]
    model = policy_of(tiny_llama)
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(str(tmp_path), max_length=None, **QUIET),
        train_dataset=Dataset.from_list(rows),
        processing_class=load_tokenizer(tiny_llama),
    )
    move(model)
    theirs = trainer.compute_loss(model, trainer.data_collator(rows), num_items_in_batch=tensor(5))
    ours = torch.cat([logps_of(model, row["prompt_ids"], row["chosen_ids"]) for row in ROWS])
    assert len(ours) == 3 + 2
    torch.testing.assert_close(theirs, losses.nll(ours, torch.ones_like(ours, dtype=torch.bool)))


@pytest.mark.parametrize("centring", [0.0, 0.25])
def test_reward_loss_equals_trl(tmp_path, tiny_llama, centring: float):
    from trl import RewardConfig, RewardTrainer

    from workflow.lib.models import load_tokenizer
    from workflow.lib.training import Encoded
    from workflow.scripts.train_reward import conversations

    records = [SimpleNamespace(row_id=str(i), margin=margin) for i, margin in enumerate((0.5, -0.25))]
    data = conversations(Encoded(ROWS, 0, 0, records=records), margin=True)
    model = policy_of(tiny_llama, "SEQ_CLS")
    trainer = RewardTrainer(
        model=model,
        args=RewardConfig(
            str(tmp_path), center_rewards_coefficient=centring or None, max_length=None, **QUIET
        ),
        train_dataset=data,
        processing_class=load_tokenizer(tiny_llama),
    )
    move(model)
    theirs = trainer.compute_loss(model, trainer.data_collator(list(data)))

    def scores(side: str) -> torch.Tensor:
        return torch.cat([model(tensor([row["prompt_ids"] + row[f"{side}_ids"]])).logits[0] for row in ROWS])

    chosen, rejected = scores("chosen"), scores("rejected")
    ours = losses.bradley_terry(chosen, rejected, tensor([0.5, -0.25])).mean()
    torch.testing.assert_close(theirs, ours + centring * losses.centring(chosen, rejected).mean())
    assert abs((ours - losses.bradley_terry(chosen, rejected).mean()).item()) > 1e-2


def test_kto_equals_trl(tmp_path, tiny_llama):
    """TRL's own trainer on one micro-batch: weights apart for good and bad, z from the other completions."""
    from datasets import Dataset
    from trl import KTOConfig, KTOTrainer

    from workflow.lib.models import load_tokenizer
    from workflow.lib.rows import mismatched, unpaired

    class Ready(KTOTrainer):
        def _prepare_dataset(self, dataset: Dataset, *rest: object) -> Dataset:
            return dataset

    rows = mismatched(unpaired(ROWS)[0], seed=1, longest=64)
    model = policy_of(tiny_llama)
    trainer = Ready(
        model=model,
        args=KTOConfig(
            str(tmp_path), beta=0.3, desirable_weight=1.5, undesirable_weight=0.5, max_length=None, **QUIET
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=load_tokenizer(tiny_llama),
    )
    move(model)
    theirs = trainer.compute_loss(model, trainer.data_collator(rows))

    def summed(column: str) -> torch.Tensor:
        return torch.stack([logps_of(model, row["prompt_ids"], row[column]).sum() for row in rows])

    with model.disable_adapter():
        reference, elsewhere = summed("completion_ids"), summed("KL_completion_ids")
    divergence = losses.kto_divergence(summed("KL_completion_ids"), elsewhere)
    desirable = tensor([row["label"] for row in rows])
    each = losses.kto(summed("completion_ids"), reference, desirable, divergence, beta=0.3)
    torch.testing.assert_close(theirs, (torch.where(desirable, 1.5, 0.5) * each).mean())
    assert sorted(desirable.tolist()) == [False, False, True, True]


def test_simpo_equals_trl():
    from trl.experimental.cpo import CPOTrainer

    chosen, rejected = tensor([-0.3, -2.0]), tensor([-0.9, -0.4])
    trainer = SimpleNamespace(
        beta=2.5,
        simpo_gamma=1.25,
        alpha=0.0,
        label_smoothing=0.0,
        loss_type="simpo",
        accelerator=SimpleNamespace(device="cpu"),
    )
    theirs, *_ = CPOTrainer.cpo_loss(trainer, chosen, rejected)
    torch.testing.assert_close(theirs, losses.simpo(chosen, rejected, beta=2.5, gamma=1.25))


def test_odds_ratio_equals_trl():
    from trl.experimental.orpo import ORPOTrainer

    chosen, rejected = tensor([-0.3, -2.0]), tensor([-0.9, -0.4])
    trainer = SimpleNamespace(beta=0.25, accelerator=SimpleNamespace(device="cpu"))
    theirs, *_ = ORPOTrainer.odds_ratio_loss(trainer, chosen, rejected)
    torch.testing.assert_close(theirs, -0.25 * losses.orpo_odds_ratio(chosen, rejected))


ASKED = ["Is 1 odd?", "Is 12 odd?"]
GIVEN = [0.5, 2.0, -1.0, 0.25, 1.0, 1.0]  # rewards of three answers to each


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo"])
def test_grpo_equals_trl(tmp_path, tiny_llama, loss: str):
    from trl import GRPOConfig

    from workflow.scripts.train_grpo import LOSSES, TokenTrainer

    more = LOSSES[loss] | {"use_bias_correction_kl": False}
    model, trainer, batch = sampled(tmp_path, tiny_llama, TokenTrainer, GRPOConfig, **more)
    advantages = losses.group_advantages(tensor(GIVEN).view(2, 3), scaled=loss == "grpo").flatten()
    torch.testing.assert_close(batch["advantages"], advantages)
    move(model)
    theirs = trainer.compute_loss(model, batch)
    mask = batch["completion_mask"].bool()
    logps, reference = told_of(model, batch)
    old = batch["old_per_token_logps"]
    tokens = losses.ppo_policy(logps, old, advantages[:, None], clip=0.1)
    tokens = tokens + 0.3 * losses.kl_k3(logps, reference)
    assert ((logps - old).exp() - 1.0).abs()[mask].max() > 0.2  # some are clipped
    mean = {"grpo": losses.mean_of_answers, "dr_grpo": lambda *of: losses.mean_of_budget(*of, longest=6)}
    torch.testing.assert_close(theirs, mean[loss](tokens, mask))


def test_rloo_equals_trl(tmp_path, tiny_llama):
    """The price of divergence is that of the policy that sampled, so it moved before it did."""
    from trl import RLOOConfig

    from workflow.scripts.train_rloo import TokenTrainer

    model, trainer, batch = sampled(tmp_path, tiny_llama, TokenTrainer, RLOOConfig, before=move)
    logps, reference = told_of(model, batch)
    mask = batch["completion_mask"].bool()
    price = 0.3 * (losses.kl_k1(logps, reference) * mask).sum(1)
    assert price.abs().max() > 0.01
    advantages = losses.leave_one_out((tensor(GIVEN) - price).view(2, 3)).flatten()
    torch.testing.assert_close(batch["advantages"], advantages, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B.default" in name:
                parameter *= 1.1
    theirs = trainer.compute_loss(model, batch)
    now = (told_of(model, batch)[0] * mask).sum(1)
    ratio = (now - batch["old_logps"]).exp()
    assert (ratio - 1.0).abs().max() > 0.1  # one is clipped, if it pays
    torch.testing.assert_close(
        theirs, losses.ppo_policy(now, batch["old_logps"], advantages, clip=0.1).mean(), atol=1e-5, rtol=1e-5
    )


def sampled(folder: Path, snapshot: Path, kind: type, config: type, before=lambda model: None, **more):
    """Return a policy, its trainer, and three answers to each of two prompts of unequal lengths."""
    from datasets import Dataset

    from workflow.lib.chat import render
    from workflow.lib.models import load_tokenizer

    tokenizer, model = load_tokenizer(snapshot), policy_of(snapshot)
    rows = [{"prompt": render(tokenizer, text), "row": i} for i, text in enumerate(ASKED)]
    trainer = kind(
        model=model,
        reward_funcs=lambda **_: GIVEN,
        args=config(
            str(folder),
            per_device_train_batch_size=6,
            num_generations=3,
            num_iterations=2,
            max_completion_length=6,
            beta=0.3,
            epsilon=0.1,
            gradient_checkpointing=False,
            **more,
            **QUIET,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    trainer.current_gradient_accumulation_steps = 1
    model.train()
    before(model)
    torch.manual_seed(7)
    return model, trainer, trainer._generate_and_score_completions([row for row in rows for _ in range(3)])


def told_of(model: PeftModel, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what policy and bare base think of each token, (B, T), one unpadded sequence at a time."""

    def whole() -> torch.Tensor:
        grid = torch.zeros(batch["completion_ids"].shape)
        for i, mask in enumerate(batch["completion_mask"].bool()):
            prompt = batch["prompt_ids"][i][batch["prompt_mask"][i].bool()].tolist()
            answer = batch["completion_ids"][i][mask].tolist()
            grid[i, : len(answer)] = logps_of(model, prompt, answer)
        return grid

    policy = whole()
    with model.disable_adapter(), torch.no_grad():
        return policy, whole()
