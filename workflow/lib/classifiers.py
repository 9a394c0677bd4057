"""A sequence classifier with its own tokenizer as a judge of text: one score per text.

Any model of the study whose folder holds a classification head will do; it shares nothing with the policy.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from workflow.lib.errors import DataError
from workflow.lib.models import context_in

OUTPUTS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "logit": lambda logits, place: logits[:, place],
    "probability": lambda logits, place: torch.softmax(logits, dim=-1)[:, place],
}


class Classifier:
    """A classifier and the label whose score counts."""

    def __init__(self, snapshot: str | Path, label: str, output: str, hardware: Mapping[str, Any]) -> None:
        """Load the classifier.

        Args:
            snapshot: Folder in the Hugging Face layout, weights as safetensors.
            label: Name of a label in the model's configuration.
            output: Key of ``OUTPUTS``.
            hardware: The config's hardware section; ``device`` and ``precision`` count here.

        Raises:
            DataError: There is no such label, no classification head, or no padding token.
        """
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            snapshot,
            dtype=getattr(torch, hardware["precision"]),
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
        missing = sorted(loading["missing_keys"])
        if missing:
            raise DataError(f"{snapshot}: not a classifier: no weights for {missing[:3]}. Fix: name another.")
        known = {name: place for place, name in model.config.id2label.items()}
        if label not in known:
            raise DataError(f"{snapshot}: no label '{label}'. Fix: take one of {', '.join(sorted(known))}.")
        self._model = model.to(hardware["device"]).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(
            snapshot, truncation_side="left", local_files_only=True
        )
        if self._tokenizer.pad_token_id is None:
            raise DataError(f"{snapshot}: the tokenizer has no padding token. Fix: add one to the model.")
        model.config.get_text_config().pad_token_id = self._tokenizer.pad_token_id
        self._longest = min(self._tokenizer.model_max_length, room_in(model))
        self._place, self._output = known[label], OUTPUTS[output]
        self.cut = 0  # texts so far that were longer than the classifier reads

    @torch.no_grad()
    def scores(self, texts: Sequence[str]) -> Tensor:
        """Return the score of each text, (B,); one that is too long is counted, and its end is read."""
        lengths = [len(ids) for ids in self._tokenizer(list(texts))["input_ids"]]
        self.cut += sum(length > self._longest for length in lengths)
        batch = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        )
        logits = self._model(**batch.to(self._model.device)).logits.float()
        scores: Tensor = self._output(logits, self._place)
        return scores


def room_in(model: PreTrainedModel) -> int:
    """Return how many tokens ``model`` has positions for: RoBERTa's begin behind that of its padding."""
    tables = [table for name, table in model.named_modules() if name.endswith("position_embeddings")]
    taken = [table.padding_idx + 1 for table in tables if getattr(table, "padding_idx", None) is not None]
    return context_in(model.config) - max(taken, default=0)
