"""Train a tiny base model and its tokenizer from scratch on generated text.

The text is wrong in a stated share of its final answers (``workflow.lib.generators.pretraining``), so the
model learns to reason in words and yet is often wrong: there is something left for alignment to do. Every
text is read once, in the order drawn, which begins with short problems. Training stops early when the model,
taking its likeliest token, finds nearly every proof of a dev set of its own.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from workflow.lib.chat import check_contract, render, token_ids
from workflow.lib.errors import DataError
from workflow.lib.files import write_json
from workflow.lib.generators.pretraining import Noise, Text, draw_right, draw_texts
from workflow.lib.logs import capture
from workflow.lib.manifests import describe_model
from workflow.lib.scratch import (
    HEAD_SIZE,
    DevAccuracy,
    measure,
    new_model,
    train_steps,
    train_tokenizer,
)

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

TOKENIZER_TEXTS = 4000  # that the tokenizer is trained on; the words are few and soon all seen
DEV_TEXTS = 200
DEV_EVERY = 50  # steps


@dataclass(frozen=True)
class Settings:
    """The model's section of the config."""

    kind: str
    generator: str
    seed: int
    label_noise: float
    misled_noise: float
    vocabulary: int
    hidden_size: int
    layers: int
    heads: int
    intermediate_size: int
    context: int
    initializer_range: float
    learning_rate: float
    batch_size: int
    warmup_steps: int
    max_steps: int
    stop_at_dev_accuracy: float

    def __post_init__(self) -> None:
        """Check what one key alone does not show."""
        if self.hidden_size != self.heads * HEAD_SIZE:
            raise DataError(
                f"models: hidden_size: expected {HEAD_SIZE} per head as vLLM on the CPU needs, "
                f"found {self.hidden_size} for {self.heads} heads. Fix: change one of them."
            )


def encode(tokenizer: PreTrainedTokenizerFast, texts: list[Text], context: int) -> list[list[int]]:
    """Return the tokens of every text as rendered; none may be longer than ``context``."""
    rows = [token_ids(tokenizer, render(tokenizer, text.prompt, text.completion)) for text in texts]
    longest = max(len(row) for row in rows)
    if longest > context:
        raise DataError(f"models: context: expected {longest} or more, found {context}. Fix: raise it.")
    return rows


def train(
    settings: Settings, texts: list[Text]
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast, list[DevAccuracy]]:
    """Return the trained model, its tokenizer, and the dev measures on the way."""
    sample = [f"{text.prompt}\n{text.completion}" for text in texts[:TOKENIZER_TEXTS]]
    tokenizer = train_tokenizer(sample, settings.vocabulary, settings.context)
    check_contract(tokenizer, "scratch")
    dev = draw_right(settings.seed + 1, DEV_TEXTS)
    dev_rows = encode(tokenizer, dev, settings.context)
    starts = [len(token_ids(tokenizer, render(tokenizer, text.prompt))) for text in dev]
    rows = encode(tokenizer, texts, settings.context)
    print(f"{len(rows)} texts, {sum(map(len, rows)) / len(rows):.1f} tokens each, {len(tokenizer)} in all")
    torch.manual_seed(settings.seed)
    model = new_model(
        tokenizer,
        hidden_size=settings.hidden_size,
        layers=settings.layers,
        intermediate_size=settings.intermediate_size,
        context=settings.context,
        initializer_range=settings.initializer_range,
    )
    losses = train_steps(
        model,
        (rows[i : i + settings.batch_size] for i in range(0, len(rows), settings.batch_size)),
        settings.max_steps,
        settings.warmup_steps,
        settings.learning_rate,
    )
    curve = []
    for step, loss in enumerate(losses, start=1):
        if step % DEV_EVERY == 0 or step == settings.max_steps:
            curve.append(measure(model, dev_rows, starts, step))
            print(f"step {step}/{settings.max_steps}: loss {loss:.3f}, {curve[-1]}", flush=True)
            if curve[-1].proof >= settings.stop_at_dev_accuracy:
                break
    return model, tokenizer, curve


def main(*, snapshot: str, manifest: str, model: str, settings: dict[str, Any], threads: int) -> None:
    """Train ``model``, write it into the folder ``snapshot``, and tell in ``manifest`` how it went."""
    torch.set_num_threads(threads)
    chosen = Settings(**settings)
    noise = Noise(label=chosen.label_noise, misled=chosen.misled_noise)
    texts, left = draw_texts(chosen.seed, chosen.max_steps * chosen.batch_size, noise)
    trained, tokenizer, curve = train(chosen, texts)
    trained.save_pretrained(snapshot)
    tokenizer.save_pretrained(snapshot, save_jinja_files=False)
    training = {
        "texts": len(texts),
        "left_to_datasets": left,
        "by_kind": dict(sorted(Counter(text.kind for text in texts).items())),
        "wrong_answers": sum(text.right is False for text in texts),
        "steps": curve[-1].step,
        "dev_texts": DEV_TEXTS,
        "dev_curve": [asdict(measured) for measured in curve],
    }
    about = {"model": model, "kind": chosen.kind, "repo": None, "path": None, "revision": None}
    write_json(manifest, describe_model(snapshot, **about, settings=settings, training=training))


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        snapshot=snakemake.output.snapshot,
        manifest=snakemake.output.manifest,
        model=snakemake.wildcards.model,
        settings=snakemake.params.settings,
        threads=snakemake.threads,
    )
