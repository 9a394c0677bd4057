"""A finished study in miniature: every file that figures and report read, with numbers set by hand."""

from pathlib import Path
from typing import Any

from tests.hand_samples import SETTINGS, sample, write_samples
from workflow.lib.files import write_csv, write_json, write_text
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Overlap, Sample, table
from workflow.scripts import pack_samples

RUN = {"dataset": "logic", "model": "tiny"}
TASK = RUN | {"task": "logicbench", "metric": "accuracy"}
KIND = {"interval": "95% cluster bootstrap"}
EVIL = "<script>document.title='owned'</script>{{7*7}}<a href='javascript:alert(1)'>x</a>\x1b[31m\u202eevil"
STUDY = {
    "title": "Study <b>one</b>",
    "question": "Which way is better?",
    "primary": {"task": "logicbench", "method": "dpo", "against": "base"},
}
SCORES = {"base": 0.55, "sft": 0.64, "dpo": 0.72}
MARGIN = 0.05  # half the width of every interval
SPREAD = ("seeds", "seed_sd", "seeds_low", "seeds_high")


def seeds(value: float) -> dict[str, str]:
    """Return the spread over two seeds of ``value``, its interval twice as wide as the other one."""
    ends = (value - 2 * MARGIN, value + 2 * MARGIN)
    return dict(zip(SPREAD, ("2", "0.02", *(str(round(end, 6)) for end in ends)), strict=True))


def without(row: dict[str, str], *columns: str) -> dict[str, str]:
    """Return a row without some of its columns."""
    return {name: cell for name, cell in row.items() if name not in columns}


def score(method: str, seed: str = "all", **change: str) -> dict[str, str]:
    """Return one row of accuracy.csv as read from the file."""
    estimate = SCORES[method]
    numbers = {"estimate": estimate, "low": estimate - MARGIN, "high": estimate + MARGIN}
    sizes = {"n": "400", "groups": "200"}
    spread = seeds(estimate) if seed == "all" else dict.fromkeys(SPREAD, "")
    return (
        TASK
        | KIND
        | sizes
        | {k: str(v) for k, v in numbers.items()}
        | {"method": method, "seed": seed}
        | spread
        | change
    )


def delta(method: str, against: str = "base", **change: str) -> dict[str, str]:
    """Return one row of deltas.csv as read from the file."""
    gain = SCORES[method] - SCORES[against]
    numbers = {"delta": gain, "low": gain - MARGIN, "high": gain + MARGIN}
    sizes = {"n": "400", "groups": "200", "better": "60", "worse": "20", "detectable": "0.041"}
    sizes |= {"gained": str(round(400 * gain) + 30), "lost": "30"}
    tests = {"p_mcnemar": "0.0001", "p_holm": "0.0003", "primary": "false"}
    names = {"method": method, "against": against, "trained": "true"}
    told = {k: str(v) for k, v in numbers.items()} | seeds(gain)
    return TASK | KIND | sizes | tests | told | names | change


def confidence(method: str, name: str, cell: str, estimate: float, **more: str) -> dict[str, str]:
    """Return one row of a table on confidence, of a task that scores options, as read from the file."""
    ends = {"low": str(round(estimate - MARGIN, 6)), "high": str(round(estimate + MARGIN, 6))}
    sizes = {"n": "40", "groups": "20"}
    about = RUN | {"task": "piqa", "method": method, name: cell}
    return about | more | sizes | {"estimate": str(estimate)} | ends | KIND


def length(method: str, answers: str, tokens: float, **rival: str) -> dict[str, str]:
    """Return one row of lengths.csv as read from the file."""
    ends = {"low": str(tokens - 2), "high": str(tokens + 2), "median": str(tokens - 1), "p95": "60.0"}
    about = RUN | {"task": "logicbench", "method": method, "answers": answers, "n": "200", "groups": "100"}
    none = dict.fromkeys(("delta", "delta_low", "delta_high", "correlation"), "")
    return about | KIND | {"tokens": str(tokens)} | ends | none | rival


