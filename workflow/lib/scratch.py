"""A small Llama and its tokenizer from nothing: byte-level BPE, chat template, weights, batches, steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

PAD, BOS, START, END = "<pad>", "<s>", "<|im_start|>", "<|im_end|>"
HEAD_SIZE = 32  # the smallest that vLLM's attention on the CPU takes
BETAS = (0.9, 0.95)  # of AdamW
LARGEST_GRADIENT = 1.0  # norm
IGNORED = -100  # label of a token that does not count in the loss
ANSWER_TOKENS = 3  # at the end of a text: yes or no, full stop, end of turn
DEV_BATCH = 50
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if not loop.first %}{{ '\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '\n<|im_start|>assistant\n' }}{% endif %}"
)


def train_tokenizer(texts: Sequence[str], vocabulary: int, context: int) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer of ``vocabulary`` tokens trained on ``texts``."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BOS, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, "user\n", "assistant\n"], trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=END,
        pad_token=PAD,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        model_max_length=context,
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def new_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    hidden_size: int,
    layers: int,
    intermediate_size: int,
    context: int,
    initializer_range: float,
) -> LlamaForCausalLM:
    """Return a Llama with random weights, tied embeddings and heads of size ``HEAD_SIZE``."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_hidden_layers=layers,
        num_attention_heads=hidden_size // HEAD_SIZE,
        num_key_value_heads=hidden_size // HEAD_SIZE,
        max_position_embeddings=context,
        initializer_range=initializer_range,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    """Return ``rows`` filled up with ``value`` on the right, (B, T)."""
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])


def backward(model: LlamaForCausalLM, batch: Sequence[list[int]]) -> float:
    """Add the gradient of the mean loss over the tokens of ``batch``; return that loss, in nats.

    Padding needs no attention mask: it comes last, so that no token of a text looks at it. The shorter half
    of the batch passes apart from the longer one, which saves a quarter of the work.
    """
    ordered, half = sorted(batch, key=len), len(batch) // 2
    predicted = sum(len(row) - 1 for row in batch)
    total = 0.0
    for part in filter(None, (ordered[:half], ordered[half:])):
        labels = pad(part, IGNORED)
        loss = model(input_ids=labels.clamp(min=0), labels=labels, num_items_in_batch=predicted).loss
        loss.backward()
        total += loss.item()
    return total


def train_steps(
    model: LlamaForCausalLM, rows: Iterator[list[list[int]]], steps: int, warmup: int, learning_rate: float
) -> Iterator[float]:
    """Train ``model`` on batches of token rows and yield the loss of each step.

    The learning rate rises for ``warmup`` steps and then falls in a straight line to 0 at ``steps``.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=BETAS, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / max(warmup, 1), (steps - step) / (steps - warmup))
    )
    for _ in range(steps):
        loss = backward(model, next(rows))
        torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT, error_if_nonfinite=True)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        yield loss


@dataclass(frozen=True)
class DevAccuracy:
    """Shares of the dev texts that the model's likeliest tokens get right."""

    step: int
    proof: float  # the whole proof, word for word
    answer: float  # yes or no, after the right proof


@torch.no_grad()
def measure(model: LlamaForCausalLM, rows: list[list[int]], starts: list[int], step: int) -> DevAccuracy:
    """Return how often the likeliest next token is right all through the proof, and for the answer.

    Args:
        model: The model, as trained so far.
        rows: Tokens of the dev texts.
        starts: Number of tokens of each text up to the assistant's turn.
        step: Steps taken.
    """
    proofs = answers = 0
    for i in range(0, len(rows), DEV_BATCH):
        part = rows[i : i + DEV_BATCH]
        likeliest = model(input_ids=pad(part, 0)).logits.argmax(dim=-1).tolist()
        for row, guessed, start in zip(part, likeliest, starts[i : i + DEV_BATCH], strict=True):
            end = len(row) - ANSWER_TOKENS
            proofs += guessed[start - 1 : end - 1] == row[start:end]
            answers += guessed[end - 1] == row[end]
    return DevAccuracy(step, proofs / len(rows), answers / len(rows))
