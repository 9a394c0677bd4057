"""What the shipped studies fetch from the hub, as a mirror of stand-ins: same paths, same schemas, tiny.

Models are random and small, of the architecture that they stand for, and lack what the real ones lack: GPT-2
and Llama 2 have no chat template and no padding token, the classifier no ``tokenizer.json``. Rows have the
fields of the real files and words without meaning, so that no two are nearly alike.
"""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.tiny_gpt2 import write_tiny_bert, write_tiny_gpt2
from tests.tiny_llama import write_tiny_llama

CONTEXT = 1024  # a token is a character
SYLLABLES = [first + second for first in "bdfgklmnprst" for second in "aeiou"]
Rows = list[dict[str, Any]]


def words(random: Random, count: int) -> str:
    """Return ``count`` words without meaning."""
    return " ".join("".join(random.choices(SYLLABLES, k=random.randint(1, 3))) for _ in range(count))


# --- rows -------------------------------------------------------------------------------------------------


def goals(random: Random, count: int) -> Rows:
    """Return rows of PIQA as baber/piqa has them."""
    return [
        {"goal": words(random, 4), "sol1": words(random, 5), "sol2": words(random, 5), "label": i % 2}
        for i in range(count)
    ]


def reviews(random: Random, count: int) -> Rows:
    """Return rows of IMDB; every fourth review is shorter than 200 characters."""
    return [
        {
            "text": f"{words(random, 12)}<br /><br />{words(random, 60 if i % 4 else 6)}.",
            "label": int(i < count / 2),
        }
        for i in range(count)
    ]


def answers(random: Random, count: int) -> Rows:
    """Return rows of Stack Exchange: two pairs of each question, the better answer the same."""
    rows = []
    for _ in range(count):
        number = random.randrange(10**9)
        address = f"https://site.invalid/questions/{number}"
        about = {"qid": number, "question": words(random, 10), "date": "2020/01/02"}
        about |= {"metadata": [address, "https://site.invalid", "https://site.invalid/users/1/"]}
        better = words(random, 12)
        rows += [{**about, "response_j": better, "response_k": words(random, 6)} for _ in range(2)]
    return rows


def write_table(path: Path, rows: Rows) -> None:
    """Write ``rows`` as Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def write_contexts(path: Path, random: Random, key: str, count: int) -> None:
    """Write a file of LogicBench with ``count`` contexts of two questions each, a yes and a no."""
    samples = [
        {
            "context": words(random, 12),
            "qa_pairs": [{"question": words(random, 6), "answer": answer} for answer in ("yes", "no")],
        }
        for _ in range(count)
    ]
    about = {"type": "propositional_logic", "axiom": path.parent.name, key: samples}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about))


def write_logicbench(folder: Path) -> None:
    """Write both halves of LogicBench; MCQA lies beside BQA under the same file name."""
    random, name = Random(1), "propositional_logic/modus_tollens/data_instances.json"
    write_contexts(folder / "data/LogicBench(Aug)" / name, random, "data_samples", 16)
    write_contexts(folder / "data/LogicBench(Eval)/BQA" / name, random, "samples", 6)
    (folder / "data/LogicBench(Eval)/MCQA").mkdir()
    (folder / "data/LogicBench(Eval)/MCQA/data_instances.json").write_text("not to be read")


def write_piqa(folder: Path) -> None:
    """Write the train and the validation file of PIQA."""
    random = Random(2)
    write_table(folder / "plain_text/train-00000-of-00001.parquet", goals(random, 24))
    write_table(folder / "plain_text/validation-00000-of-00001.parquet", goals(random, 8))


def write_imdb(folder: Path) -> None:
    """Write the files of IMDB, sorted by label as the real ones."""
    random = Random(3)
    for split in ("train", "test", "unsupervised"):
        write_table(folder / f"plain_text/{split}-00000-of-00001.parquet", reviews(random, 32))


def write_stack_exchange(folder: Path) -> None:
    """Write the first file of every folder of Stack Exchange paired."""
    random = Random(4)
    for stage, files in {"finetune": 20, "reward": 20, "rl": 20, "evaluation": 12}.items():
        write_table(folder / f"data/{stage}/train-00000-of-{files:05}.parquet", answers(random, 16))


# --- models -----------------------------------------------------------------------------------------------


def write_llama(folder: Path) -> None:
    """Write a Llama with a chat template."""
    write_tiny_llama(folder, context=CONTEXT)


def write_gpt2(folder: Path) -> None:
    """Write a GPT-2 without chat template and padding token."""
    unfinished(write_tiny_gpt2(folder, context=CONTEXT))


def write_llama_2(folder: Path) -> None:
    """Write a Llama with Llama 2's special tokens, without chat template and padding token."""
    write_llama(folder)
    for file in folder.glob("*.json"):
        text = file.read_text()
        for old, new in {"<|end|>": "</s>", "<|user|>": "<s>", "<|assistant|>": "<unk>"}.items():
            text = text.replace(old, new)
        file.write_text(text)
    unfinished(folder, bos_token="<s>")


def unfinished(folder: Path, **known: str) -> None:
    """Take chat template and padding token from the tokenizer in ``folder``; ``known`` are other tokens."""
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    path = folder / "tokenizer_config.json"
    about = {k: v for k, v in json.loads(path.read_text()).items() if k not in ("chat_template", "pad_token")}
    path.write_text(json.dumps({**about, **known}))


def write_classifier(folder: Path) -> None:
    """Write a DistilBERT that classifies, its word pieces in ``vocab.txt`` alone."""
    write_tiny_bert(folder)
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "vocab.txt").write_text("".join(f"{p}\n" for p in sorted(vocabulary, key=vocabulary.get)))
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true, "model_max_length": 16}')


WRITERS: dict[str, Callable[[Path], None]] = {
    "cogint/LogicBench-v1.0": write_logicbench,
    "baber/piqa": write_piqa,
    "stanfordnlp/imdb": write_imdb,
    "lvwerra/stack-exchange-paired": write_stack_exchange,
    "meta-llama/Llama-3.1-8B-Instruct": write_llama,
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": write_llama,
    "microsoft/phi-4": write_llama,  # a teacher: any model that vLLM samples
    "openai-community/gpt2": write_gpt2,
    "meta-llama/Llama-2-7b-hf": write_llama_2,
    "distilbert/distilbert-base-uncased-finetuned-sst-2-english": write_classifier,
}


def write_mirror(folder: Path, study: dict[str, Any]) -> Path:
    """Write a stand-in for everything that ``study`` takes from the hub, at its revisions."""
    sources = [source for dataset in study["datasets"].values() for source in dataset["sources"]]
    hub = {(one["repo"], one["revision"]) for one in [*sources, *study["models"].values()]}
    for repo, revision in sorted(hub):
        place = folder / repo / revision
        place.mkdir(parents=True)
        WRITERS[repo](place)
    return folder
