"""Our PPO against TRL's last one on the same tiny task: time, memory of the models, reward and divergence.

``python benchmarks/ppo_against_trl.py`` does everything: it puts TRL 1.12.0 (the last with a PPOTrainer) into
a folder of its own under ``work/``, without touching this environment, whose torch, transformers and PEFT
both sides share; trains a small Llama to answer with 4 to 24 characters and a reward model on it that likes
digits; then trains with either side in turn, each run in a process of its own, and scores both sides'
adapters with the same code. It prints the table of README.md: medians over the runs.

Same on both sides: base, LoRA, reward model, prompts, batch, epochs, learning rate and its schedule, response
length, temperature, price of divergence, clipping, GAE. Each is used as its authors mean it to be: TRL with a
value model, which starts from the reward model, a reward model of its own and a reference that is the policy
without its adapter; ours with everything on one base and a value on the reward model's states.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TRL = "1.12.0"
LORA = {
    "r": 8,
    "alpha": 16,
    "dropout": 0.0,
    "target_modules": ["q_proj", "v_proj"],
    "rank_stabilised": False,
    "dora": False,
}
HARDWARE = {
    **{
        "device": "cpu",
        "precision": "float32",
        "attention": "sdpa",
        "quantisation": "none",
        "deepspeed": "none",
    },
    **{"processes": 1, "nodes": 1, "micro_batch": 32, "gradient_checkpointing": False},
}
BATCH, EPOCHS, LONGEST, LEARNING_RATE, PRICE = 32, 2, 24, 3.0e-3, 0.05
EOS_PENALTY = 1.0  # score that a response loses which has not ended
SPECIAL = ["<|end|>", "<|user|>", "<|assistant|>", "<|pad|>"]
SAMPLES = 512  # responses by which an adapter is scored
HIDDEN, LAYERS = 128, 4
BASE_STEPS, REWARD_STEPS = 300, 150
WARM = 2  # updates at the start that are not timed
KEPT = 5  # updates from one adapter that is scored to the next
LEVELS = (5, 10, 20, 30)  # nats per response at which rewards are compared


def mebibytes(tensors: Any) -> float:
    """Return the size of distinct tensors, MiB."""
    return sum(t.numel() * t.element_size() for t in {t.data_ptr(): t for t in tensors}.values()) / 2**20


def tokenizer_in(folder: Path) -> Any:
    """Return the tokenizer of the base."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder / "base")


def digits_in(folder: Path) -> list[int]:
    """Return the tokens that are digits."""
    found: list[int] = tokenizer_in(folder).encode("0123456789")
    return found


def prompts(folder: Path) -> list[list[int]]:
    """Return 64 prompts as tokens."""
    tokenizer = tokenizer_in(folder)
    return [tokenizer.encode(f"<|user|>Write number {i}.<|end|><|assistant|>") for i in range(64)]


def crew_in(folder: Path, start: Path | None = None) -> tuple[Any, str]:
    """Return the base with a policy and the reward model on it, and the reward model's name."""
    from workflow.lib.models import load_base
    from workflow.lib.rollouts import Crew

    files = (
        [str(start / name) for name in ("adapter_model.safetensors", "adapter_config.json")] if start else []
    )
    crew = Crew(load_base(folder / "base", HARDWARE), LORA, files, seed=1)
    reward = [str(folder / "reward" / name) for name in ("adapter_model.safetensors", "adapter_config.json")]
    return crew, crew.add_reward(reward)


# --- the task ---------------------------------------------------------------------------------------------