def moved(method: str, seed: str, gain: float, kl: float) -> dict[str, str]:
    """Return one row of frontier.csv as read from the file; the base gains nothing over itself."""
    about = RUN | {"task": "logicbench", "scorer": "reward", "method": method, "seed": seed}
    ends = {"reward": 1 + gain, "reward_low": 0.5 + gain, "reward_high": 1.5 + gain, "tokens": 12.5}
    rival = {"delta": gain, "low": gain - 0.5, "high": gain + 0.5}
    rival |= {"win": 0.75, "win_low": 0.7, "win_high": 0.8}
    far = {"kl": kl, "kl_low": kl - 0.25, "kl_high": kl + 0.25}
    spread = seeds(gain) if seed == "all" else dict.fromkeys(SPREAD, "") | {"seeds": "1"}
    if method == "base":
        rival, spread = dict.fromkeys(rival, ""), dict.fromkeys(SPREAD, "")
        far = {"kl": 0.0, "kl_low": "", "kl_high": ""}
    kind = KIND if rival["low"] != "" else {"interval": ""}
    numbers = {name: str(value) for name, value in (ends | rival | far).items()}
    return about | {"n": "400", "groups": "200"} | kind | spread | numbers


def gain_for_cost(method: str, unit: str, cost: float, builds_on: str = "") -> dict[str, str]:
    """Return one row of efficiency.csv as read from the file."""
    row = delta(method)
    names = ("dataset", "model", "task", "method", "delta", "low", "high", "interval", "n", "groups")
    kept = {name: row[name] for name in names}
    rates = {f"{name}_per_unit": str(float(row[name]) / cost) for name in ("delta", "low", "high")}
    return kept | {"builds_on": builds_on, "quantity": unit, "cost": str(cost)} | rates


def cost(method: str, seconds: float) -> dict[str, str]:
    """Return one row of costs.csv as read from the file."""
    rates = {
        "tokens": "50000",
        "tokens_per_second": "2500.0",
        "samples_per_second": "30.0",
        "gpu_hours": "0.0",
    }
    rest = {"peak_rss_mib": "1100.5", "peak_gpu_mib": "0.0", "energy_kwh": "", "steps": "40", "rows": "1800"}
    rest |= {"mfu": "", "usd": "", "budget_unit": "", "budget_amount": "", "budget_used": ""}
    times = {"seconds_total": str(seconds), "seconds_training": str(seconds - 4)}
    return RUN | {"method": method, "seed": "1"} | times | rates | rest


def job(rule: str, stage: str, begun: str, seconds: str, **more: str) -> dict[str, str]:
    """Return one row of timeline.csv as read from the file."""
    about = {"stage": stage, "rule": rule, "output": f"results/{rule}/{begun}", "seconds": seconds}
    measured = {
        "begun": begun and f"2026-11-21T{begun}.000+00:00",
        "cpu_seconds": "",
        "peak_rss_mib": "900.0",
    }
    asked = {"threads": "1", "gpus": "0", "mem_mb": "64000", "runtime_min": "720"}
    return about | measured | asked | more


def needed(rule: str, jobs: str, **more: str) -> dict[str, str]:
    """Return one row of resources.csv as read from the file."""
    times = {
        "seconds_median": "80.0",
        "seconds_max": "90.0",
        "runtime_min": "720",
        "runtime_used": "0.002083",
    }
    memory = {"peak_rss_mib": "900.0", "mem_mb": "64000", "mem_used": "0.014746", "threads": "1"}
    rest = {"cores_used": "0.9", "gpus": "0", "advice_memory": "", "advice_time": ""}
    about = {"stage": "training", "rule": rule, "jobs": jobs, "measured": jobs}
    return about | times | memory | rest | more


