"""How time and memory of the data stage grow: LogiGLUE-like rows through normalise and contamination.

``python benchmarks/data_stage.py 100000 1000000`` writes that many rows (not timed), runs both scripts in
one process of their own for each number, and prints a Markdown row: seconds, microseconds per row and the
peak memory of the process. Five in a hundred rows are copies, five have one word changed, and one is a copy
with another answer.
"""

import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = ["Anne", "Bob", "Charlie", "Dave", "Erin", "Fiona", "Gary", "Harry"]
CLASSES = 3000  # invented adjectives and nouns, so that texts differ as those of many domains do
TESTED = 5000  # rows of the held-out file
CHOICES = ["entailment", "contradiction", "neutral"]
NEAR = {"words": 3, "similarity": 0.8}
CONTAMINATION = {"words": 8, "share": 0.7}


def row(rng: random.Random, number: int) -> dict[str, object]:
    """Return one row of about seventy words in LogiGLUE's columns."""
    words = [f"w{rng.randrange(CLASSES)}" for _ in range(24)]
    facts = [f"{rng.choice(NAMES)} is {word}." for word in words[:8]]
    triples = zip(*[iter(words[8:20])] * 3, strict=True)
    rules = [f"If someone is {a} and {b} then they are {c}." for a, b, c in triples]
    context = f"premises: {' '.join(facts + rules)} conclusion: {rng.choice(NAMES)} is {words[20]}."
    answer = rng.randrange(3)
    return {
        **{"id_": number % 1000, "context": context, "question": "Does the conclusion follow?"},
        **{"choices": CHOICES, "answer_choice": answer, "answer_text": CHOICES[answer]},
        **{"category": "nli", "original_dataset": "rulebert", "input": context},
    }


def write_rows(folder: Path, count: int) -> None:
    """Write ``count`` rows for training and ``TESTED`` for the test, some of them like earlier ones."""
    rng = random.Random(7)
    kept: list[dict[str, object]] = []
    for name, rows in (("test", TESTED), ("train", count)):
        path = folder / f"files/{name}/rulebert/rulebert_{name}.jsonl"
        path.parent.mkdir(parents=True)
        with path.open("w") as stream:
            for number in range(rows):
                chance = rng.random()
                made = row(rng, number)
                if kept and chance < 0.11:
                    made = dict(rng.choice(kept))
                if kept and chance < 0.05:
                    words = str(made["context"]).split()
                    words[rng.randrange(1, len(words) - 4)] = f"w{rng.randrange(CLASSES)}"
                    made["context"] = " ".join(words)
                elif kept and chance < 0.06:
                    place = CHOICES.index(str(made["answer_text"])) - 1
                    made |= {"answer_choice": place % 3, "answer_text": CHOICES[place]}
                if len(kept) < 20_000:
                    kept.append(made)
                stream.write(json.dumps(made) + "\n")


def work(folder: Path) -> None:
    """Run both scripts on the rows in ``folder`` and print seconds of each and the peak memory."""
    sys.path.insert(0, str(ROOT))
    from workflow.lib.manifests import list_files
    from workflow.scripts import find_contamination, normalise_dataset

    sources = [
        {"name": name, "kind": "local", "adapter": "logiglue", "into": into}
        for name, into in (("train", "train"), ("test", "test"))
    ]
    files = folder / "files"
    entries = [{**s, "files": list_files(files / s["name"], files)} for s in sources]
    (folder / "manifest.json").write_text(json.dumps({"sources": entries, "licence": "x", "citation": "x"}))
    splits = {split: str(folder / f"{split}.parquet") for split in ("train", "dev", "test")}
    started = time.perf_counter()
    normalise_dataset.main(
        manifest=str(folder / "manifest.json"),
        files=str(files),
        splits=splits,
        exports={split: path.replace("parquet", "jsonl") for split, path in splits.items()},
        near=str(folder / "near.parquet"),
        card=str(folder / "card.json"),
        dataset="scale",
        settings={"sources": sources, "split": {"seed": 7, "dev": 0.1, "test": 0.0}, "near_duplicates": NEAR},
        tokenizers={},
    )
    normalised = time.perf_counter()
    find_contamination.main(
        train=splits["train"],
        tests=[splits["test"]],
        contamination=str(folder / "contamination.parquet"),
        settings=CONTAMINATION,
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    seconds = {"normalise": normalised - started, "contamination": time.perf_counter() - normalised}
    print(json.dumps(seconds | {"gigabytes": peak}))


def main(counts: list[int]) -> None:
    """Measure each number of rows and print a table."""
    print(
        "| rows | normalise, s | contamination, s | both, µs per row | peak memory, GB |\n"
        "|---|---|---|---|---|"
    )
    for count in counts:
        folder = Path(tempfile.mkdtemp())
        write_rows(folder, count)
        command = [sys.executable, __file__, "--work", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        per_row = 1e6 * (found["normalise"] + found["contamination"]) / count
        cells = [found["normalise"], found["contamination"], per_row, found["gigabytes"]]
        print(f"| {count:,} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |", flush=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    work(Path(sys.argv[2])) if sys.argv[1] == "--work" else main([int(count) for count in sys.argv[1:]])