def make_task(folder: Path) -> None:
    """Write a random Llama with one token per character, and a reward model that likes digits."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokens = {t: i for i, t in enumerate([*SPECIAL, "Ċ", "Ġ", *map(chr, range(33, 127))])}
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=SPECIAL[0], pad_token=SPECIAL[3])
    whole.save_pretrained(folder / "base")
    torch.manual_seed(0)
    sizes = {"hidden_size": HIDDEN, "intermediate_size": 3 * HIDDEN, "num_hidden_layers": LAYERS}
    config = LlamaConfig(
        vocab_size=len(tokens),
        num_attention_heads=4,
        max_position_embeddings=128,
        initializer_range=0.06,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=3,
        **sizes,
    )
    LlamaForCausalLM(config).save_pretrained(folder / "base")
    generator = torch.Generator().manual_seed(2)
    train_base(folder, generator)
    train_reward(folder, generator)


def answers(digits: list[int], shares: list[float], generator: Any) -> list[list[int]]:
    """Return one answer of 4 tokens to the longest for each of ``shares``: how many of them are digits."""
    import torch

    told = []
    for share in shares:
        length = int(torch.randint(3, LONGEST, (1,), generator=generator))
        plain = torch.randint(4, 100, (length,), generator=generator)
        chosen = torch.tensor(digits)[torch.randint(10, (length,), generator=generator)]
        told.append(
            [*torch.where(torch.rand(length, generator=generator) < share, chosen, plain).tolist(), 0]
        )
    return told


def train_base(folder: Path, generator: Any) -> None:
    """Train the base to answer with some characters and to end: what PPO starts from ends its answers."""
    import torch
    from torch.nn.functional import cross_entropy
    from transformers import AutoModelForCausalLM

    from workflow.lib.packing import pack

    model, asked = AutoModelForCausalLM.from_pretrained(folder / "base"), prompts(folder)
    digits = digits_in(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(BASE_STEPS):
        shares = (0.5 * torch.rand(len(asked), generator=generator)).tolist()
        packed = pack(asked, answers(digits, shares, generator), 3)
        logits = model(input_ids=packed.ids).logits[:, :-1]
        loss = cross_entropy(logits[packed.mask], packed.ids[:, 1:][packed.mask])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder / "base")
    print(f"base: loss {float(loss.detach()):.3f} after {BASE_STEPS} steps", file=sys.stderr)


def train_reward(folder: Path, generator: Any) -> None:
    """Train a reward model to prefer answers of which more are digits."""
    import torch

    from workflow.lib.adapters import attach
    from workflow.lib.losses import bradley_terry
    from workflow.lib.models import load_scorer
    from workflow.lib.packing import pack

    scorer = load_scorer(folder / "base", HARDWARE, pad=3, seed=1)
    model = attach(scorer, LORA, [], task="SEQ_CLS", seed=1)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    digits, asked = digits_in(folder), prompts(folder)

    def rows(shares: list[float]) -> tuple[Any, Any]:
        told = answers(digits, shares, generator)
        counts = torch.tensor([sum(token in digits for token in row) / len(row) for row in told])
        picked = torch.randint(len(asked), (len(told),), generator=generator).tolist()
        return pack([asked[i] for i in picked], told, 3).ids, counts

    for _ in range(REWARD_STEPS):
        ids, counts = rows(torch.rand(32, generator=generator).tolist())
        scores = model(input_ids=ids, attention_mask=(ids != 3).long()).logits.reshape(2, 16)
        sign = torch.sign(counts[:16] - counts[16:])
        loss = bradley_terry(sign * scores[0], sign * scores[1]).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():  # scores of answers without a wish for digits get a standard deviation of 1
        ids, _ = rows([0.0] * 256)
        head = dict(model.named_parameters())["base_model.model.score.modules_to_save.default.weight"]
        head.div_(model(input_ids=ids, attention_mask=(ids != 3).long()).logits.std())
    model.save_pretrained(folder / "reward")
    print(f"reward model: loss {float(loss.detach()):.3f} after {REWARD_STEPS} steps", file=sys.stderr)


# --- the two sides ----------------------------------------------------------------------------------------


def ours(folder: Path, out: Path, seed: int, updates: int) -> dict[str, Any]:
    """Train with our PPO."""
    from workflow.lib.ppo import Hyperparameters, Ppo, Team, picked
    from workflow.lib.records import Prompt
    from workflow.lib.rewards import Asked, Reward, Special
    from workflow.lib.samplers import CacheSampler
    from workflow.lib.values import RewardValue

    crew, reward = crew_in(folder)
    special = Special(eos=0, pad=3, tail=[])
    row = Prompt("", "", "", "train", "", "", [], None, "", "")
    asked = [Asked(ids, row) for ids in prompts(folder)]
    score = Reward(
        {"only": lambda e: crew.scores(reward, [x.closed(special) for x in e], special.pad)},
        {"only": 1.0},
        None,
    )
    value = RewardValue(crew, LORA, [], seed)
    settings = Hyperparameters(
        **{
            "learning_rate": LEARNING_RATE,
            "updates": updates,
            "batch_size": BATCH,
            "epochs_per_batch": EPOCHS,
        },
        **{"max_new_tokens": LONGEST, "temperature": 1.0, "kl_coefficient": PRICE, "kl_estimator": "k1"},
        **{"kl_control": {"kind": "fixed"}, "clip_range": 0.2, "value_clip_range": 0.2, "value_weight": 0.1},
        **{"gamma": 1.0, "gae_lambda": 0.95, "missing_eos_penalty": EOS_PENALTY, "centre_scores": False},
        alarms={
            **{"most_kl": 1e9, "least_entropy": 0.0, "least_length": 0.0, "most_length": 1e9},
            "most_repetition": 1.0,
        },
    )
    team = Team(crew, CacheSampler(crew, "", LORA, HARDWARE, out), score, value, special)
    ppo = Ppo(team, settings, seed=seed, micro=BATCH)
    ended = []
    for update in range(updates):
        rows = picked(len(asked), BATCH, update, seed)
        ppo.step(update, [asked[i] for i in rows])
        ended.append((time.perf_counter(), time.process_time()))
        if (update + 1) % KEPT == 0:
            crew.model.save_pretrained(out / f"{update + 1}", selected_adapters=["default"])
    return told(ended, [*crew.model.parameters(), *value.head.parameters()])


def theirs(folder: Path, out: Path, seed: int, updates: int) -> dict[str, Any]:
    """Train with TRL's PPOTrainer."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig, PeftModel
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        TrainerCallback,
        set_seed,
    )
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    class Timer(TrainerCallback):  # type: ignore[misc]
        ended: list[tuple[float, float]] = []  # noqa: RUF012
        policy: Any = None

        def on_step_end(self, *given: Any, **named: Any) -> None:
            """Note the time."""
            self.ended.append((time.perf_counter(), time.process_time()))
            if len(self.ended) % KEPT == 0:
                self.policy.save_pretrained(out / f"{len(self.ended)}")

    assert version("trl") == TRL
    set_seed(seed)
    tokenizer = tokenizer_in(folder)
    tokenizer.padding_side = "left"

    def scorer() -> Any:
        base = AutoModelForSequenceClassification.from_pretrained(
            folder / "base", num_labels=1, dtype=torch.float32
        )
        base.config.pad_token_id = 3
        return PeftModel.from_pretrained(base, folder / "reward").merge_and_unload()

    reward, value = scorer(), scorer().requires_grad_(True)
    arguments = PPOConfig(
        output_dir=str(out),
        seed=seed,
        data_seed=seed,
        total_episodes=updates * BATCH,
        per_device_train_batch_size=BATCH,
        gradient_accumulation_steps=1,
        num_mini_batches=1,
        num_ppo_epochs=EPOCHS,
        local_rollout_forward_batch_size=BATCH,
        response_length=LONGEST,
        temperature=1.0,
        stop_token="eos",
        missing_eos_penalty=EOS_PENALTY,
        kl_coef=PRICE,
        learning_rate=LEARNING_RATE,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        logging_steps=1,
        num_sample_generations=0,
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = PPOTrainer(
        args=arguments,
        processing_class=tokenizer,
        model=AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32),
        ref_model=None,
        reward_model=reward,
        value_model=value,
        train_dataset=Dataset.from_list([{"input_ids": ids} for ids in prompts(folder)]),
        peft_config=LoraConfig(
            r=LORA["r"],
            lora_alpha=LORA["alpha"],
            target_modules=LORA["target_modules"],
            task_type="CAUSAL_LM",
        ),
        callbacks=[Timer()],
    )
    Timer.policy = trainer.policy_model
    trainer.train()
    models = (trainer.policy_model, value, reward)
    return told(Timer.ended, [p for model in models for p in model.parameters()])


