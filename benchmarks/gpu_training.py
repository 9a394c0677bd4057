"""LoRA SFT and DPO of a model of 8B shape on one GPU: tokens per second, MFU and peak memory, by variant.

``python benchmarks/gpu_training.py`` writes a model of the shape of Llama-3.1-8B with random bfloat16 weights
and trains it by the workflow's ``train_sft.py`` and ``train_dpo.py`` as the rule ``train`` does, each variant
in a process of its own: rows padded (SFT puts rows of one length into one pass) or packed, with and without
activation checkpointing, with and without Liger's kernels where they can be imported. Attention is
flash_attention_2 where that can be imported, else sdpa. ``--shape tiny --device cpu`` runs anywhere and says
nothing about speed.

Tokens are those of the rows, padding left out. Rates leave out ``--warm`` steps. MFU takes 4 N + 6 n
operations per token (``workflow.lib.telemetry``): recomputed activations, attention over the context and
DPO's reference do not count. Where a command may take ten minutes only, ``--methods`` and ``--variants``
choose what it does; ``--keep`` leaves the model, which the next one takes by ``--snapshot``.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import headline
from benchmarks.training_jobs import job, ours, run, snapshot_in, write_rows

SHAPES: dict[str, dict[str, Any]] = {
    "8b": {  # config.json of meta-llama/Llama-3.1-8B, but for the scaling of long contexts
        **{"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "vocab_size": 128256},
        **{"num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 8192},
    },
    "tiny": {
        **{"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 2048},
        **{"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 8192},
    },
}
VARIANTS = {  # rows packed, activations recomputed, Liger
    "padded": (False, False, False),
    "padded-recompute": (False, True, False),
    "padded-liger": (False, False, True),
    "packed": (True, False, False),
    "packed-recompute": (True, True, False),
    "packed-liger": (True, False, True),
    "packed-recompute-liger": (True, True, True),
}
HEAD = (
    "| method | variant | attention | steps | tokens | padding | tokens/s | MFU | peak on GPU, GiB "
    "| peak of the process, MiB | whole, s |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def write_shape(folder: Path, shape: str, device: str) -> Path:
    """Write a Llama of ``shape`` with random bfloat16 weights and the demo's tokenizer; return ``folder``."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(snapshot_in(folder, None))
    special = {key: getattr(tokenizer, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    options = {"rope_theta": 500000.0, "rms_norm_eps": 1e-5, "tie_word_embeddings": False, **special}
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = LlamaForCausalLM(LlamaConfig(**SHAPES[shape], **options))
    model.save_pretrained(folder / shape)
    tokenizer.save_pretrained(folder / shape, save_jinja_files=False)
    del model
    if device == "cuda":
        torch.cuda.empty_cache()
    return folder / shape


def works(method: str, snapshot: Path, rows: Path, chosen: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the work of each variant of ``method`` that can run here, by its name."""
    flash = chosen.device == "cuda" and find_spec("flash_attn") is not None
    found = {}
    for name in chosen.variants:
        packed, recomputed, liger = VARIANTS[name]
        if packed and method == "dpo":
            continue  # TRL packs no pairs
        if liger and find_spec("liger_kernel") is None:
            print(f"left out: {method} {name}: liger_kernel is not here", file=sys.stderr)
            continue
        hardware = {
            **{"device": chosen.device, "precision": "bfloat16", "micro_batch": chosen.micro},
            **{"attention": "flash_attention_2" if flash else "sdpa", "gradient_checkpointing": recomputed},
        }
        settings = {"batch_size": chosen.batch, "max_length": chosen.max_length, "learning_rate": 5.0e-5}
        settings |= {"packing": packed} if method == "sft" else {}
        budget = {"unit": "steps", "amount": chosen.steps}
        shared = {"budget": budget, "reference_logps": chosen.reference}
        given = job(
            f"{method}-{name}", snapshot, rows, method, settings=settings, hardware=hardware, shared=shared
        )
        found[name] = ours(given, warm=chosen.warm, liger=liger)
    return found


def row(method: str, name: str, attention: str, found: dict[str, Any]) -> str:
    """Return a row of the table."""
    peak, padding = found["peak_flops"], 1.0 - found["tokens"] / found["places"]
    used = "–" if peak is None else f"{100 * found['rate'] * found['flops_per_token'] / peak:.1f} %"
    return (
        f"| {method} | {name} | {attention} | {found['steps']} | {found['tokens']:,} | {100 * padding:.0f} % "
        f"| {found['rate']:,.0f} | {used} | {found['peak_gpu_mib'] / 1024:.1f} | {found['peak_mib']:,.0f} "
        f"| {found['whole']:.0f} |"
    )


def main(arguments: Sequence[str]) -> None:
    """Read the command line, make a model and rows, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="8b")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--snapshot", type=Path, help="model folder; one of --shape is written if not given")
    parser.add_argument("--keep", type=Path, help="write model and jobs here, and leave them")
    parser.add_argument("--methods", nargs="+", choices=["sft", "dpo"], default=["sft", "dpo"])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--reference", choices=["live", "stored"], default="live", help="of DPO")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warm", type=int, default=2, help="steps at the start that are not timed")
    parser.add_argument("--batch", type=int, default=16, help="rows, or packed sequences, per step")
    parser.add_argument("--micro", type=int, default=4, help="of these per pass")
    parser.add_argument("--max-length", type=int, default=2048, help="tokens of a row or packed sequence")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = (chosen.keep or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        snapshot = (chosen.snapshot or write_shape(folder, chosen.shape, chosen.device)).resolve()
        rows = write_rows(folder / "rows", 4 * chosen.steps * chosen.batch, chosen.max_length // 3)
        machine = "cpu"
        if chosen.device == "cuda":
            import torch

            machine = torch.cuda.get_device_name(0)
        print(
            headline(machine),
            f"shape {chosen.shape}, {chosen.batch} a step, {chosen.micro} a pass\n",
            sep="; ",
        )
        print(HEAD, flush=True)
        for method in chosen.methods:
            for variant, work in works(method, snapshot, rows, chosen).items():
                attention = work["job"]["hardware"]["attention"]
                try:
                    print(row(method, variant, attention, run(work, folder)), flush=True)
                except SystemExit as error:  # as out of memory: the others still tell something
                    print(error, file=sys.stderr)
                    last = str(error).strip().splitlines()[-1]
                    print(f"| {method} | {variant} | {attention} | failed: {last} {'| ' * 8}|", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