def trial(number: int, beta: str, estimate: float | None) -> dict[str, str]:
    """Return one row of sweeps.csv as read from the file; without an estimate the trial failed."""
    failed = estimate is None
    value = 0.0 if estimate is None else estimate
    numbers = {"estimate": value, "low": value - MARGIN, "high": value + MARGIN, "difference": value - 0.7}
    numbers |= {"difference_low": value - 0.7 - MARGIN, "difference_high": value - 0.7 + MARGIN}
    said = {name: "" if failed else str(round(number, 6)) for name, number in numbers.items()}
    label = {"method": "dpo", "task": "logicbench", "seed": "1", "trials": "3", "trial": str(number)}
    sizes = {"n": "0" if failed else "200", "groups": "0" if failed else "100", "gpu_hours": ""}
    chosen = str(estimate == 0.7).lower()
    ending = (
        {"failure": "loss is nan", "seconds_total": ""} if failed else {"failure": "", "seconds_total": "61"}
    )
    rest = {"settings": f"beta {beta}", "tied": chosen, "chosen": chosen, **ending}
    return RUN | label | sizes | said | {"interval": "n/a (failed)" if failed else KIND["interval"]} | rest


def tables() -> dict[str, list[dict[str, str]]]:
    """Return the rows of every table of the analysis."""
    reward = {k: v for k, v in TASK.items() if k != "metric"} | KIND | {"n": "300", "groups": "100"}
    counts = RUN | {"method": "dpo", "quantity": "loss"}
    return {
        "accuracy": [score(m, s) for m in SCORES for s in ("all", "1", "2")],
        "deltas": [
            delta("sft"),
            delta("dpo", primary="true"),
            delta("dpo", "sft", low="-0.01", p_holm="0.2"),
        ],
        "subsets": [
            without(score(m), "seed", "metric", *SPREAD)
            | {"subset": subset, "delta": "0.17", "delta_low": "0.1", "delta_high": "0.24"}
            for m in SCORES
            for subset in ("all", "clean")
        ],
        "categories": [
            without(score(m), "seed", *SPREAD) | {"category": c}
            for m in SCORES
            for c in ("first_order", "rule:modus_tollens")
        ],
        "rewards": [
            reward
            | {
                "method": "reward",
                "seed": s,
                "estimate": "0.86",
                "low": "0.82",
                "high": "0.9",
                "margin": "1.84",
            }
            for s in ("all", "1")
        ],
        "pairs": [
            without(delta(*two), "primary", "trained") | {"finding": found}
            for two, found in (
                (("sft", "base"), "better"),
                (("dpo", "base"), "better"),
                (("dpo", "sft"), "unclear"),
            )
        ],
        "ranks": [
            TASK | dict(zip(("method", "place_best", "place_worst", "ties", "estimate"), cells, strict=True))
            for cells in (("dpo", *"12a", "0.72"), ("sft", *"12a", "0.64"), ("base", *"33b", "0.55"))
        ],
        "category_deltas": [
            without(delta(m), "primary", "trained")
            | {"field": "category", "category": c, "family": "4", "finding": "better"}
            for c in ("first_order", "propositional")
            for m in ("sft", "dpo")
        ],
        "calibration": [
            confidence(m, "quantity", quantity, value)
            for m in ("base", "dpo")
            for quantity, value in (("accuracy", 0.6), ("calibration_error", 0.125))
        ],
        "reliability": [
            confidence(m, "bin_low", low, right, bin_high=high, confidence=said)
            for m in ("base", "dpo")
            for low, high, said, right in (("0.5", "0.6", "0.55", 0.5), ("0.9", "1.0", "0.95", 0.75))
        ],
        "selective": [
            confidence(m, "coverage", share, right, least_confidence=least)
            for m in ("base", "dpo")
            for share, least, right in (("0.5", "0.9", 0.8), ("1.0", "0.5", 0.6))
        ],
        "lengths": [
            *(length("base", kind, n) for kind, n in (("all", 20.0), ("right", 18.0), ("wrong", 22.0))),
            length("dpo", "all", 30.0, delta="10.0", delta_low="8.0", delta_high="12.0", correlation="0.25"),
            *(length("dpo", kind, n) for kind, n in (("right", 28.0), ("wrong", 34.0))),
        ],
        "noise": [
            without(TASK, "metric")
            | KIND
            | {"method": "dpo", "kind": kind, "seeds": of, "n": "200", "groups": "100", "changed": "0.04"}
            | {"reworded": "0.31", "delta": "0.02", "low": "-0.01", "high": "0.05"}
            for kind, of in (("another seed", "1 2"), ("asked again", "1"))
        ],
        "frontier": [
            moved(m, seed, gain, kl)
            for m, gain, kl in (("base", 0.0, 0.0), ("dpo", 1.5, 2.5))
            for seed in ("all", "1", "2")
        ],
        "baselines": [
            {"task": "logicbench", "dataset": "logic", "baseline": "always no", "n": "375", "groups": "190"}
            | {"accuracy": "0.512", "low": "0.46", "high": "0.56", "chance": "0.5", "majority": "0.512"}
            | KIND
            | {"looks_at": "nothing"}
        ],
        "efficiency": [
            gain_for_cost("sft", "hours", 0.5),
            gain_for_cost("dpo", "hours", 2.0, "sft"),
            gain_for_cost("dpo", "kWh", 0.25, "sft"),
        ],
        "scaling": [
            {name: delta("sft")[name] for name in ("dataset", "model", "task", "interval", "n", "groups")}
            | {"method": method, "trainer": method[:3], "share": share, "rows": rows}
            | {"delta": gain, "low": low, "high": high}
            for method, share, rows, gain, low, high in (
                ("sft", "1.0", "600", "0.09", "0.04", "0.14"),
                ("sft-quarter", "0.25", "150", "0.04", "-0.01", "0.09"),
                ("dpo", "1.0", "400", "0.17", "0.12", "0.22"),
            )
        ],
        "sweeps": [trial(0, "0.1", 0.6), trial(1, "0.3", 0.7), trial(2, "0.9", None)],
        "wins": [
            {k: v for k, v in TASK.items() if k != "metric"}
            | KIND
            | {"judge": "tiny", "method": "dpo", "seed": s, "n": "40", "groups": "20"}
            | {"wins": "24", "losses": "6", "split": "5", "equal": "4", "unparsed": "1"}
            | {
                "win": "0.730769",
                "win_low": "0.6",
                "win_high": "0.85",
                "seeds_low": "0.5",
                "seeds_high": "0.9",
            }
            | {"seeds": "2", "seed_sd": "0.1", "first_share": "0.62", "words": "12.5"}
            | {"equal_length": "0.66" if s == "all" else "", "equal_length_low": "0.55" if s == "all" else ""}
            | {"equal_length_high": "0.75" if s == "all" else "", "equal_length_interval": "n/a (constant)"}
            | {"exact": "16", "agreement": "0.75", "agreement_low": "0.5", "agreement_high": "0.95"}
            for s in ("all", "1")
        ],
        "curves": [
            counts | {"seed": s, "step": str(n), "value": str(1 / n)} for s in "12" for n in (1, 2, 4)
        ],
        "costs": [cost("sft", 23.0), cost("dpo", 80.0)],
        "timeline": [
            job("pretrain_model", "models", "10:00:00", "60.0"),
            job("train", "training", "10:01:00", "90.0"),
            job("train", "training", "10:01:30", "90.0"),
            job("train", "training", "", ""),
            job("rank_methods", "analysis", "10:03:00", "1.0"),
            job("collect_costs", "analysis", "10:03:01", "1.0"),
        ],
        "resources": [
            needed("pretrain_model", "1"),
            needed("train", "3", measured="2", advice_memory="train asked for 64 GB: <b>2 GB</b> would do."),
        ],
        "funnel": [
            {
                "dataset": "logic",
                "stage": "data",
                "step": "duplicates",
                "rows_in": "1500",
                "rows_out": "1462",
                "reason": "x",
            }
        ],
    }


