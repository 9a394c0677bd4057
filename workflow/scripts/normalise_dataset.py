"""Turn a dataset's raw files into problems of one schema, split by group, and describe them.

Every row is counted: read, dropped as a duplicate or a conflict, taken out of train because its group
is in test. The card tells the counts, the labels and the baselines.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.answers import judge
from workflow.lib.datasets.registry import ADAPTERS
from workflow.lib.errors import DataError, raise_all
from workflow.lib.files import read_json, read_jsonl, write_json, write_jsonl, write_parquet
from workflow.lib.logs import capture
from workflow.lib.manifests import check_files
from workflow.lib.records import Problem, table
from workflow.lib.splits import SPLITS, Shares, apart, split_of, without_duplicates

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def read_source(source: dict[str, Any], files: Path, dataset: str) -> list[Problem]:
    """Return the problems of one source, with the defects that a generator planted in them."""
    folder = files / source["name"]
    problems = list(ADAPTERS[source["adapter"]](folder, dataset))
    planted = {
        (row["context"], row["question"]): row["planted"]
        for path in folder.rglob("planted.jsonl")
        for row in read_jsonl(path)
    }
    keys = [(problem.context, problem.question) for problem in problems]
    return [
        replace(p, planted=planted[k]) if k in planted else p for p, k in zip(problems, keys, strict=True)
    ]


def gold_problems(problems: list[Problem]) -> list[str]:
    """Return a line per problem whose gold answer our own scorer does not accept."""
    return [
        f"{p.source} field 'answer': expected an answer that '{p.verifier}' accepts, found '{p.answer}'"
        for p in problems
        if p.answer is not None
        and not judge(
            f"The answer is {p.answer}",
            choices=p.choices,
            answer=p.answer,
            verifier=p.verifier,
            instance=p.instance,
        ).right
    ]


def describe(by_split: dict[str, list[Problem]]) -> dict[str, Any]:
    """Return counts of categories, rules and answers per split, and the baselines of the test split."""
    test = [p for p in by_split["test"] if p.answer is not None]
    labels = Counter(p.choices.index(str(p.answer)) if p.choices else -1 for p in test)
    return {
        "rows": {split: len(problems) for split, problems in by_split.items()},
        "groups": {split: len({p.group_id for p in problems}) for split, problems in by_split.items()},
        "categories": {
            s: dict(sorted(Counter(p.category for p in ps).items())) for s, ps in by_split.items()
        },
        "rules": {s: dict(sorted(Counter(p.rule for p in ps).items())) for s, ps in by_split.items()},
        "planted": {s: sum(bool(p.planted) for p in ps) for s, ps in by_split.items()},
        "answers_by_position": {str(place): count for place, count in sorted(labels.items())},
        "majority_baseline": max(labels.values()) / len(test) if test and -1 not in labels else None,
    }


def main(
    *,
    manifest: str,
    files: str,
    train: str,
    dev: str,
    test: str,
    exports: list[str],
    card: str,
    dataset: str,
    settings: dict[str, Any],
) -> None:
    """Read, check, clean, split and describe ``dataset``."""
    about = read_json(manifest)
    for source in about["sources"]:
        check_files(files, source["files"])
    shares = Shares(**settings["split"])
    read = [(s["into"], p) for s in settings["sources"] for p in read_source(s, Path(files), dataset)]
    raise_all(gold_problems([problem for _, problem in read]))
    into = {problem.problem_id: allowed for allowed, problem in read}
    unique, repeats, conflicts = without_duplicates(problem for _, problem in read)
    by_split: dict[str, list[Problem]] = {split: [] for split in SPLITS}
    for problem in sorted(unique, key=lambda p: p.problem_id):
        by_split[split_of(problem.group_id, into[problem.problem_id], shares)].append(problem)
    clean, gone = apart(by_split)
    if not clean["test"]:
        raise DataError(f"dataset '{dataset}': the test split is empty. Fix: raise split.test.")
    for split, path, export in zip(SPLITS, (train, dev, test), exports, strict=True):
        rows = table(clean[split], Problem)
        write_parquet(path, rows, {"dataset": dataset, "split": split, "sources": about["sources"]})
        write_jsonl(export, rows.to_pylist())
    counts = [len(read), len(read) - len(conflicts), len(unique), len(unique) - gone]
    reasons = ["same text with two gold answers", "same text again", "its group is in the test split"]
    funnel = [
        {"step": step, "rows_in": counts[i], "rows_out": counts[i + 1], "reason": reasons[i]}
        for i, step in enumerate(("conflicts", "duplicates", "leakage"))
    ]
    described = describe(clean)
    write_json(
        card,
        {
            "dataset": dataset,
            "stage": "data",
            "funnel": funnel,
            "repeats": repeats,
            "conflicts": conflicts,
            "licence": about["licence"],
            "citation": about["citation"],
            **described,
        },
    )
    print(f"{dataset}: {funnel} {described['rows']}")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        manifest=snakemake.input.manifest,
        files=snakemake.input.files,
        train=snakemake.output.train,
        dev=snakemake.output.dev,
        test=snakemake.output.test,
        exports=snakemake.output.exports,
        card=snakemake.output.card,
        dataset=snakemake.wildcards.dataset,
        settings=snakemake.params.settings,
    )