def told(ended: list[tuple[float, float]], parameters: list[Any]) -> dict[str, Any]:
    """Return speed and memory of a side, from the times (clock, processor) at which its updates ended."""
    episodes = BATCH * (len(ended) - 1 - WARM)
    clock, processor = (episodes / (last - first) for first, last in zip(ended[WARM], ended[-1], strict=True))
    from benchmarks.machine import peak_mib

    speed = {"episodes_per_second": clock, "episodes_per_cpu_second": processor}
    return {**speed, "models_mib": mebibytes(parameters), "peak_rss_mib": peak_mib()}


SIDES: dict[str, Callable[[Path, Path, int, int], dict[str, Any]]] = {"ours": ours, "trl": theirs}


def score(folder: Path, adapter: Path | None) -> dict[str, float]:
    """Return mean reward and divergence of an adapter's responses, nats, by code that both sides share."""
    import torch

    from workflow.lib.losses import kl_k3
    from workflow.lib.packing import pack

    crew, reward = crew_in(folder, adapter)
    head = torch.nn.Linear(HIDDEN, 1)
    draw = torch.Generator().manual_seed(7)
    sums = {"reward": 0.0, "kl": 0.0}
    for _ in range(SAMPLES // 64):
        asked = prompts(folder)
        sampled = crew.sample(asked, head, longest=LONGEST, temperature=1.0, eos=0, pad=3, generator=draw)
        packed = pack(asked, sampled.responses, 3)
        with crew._wearing(None):
            anchor = crew.logps(crew.states(packed.ids), packed, 1.0)
        closed = [p + r + ([] if r[-1] == 0 else [0]) for p, r in zip(asked, sampled.responses, strict=True)]
        sums["reward"] += float(crew.scores(reward, closed, 3).sum())
        sums["kl"] += float(kl_k3(sampled.logps, anchor).sum())
    return {name: total / SAMPLES for name, total in sums.items()}


# --- the comparison ---------------------------------------------------------------------------------------


def install(folder: Path) -> Path:
    """Put TRL 1.12.0 alone into a folder; its dependencies are those of this environment."""
    place = folder / f"trl-{TRL}"
    if not (place / "trl").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place)]
        subprocess.run([*command, f"trl=={TRL}"], check=True)
    return place