def examples(text: str = EVIL) -> dict[str, Any]:
    """Return the content of examples.json with one problem, every text ``text``."""
    answers = [{"method": m, "text": text, "parsed": None, "right": m == "dpo", "tokens": 9} for m in SCORES]
    about = {
        "kind": "gained",
        "category": "first_order",
        "rule": "modus_tollens",
        "seed": 1,
        "problem_id": "p1",
    }
    problem = RUN | about | {"task": "logicbench", "prompt": text, "gold": "yes", "answers": answers[::-1]}
    counts = {"gained": 1, "lost": 0, "unchanged": 0}
    return {
        "rule": "by seed",
        "seed": 9,
        "sets": [RUN | {"task": "logicbench", "counts": counts, "examples": [problem]}],
    }


def answers(text: str = EVIL) -> list[Sample]:
    """Return answers of every method to twelve problems, two seeds: the base has the first third right.

    SFT has the second third right, DPO the problems with an even number.
    """
    right = {"base": range(4), "sft": range(4, 8), "dpo": range(0, 12, 2)}
    return [
        sample(
            **{"method": method, "seed": seed, "problem_id": f"p{number:02d}", "task": "logicbench"},
            **{"category": ("first_order", "propositional")[number % 3 == 0], "rule": "modus_tollens"},
            **{"text": text, "prompt": f"{text} {number}", "score": float(number in right[method])},
            **{"parsed": None, "tokens": 9},
        )
        for method in SCORES
        for seed in (1, 2)
        for number in range(12)
    ]


