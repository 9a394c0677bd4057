"""A tokenizer whose tokens are the words of a text, so that a test can count them by hand."""

from tokenizers import Tokenizer, models, pre_tokenizers, processors


def word_tokenizer() -> Tokenizer:
    """Return a tokenizer that knows no word and puts a special token before every text."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "[BOS]": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="[BOS] $A", special_tokens=[("[BOS]", 1)])
    return tokenizer
