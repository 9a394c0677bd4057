"""A tiny Llama with random weights and one token per ASCII character, as a Hugging Face folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHAT_TEMPLATE = (
    "{% for turn in messages %}<|{{ turn.role }}|>{{ turn.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<|end|>", "<|user|>", "<|assistant|>"]
HEAD_DIM = 32  # the smallest that vLLM's attention on CPU takes


def write_tiny_llama(folder: Path, seed: int = 0, context: int = 256) -> Path:
    """Write the model to ``folder``: 2 layers of 2 heads, float32; its answers re-tokenise exactly.

    Args:
        folder: Where it goes.
        seed: Of its weights.
        context: Longest sequence, tokens.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    ascii_bytes = ["Ċ", "Ġ", *map(chr, range(33, 127))]  # Ċ and Ġ: newline and space at byte level
    tokens = {token: i for i, token in enumerate([*SPECIAL, *ascii_bytes])}
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    whole.chat_template = CHAT_TEMPLATE
    whole.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=2 * HEAD_DIM,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=context,
        initializer_range=0.3,  # far from uniform, so that a wrong position or mask shows
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@contextmanager
def vllm_in_this_process() -> Iterator[None]:
    """Let the block start vLLM engines, then undo what they change in the process for other tests."""
    import torch

    environment, set_num_threads = dict(os.environ), torch.set_num_threads
    try:
        yield
    finally:
        from vllm.distributed import cleanup_dist_env_and_memory

        cleanup_dist_env_and_memory()
        torch.set_num_threads = set_num_threads
        os.environ.clear()
        os.environ.update(environment)