def contamination(folder: Path) -> dict[str, str]:
    """Write which of the twelve problems training has seen, the last two, and return the file."""
    rows = [Overlap("logic", f"p{number:02d}", 0.0, number >= 10, "") for number in range(12)]
    write_parquet(folder / "contamination.parquet", table(rows, Overlap))
    return {"logic": str(folder / "contamination.parquet")}


def provenance() -> dict[str, Any]:
    """Return the content of provenance.json."""
    model = {"model": "tiny", "kind": "scratch", "repo": None, "revision": None, "manifest_sha256": "ab" * 32}
    return {
        "release": "0.1.0",
        "commit": "c0ffee",
        "versions": {"torch": "2.13.0"},
        "platform": {"system": "Linux"},
        "commands": {"everything again": "snakemake --configfile /home/someone/study/config.yaml"},
        "config": {"seeds": [1, 2], "path": "/scratch/someone/model"},
        "config_sha256": "cd" * 32,
        "manifests": [model],
        "runs": [{"method": "dpo"}],
        "scores": [],
    }


CHECKS = {
    "passed": 1,
    "failed": 0,
    "skipped": 1,
    "tests": [
        {"name": "test_no_cell_is_nan[accuracy]", "outcome": "passed", "message": ""},
        {"name": "test_all_is_well", "outcome": "skipped", "message": "one seed"},
    ],
}
CARDS: list[dict[str, Any]] = [
    {
        "dataset": "logic",
        "stage": "data",
        "kind": "Problem",
        "funnel": [{"step": "reading", "rows_in": 1430, "rows_out": 1427, "reason": "two were short"}],
        "rows": {"train": 842, "dev": 210, "test": 375},
        "splits": {
            "train": {"rows": 842, "groups": 400, "category": {"first_order": 842}},
            "test": {"rows": 375, "groups": 190, "category": {"first_order": 375}},
        },
        "conflicts": [],
        "near": {"pairs": 3, "other_answer": 1, "clusters": 2, "largest_cluster": 3}
        | {"between": {"train and test": 3}},
        "baselines": [
            {"name": "always no", "looks_at": "nothing", "accuracy": 0.512, "low": 0.46, "high": 0.56}
            | {"n": 375, "groups": 190, "chance": 0.5, "majority": 0.512, "interval": "95%"}
        ],
        "findings": ["Nothing is given away."],
        "examples": {
            "train": [],
            "test": [
                {"problem_id": "p1", "category": "first_order", "rule": EVIL, "context": EVIL}
                | {"question": EVIL, "choices": ["yes", "no"], "answer": "yes", "source": "file row 1"}
                | {"instance": "", "planted": ""}
            ],
        },
        "licence": "Apache-2.0",
        "citation": "A paper",
    },
    {
        "dataset": "logic",
        "rule": "best_yield",
        "rule_in_words": "best yield",
        "choices": {"tiny": {"prompt": "cot", "kept": True}},
        "table": [
            {"teacher": "tiny", "prompt": name, "problems": 48, "samples": 192, "right": right, "unparsed": 0}
            | {"truncated": 48, "yield": right / 192, "yield_low": low, "yield_high": low + 0.125}
            | {"tokens_per_right": 50.0 if right else None, "usd_per_right": 0.012 if right else None}
            | {"accuracy": right / 144 if right else None, "accuracy_low": None, "accuracy_high": None}
            | {"difference": low - 0.4375, "difference_low": low - 0.5, "difference_high": low - 0.25}
            | {"unparsed_rate": 0.0, "truncated_rate": 0.25, "tied": name != "direct"}
            | {"mean_steps": 2.5, "mean_words": 31.25, "mean_repetition": 0.125}
            for name, right, low in (("cot", 96, 0.4375), ("direct", 0, 0.0), ("json", 90, 0.4))
        ],
    },
    {
        "dataset": "logic",
        "stage": "rationales",
        "funnel": [{"step": "answered", "rows_in": 1200, "rows_out": 1190, "reason": "10 length"}],
        "by_category": [
            {"teacher": "tiny", "category": name, "asked": 1200, "answered": 1190, "parsed": 1180}
            | {"right": right, "kept": right - 3, "lost": {"length": 10, EVIL: 3, "unparsed": 10}}
            for name, right in (("first_order", 700), ("analogical", 650))
        ],
        "ambiguity_rule": "gold answer and vote share below 0.6",
        "detection": {
            "planted": 8,
            "sound": 92,
            "thresholds": [
                {"ambiguous_below": 0.5, "flagged": 0, "precision": None, "recall": 0.0},
                {"ambiguous_below": 0.6, "flagged": 20, "precision": 0.1, "recall": 0.25},
            ],
            "scores": [{"score": "vote_share", "auroc": 0.625}, {"score": "pair_gap", "auroc": 0.75}],
        },
        "suspect_rule": "gold answer, and 0.9 of at least 5 answers are one other answer",
        "label_detection": {
            **{"planted": 4, "sound": 96, "flagged": 0, "precision": None, "recall": 0.0},
            "scores": [{"score": "gold_share", "auroc": 0.875, "average_precision": 0.5}],
        },
    },
]


def write(folder: Path) -> None:
    """Write every file of the study below ``folder``."""
    for name, rows in tables().items():
        write_csv(folder / f"{name}.csv", list(rows), list(rows[0]))
    write_json(folder / "examples.json", examples())
    pack_samples.main(
        samples=[write_samples(folder / "samples.parquet", answers())],
        contamination=contamination(folder),
        packed=str(folder / "samples.jsonl.gz"),
        settings=SETTINGS,
    )
    write_json(folder / "provenance.json", provenance())
    write_json(folder / "checks.json", CHECKS)
    write_text(folder / "methods.md", f"It learns [@key]. {EVIL}\n")
    write_text(folder / "references.bib", "@misc{key,\n  title = {T}\n}\n")
    for number, card in enumerate(CARDS):
        write_json(folder / f"card-{number}.json", card)
