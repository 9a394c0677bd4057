"""Train a LoRA adapter to imitate completions: supervised fine-tuning.

Loss: mean negative log-likelihood of the completion's tokens given the prompt (``losses.nll``), over all
tokens of the batch, EOS included; the prompt is not trained. Trainer: TRL's SFTTrainer.

``packing`` lays rows end to end in sequences of up to ``max_length`` tokens, best fit decreasing (Ding et al.
2024, arXiv 2404.10830), without cutting any; a row neither sees nor predicts its neighbours, or the job
stops. ``batch_size`` then counts sequences: fewer steps, more rows each. Without it, rows of one length share
micro-batches, which changes no global batch and no loss.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from transformers import PreTrainedModel
from trl import SFTConfig, SFTTrainer, pack_dataset

from workflow.lib.errors import DataError
from workflow.lib.heads import trunk_of
from workflow.lib.logs import capture
from workflow.lib.models import load_tokenizer
from workflow.lib.records import SftRow
from workflow.lib.rows import labelled
from workflow.lib.trainers import LengthGrouped, Schedule, arguments, policy_of, train
from workflow.lib.training import Encoded, begin, encode, in_ranks

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


APART = 0.02  # change of a state, relative, that rounding does not make


@dataclass(frozen=True)
class Settings(Schedule):
    """Settings of SFT."""

    packing: bool  # whether rows share sequences; batch_size then counts sequences


class LengthTrainer(LengthGrouped, SFTTrainer):  # type: ignore[misc]
    """TRL's trainer with less padding."""


def sequences(encoded: Encoded, packing: bool, longest: int) -> Dataset:
    """Return the rows as TRL takes them ready-made: tokens, labels and, if packed, lengths of the rows."""
    rows = [labelled(row["prompt_ids"], row["completion_ids"]) for row in encoded.rows]
    return pack_dataset(Dataset.from_list(rows), longest, "bfd") if packing else Dataset.from_list(rows)


@torch.no_grad()
def check_apart(base: PreTrainedModel, data: Dataset) -> None:
    """Fail if packed rows see each other in ``base``: not every family starts anew where a position is 0.

    The first token of a row sees itself alone, whatever the row before it says.

    Args:
        base: The model, in evaluation mode.
        data: The packed sequences.

    Raises:
        DataError: The state of a row's first token is another one once the row before it is.
    """
    packed = next((row for row in data if len(row["seq_lengths"]) > 1), None)
    if packed is None:
        return
    length = packed["seq_lengths"][0]
    before, token = packed["input_ids"][:length], packed["input_ids"][length]
    positions = torch.tensor([[*range(length), 0]], device=base.device)
    state, moved = (
        trunk_of(base)(
            input_ids=torch.tensor([[*row, token]], device=base.device),
            position_ids=positions,
            use_cache=False,
        )
        .last_hidden_state[0, -1]
        .float()
        for row in (before, before[-1:] + before[:-1])
    )
    if float((moved - state).norm() / state.norm()) > APART:
        raise DataError(
            f"methods.sft.packing: in {type(base).__name__} with attention "
            f"'{base.config._attn_implementation}' packed rows see each other. Fix: set packing to false."
        )


@in_ranks
def main(**given: Any) -> None:
    """Train the adapter; ``given`` are the fields of ``workflow.lib.training.Job``."""
    job, settings = begin(Settings, given)
    tokenizer = load_tokenizer(job.snapshot)
    encoded = encode(job, SftRow, ["completion"], tokenizer, settings.max_length)
    data = sequences(encoded, settings.packing, settings.max_length)
    trained = sum(len(row["completion_ids"]) for row in encoded.rows)
    encoded = replace(encoded, counts={"sequences": len(data), "completion_tokens": trained})
    model = policy_of(job)
    if settings.packing and model.device.type == job.hardware["device"]:  # DeepSpeed places its shares later
        check_apart(model.get_base_model(), data)
    trainer = LengthTrainer(
        model=model,
        args=SFTConfig(
            **arguments(job, settings, len(data), encoded), padding_free=settings.packing, max_length=None
        ),
        train_dataset=data,
        processing_class=tokenizer,
    )
    train(job, trainer, encoded, settings)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        rows=snakemake.input.rows,
        start=snakemake.input.start,
        reward=snakemake.input.reward,
        choice=snakemake.input.choice,
        manifest=snakemake.input.manifest,
        snapshot=snakemake.input.snapshot,
        outputs=dict(snakemake.output.items()),
        settings=snakemake.params.settings,
        lora=snakemake.params.lora,
        hardware=snakemake.params.hardware,
        shared=snakemake.params.shared,
        dataset=snakemake.wildcards.dataset,
        model=snakemake.wildcards.model,
        method=snakemake.wildcards.method,
        seed=int(snakemake.wildcards.seed),
        threads=snakemake.threads,
    )
