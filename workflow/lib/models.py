"""Base models and tokenizers, read from a snapshot folder: no hub, no pickle, no code from the model."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
from transformers.utils import is_bitsandbytes_available

from workflow.lib.chat import check_contract
from workflow.lib.errors import DataError, DependencyError, DeviceMemoryError
from workflow.lib.ranks import within

ANY_NUMBER = sys.maxsize  # of tokens: what Bloom reads
PADDING = ("<|finetune_right_pad_id|>", "<pad>", "<unk>")  # the first is Llama 3.1's own


def load_tokenizer(snapshot: str | Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer in ``snapshot``, padding on the right, once its chat template is sound.

    Llama and GPT-2 bring no padding token: then it is a token of the vocabulary that no text has, or EOS.
    What is trained does not depend on it: rows end where their lengths say. A score is read at the last token
    that is no padding, in training and scoring alike: where padding is EOS, at the one before it.

    Raises:
        DataError: There is nothing to pad with, or the chat template fails ``check_contract``.
    """
    tokenizer = AutoTokenizer.from_pretrained(snapshot, padding_side="right", local_files_only=True)
    if tokenizer.pad_token_id is None:
        known = tokenizer.get_vocab()
        tokenizer.pad_token = next((token for token in PADDING if token in known), tokenizer.eos_token)
    if tokenizer.pad_token_id is None:
        raise DataError(f"{snapshot}: the tokenizer has neither padding nor EOS. Fix: add one to the model.")
    check_contract(tokenizer, str(snapshot))
    return tokenizer


def context_of(snapshot: str | Path) -> int:
    """Return how many tokens the model in ``snapshot`` can read, as its configuration says."""
    return context_in(AutoConfig.from_pretrained(snapshot, local_files_only=True, trust_remote_code=False))


def context_in(config: PreTrainedConfig) -> int:
    """Return how many tokens a model of this configuration can read; models that see pictures nest theirs."""
    return int(getattr(config.get_text_config(), "max_position_embeddings", ANY_NUMBER))


def load_base(snapshot: str | Path, hardware: Mapping[str, Any]) -> PreTrainedModel:
    """Return the causal language model in ``snapshot`` as ``hardware`` says, in evaluation mode.

    Args:
        snapshot: Folder in the Hugging Face layout, weights as safetensors.
        hardware: The config's hardware section; ``device``, ``precision``, ``quantisation`` and ``attention``
            count here.
    """
    return _load(AutoModelForCausalLM.from_pretrained, snapshot, hardware)


def check_scorer(snapshot: str | Path) -> None:
    """Raise ``DataError`` unless transformers has classifiers of the family of ``snapshot``."""
    config = AutoConfig.from_pretrained(snapshot, local_files_only=True, trust_remote_code=False)
    if config.model_type not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES:
        raise DataError(
            f"{snapshot}: expected a family that can be a reward model, found '{config.model_type}', "
            "of which transformers has no classifier. Fix: leave methods.reward out, or train another model."
        )


def load_scorer(
    snapshot: str | Path, hardware: Mapping[str, Any], *, pad: int | None, seed: int
) -> PreTrainedModel:
    """Return the model in ``snapshot`` with a fresh head that gives one score at the last token.

    Args:
        snapshot: As for ``load_base``.
        hardware: As for ``load_base``.
        pad: Token that fills rows up; the last token that is not ``pad`` is scored.
        seed: Of the head's initial weights; the global generator is left as it was.

    Raises:
        DataError: There are no sequence classifiers of its family.
    """
    check_scorer(snapshot)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _load(AutoModelForSequenceClassification.from_pretrained, snapshot, hardware, num_labels=1)
    model.config.get_text_config().pad_token_id = pad
    return model


def nf4() -> BitsAndBytesConfig:
    """Return how weights are kept in 4 bits: NormalFloat, its constants quantised too, computed in bfloat16.

    QLoRA, sections 2 and 3 of Dettmers et al. 2023 (arXiv 2305.14314). The output layer stays as it is.
    """
    if not is_bitsandbytes_available():
        raise DependencyError(
            "hardware.quantisation is nf4, but the package bitsandbytes is not here. "
            "Fix: install it, or set none."
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


QUANTISATIONS: Mapping[str, Callable[[], BitsAndBytesConfig | None]] = {"none": lambda: None, "nf4": nf4}


def _load(
    factory: Callable[..., PreTrainedModel], snapshot: str | Path, hardware: Mapping[str, Any], **options: Any
) -> PreTrainedModel:
    """Return the model that ``factory`` makes of ``snapshot``, in evaluation mode, where it will be used."""
    quantisation = QUANTISATIONS[hardware["quantisation"]]()
    shared_out = within() and hardware["deepspeed"].startswith("zero3")  # DeepSpeed gives each rank its share
    device = torch.empty(0, device="cpu" if shared_out else hardware["device"]).device
    with _explained(snapshot, hardware):
        model = factory(
            snapshot,
            dtype=getattr(torch, hardware["precision"]),
            attn_implementation=hardware["attention"],
            quantization_config=quantisation,
            device_map={"": device} if quantisation else None,  # 4-bit weights stay where they are made
            use_safetensors=True,
            local_files_only=True,
            **options,
        )
        for module in model.modules():
            if hasattr(module, "support_avx512bf16_for_cpu"):  # repacks weights for good at the first look
                module.support_avx512bf16_for_cpu = False
        return (model if quantisation else model.to(device)).eval()


@contextmanager
def _explained(snapshot: str | Path, hardware: Mapping[str, Any]) -> Iterator[None]:
    """Say why a model cannot be loaded: its weights do not fit, or its family lacks the attention."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            f"{snapshot}: the weights alone do not fit on the GPU ({torch.cuda.device_count()} visible). "
            "Fix: set hardware.quantisation to nf4, or hardware.deepspeed to zero3 with more processes."
        ) from error
    except (ValueError, ImportError) as error:
        said = str(error).partition(". ")[0].rstrip(".")
        if "attention" not in said.lower():
            raise
        raise DataError(
            f"{snapshot}: hardware.attention '{hardware['attention']}': {said}. Fix: take sdpa or eager."
        ) from error
