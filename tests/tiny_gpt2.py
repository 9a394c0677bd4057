"""A tiny GPT-2 with random weights and a plain template, and a tiny BERT that classifies, as folders."""

from pathlib import Path

END = "<|endoftext|>"
PLAIN = (
    "{% for turn in messages %}{{ turn.content }}"
    "{% if turn.role == 'assistant' %}<|endoftext|>{% endif %}{% endfor %}"
)
CONTEXT = 48  # tokens: short
WORDS = ["good", "bad", "it", "is", "odd", "yes", "no"]
READS = 16  # tokens that the classifier reads at most
LABELS = {0: "NEGATIVE", 1: "POSITIVE"}


def write_tiny_gpt2(folder: Path, seed: int = 0, context: int = CONTEXT) -> Path:
    """Write a GPT-2 of 2 layers with one token per ASCII character, BOS, EOS and padding all one token.

    Args:
        folder: Where it goes.
        seed: Of its weights.
        context: Longest sequence, tokens.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    ascii_bytes = ["Ċ", "Ġ", *map(chr, range(33, 127))]
    tokens = {token: i for i, token in enumerate([END, *ascii_bytes])}
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END])
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END, eos_token=END, pad_token=END)
    whole.chat_template = PLAIN
    whole.save_pretrained(folder)
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(tokens),
        n_embd=32,
        n_layer=2,
        n_head=2,
        n_positions=context,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=0,
    )  # dropout stays at GPT-2's 0.1: PPO must switch it off
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def write_tiny_bert(folder: Path, seed: int = 0) -> Path:
    """Write a DistilBERT of 1 layer that tells POSITIVE from NEGATIVE, with word pieces of its own."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import DistilBertConfig, DistilBertForSequenceClassification, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    letters = [chr(i) for i in range(33, 127)]
    pieces = [*special, *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    tokens = {token: i for i, token in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocab=tokens, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=READS, **names)
    whole.save_pretrained(folder)
    torch.manual_seed(seed)
    config = DistilBertConfig(
        vocab_size=len(tokens),
        dim=32,
        hidden_dim=48,
        n_layers=1,
        n_heads=2,
        max_position_embeddings=READS,
        initializer_range=0.5,
        id2label=LABELS,
        label2id={name: i for i, name in LABELS.items()},
    )
    DistilBertForSequenceClassification(config).save_pretrained(folder)
    return folder
