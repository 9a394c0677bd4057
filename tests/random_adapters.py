"""LoRA adapters with random weights on a tiny base model, and problems to ask it."""

import json
from pathlib import Path

from workflow.lib.records import Problem

HARDWARE = {
    "device": "cpu",
    "processes": 1,
    "nodes": 1,
    "deepspeed": "none",
    "precision": "float32",
    "quantisation": "none",
    "attention": "sdpa",
    "micro_batch": 4,
    "evaluation_batch": 8,
    "gradient_checkpointing": False,
    "vllm_memory_fraction": 0.0,
    "vllm_kv_cache_mib": 64,
    "max_model_len": 256,
}


def write_adapter(
    snapshot: Path, folder: Path, seed: int, *, reward: bool = False, scale: float = 1.0
) -> Path:
    """Write an adapter to ``folder`` with random A and B; with ``scale`` 0 it does nothing."""
    import torch
    from peft import LoraConfig, TaskType, get_peft_model

    from workflow.lib.models import load_base, load_scorer

    torch.manual_seed(seed)
    base = load_scorer(snapshot, HARDWARE, pad=0, seed=seed) if reward else load_base(snapshot, HARDWARE)
    kind = TaskType.SEQ_CLS if reward else TaskType.CAUSAL_LM
    config = LoraConfig(task_type=kind, r=4, target_modules="all-linear", init_lora_weights=False)
    model = get_peft_model(base, config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.mul_(scale)
    model.save_pretrained(folder)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": "tiny"}))
    return folder


def yes_no_problems(count: int) -> list[Problem]:
    """Return ``count`` yes/no problems, every third one with the answer yes."""
    return [
        Problem(
            problem_id=f"p{i:03}",
            group_id=f"g{i // 2}",
            dataset="logic",
            category="propositional",
            rule="modus_tollens" if i % 2 else "modus_ponens",
            context=f"If it rains, road {i} is wet. It rains" + "," * (i % 5) + ".",
            question=f"Is road {i} wet?",
            choices=["yes", "no"],
            answer="no" if i % 3 else "yes",
            verifier="gold",
            instance="",
            planted="",
            source=f"made row {i}",
        )
        for i in range(count)
    ]


def goal_problems(rows: list[tuple[str, str, str, int]]) -> list[Problem]:
    """Return goals with two solutions and the position of the right one as problems."""
    return [
        Problem(
            problem_id=f"p{i:04}",
            group_id=f"g{i:04}",
            dataset="goals",
            category="commonsense",
            rule="",
            context="",
            question=goal,
            choices=[first, second],
            answer=(first, second)[label],
            verifier="gold",
            instance="",
            planted="",
            source=f"made row {i}",
        )
        for i, (goal, first, second, label) in enumerate(rows)
    ]