def run(side: str, folder: Path, seed: int, updates: int, trl: Path) -> dict[str, Any]:
    """Train with one side in a process of its own; return what it told, and how its adapter scores."""
    out = folder / f"{side}-{seed}"
    paths = [str(ROOT), *([str(trl)] if side == "trl" else [])]
    quiet = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "TRL_EXPERIMENTAL_SILENCE": "1"}
    offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment = {**os.environ, **quiet, **offline, "PYTHONPATH": os.pathsep.join(reversed(paths))}
    command = [sys.executable, __file__, "--side", side, "--seed", str(seed), "--updates", str(updates)]
    done = subprocess.run(
        [*command, "--folder", str(folder)], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    kept = [score(folder, out / f"{update}") for update in range(KEPT, updates + 1, KEPT)]
    path = [(0.0, score(folder, None)["reward"]), *((r["kl"], r["reward"]) for r in kept)]
    return found | kept[-1] | {"path": path}


def at_divergence(path: list[tuple[float, float]], kl: float) -> float | None:
    """Return the reward of a run where its divergence first passes ``kl``, interpolated, or ``None``."""
    for (before, low), (after, high) in itertools.pairwise(path):
        if before <= kl <= after:
            return low + (high - low) * (kl - before) / (after - before)
    return None


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Return medians and ratios as Markdown."""
    rows = [("episodes per second", "episodes_per_second", 1)]
    rows += [("episodes per second of processor time", "episodes_per_cpu_second", 1)]
    rows += [
        ("models in memory, MiB", "models_mib", 2),
        ("peak memory of the process, MiB", "peak_rss_mib", 0),
    ]
    rows += [("reward at the end", "reward", 3), ("divergence at the end, nats per response", "kl", 2)]
    lines = ["| | ours | TRL | ours / TRL |", "|---|---|---|---|"]
    for name, key, digits in rows:
        mine, other = (statistics.median(r[key] for r in results[side]) for side in ("ours", "trl"))
        ratio = f"{mine / other:.2f}" if key not in ("reward", "kl") else ""
        lines.append(f"| {name} | {mine:.{digits}f} | {other:.{digits}f} | {ratio} |")
    for kl in LEVELS:
        found = {side: [at_divergence(r["path"], kl) for r in runs] for side, runs in results.items()}
        reached = {side: [x for x in some if x is not None] for side, some in found.items()}
        cells = [f"{statistics.median(some):.2f} ({len(some)})" if some else "–" for some in reached.values()]
        lines.append(f"| reward at {kl} nats (runs that get there) | {' | '.join(cells)} | |")
    return "\n".join(lines)


def main() -> None:
    """Compare the two sides, or be one of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="runs per side, each with a seed of its own")
    parser.add_argument("--updates", type=int, default=60, help="updates per run")
    parser.add_argument("--folder", type=Path, default=Path("work/benchmarks/ppo"))
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    if given.side:
        out = given.folder / f"{given.side}-{given.seed}"
        print(json.dumps(SIDES[given.side](given.folder, out, given.seed, given.updates)))
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    place = install(given.folder)
    make_task(given.folder)
    print(f"before: {score(given.folder, None)}", file=sys.stderr)
    results: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for seed in range(1, given.runs + 1):
        for side in SIDES:
            results[side].append(run(side, given.folder, seed, given.updates, place))
            print(side, seed, results[side][-1], file=sys.stderr)
    names = ("torch", "transformers", "peft")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {versions}, TRL {TRL}; medians of {given.runs} runs\n")
    print(table(results))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
