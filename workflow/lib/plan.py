"""What a dry run is about to cost, by stage: jobs, hours, GPU-hours, disk and dollars; and what it fetches.

Each number is judged by earlier runs here; where there is none, by presets: ``config/expected/cpu.csv`` for
jobs without a GPU, as the demo measured them, and ``workflow.lib.estimates`` for the others. What cannot be
judged is said to be unknown, and is in no sum without a mark.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from workflow.lib.dags import Dag, Job, rule_of
from workflow.lib.estimates import Estimator
from workflow.lib.fetches import Fetch, fetches_of, in_words, size_of
from workflow.lib.workloads import WORKLOADS, UnknownError, Work

STAGES = (  # files of rules, as the Snakefile includes them
    *("data", "models", "prompts", "rationales", "preferences", "sweeps", "training", "publishing"),
    *("rounds", "evaluation", "analysis", "report"),
)
TRAININGS = ("train", "try_settings")
EVALUATIONS = ("evaluate", "evaluate_again", "evaluate_rewards", "score_trials")
HEADS = ("stage", "jobs", "hours", "GPU-hours", "disk", "API dollars")
EARLIER, PRESETS, NOTHING = "by earlier runs here", "by presets", "not known"
THOUSAND = 1000.0  # problems that dollars are told for, where their number is not known


@dataclass(frozen=True)
class Amount:
    """A number of which a part may be unknown, or only bounded from above."""

    value: float = 0.0
    whole: bool = True
    at_most: bool = False

    def __add__(self, other: "Amount") -> "Amount":
        """Return the sum."""
        return Amount(self.value + other.value, self.whole and other.whole, self.at_most or other.at_most)

    def told(self, text: str) -> str:
        """Return ``text``, which says the value, with what must be known of it."""
        known = f"{'at most ' if self.at_most else ''}{text}" if self.value or self.whole else ""
        return known if self.whole else f"{known} + ?".removeprefix(" + ")


UNKNOWN = Amount(whole=False)


@dataclass(frozen=True)
class Cost:
    """What one job or many take."""

    seconds: Amount = Amount()
    gpu_seconds: Amount = Amount()
    megabytes: Amount = Amount()
    dollars: Amount = Amount()
    jobs: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        """Return the sum."""
        return Cost(
            self.seconds + other.seconds,
            self.gpu_seconds + other.gpu_seconds,
            self.megabytes + other.megabytes,
            self.dollars + other.dollars,
            self.jobs + other.jobs,
        )

    def cells(self, stage: str) -> list[str]:
        """Return the row of a table."""
        return [
            stage,
            str(self.jobs),
            self.seconds.told(hours(self.seconds.value)),
            self.gpu_seconds.told(hours(self.gpu_seconds.value)),
            self.megabytes.told(in_words(self.megabytes.value) if self.megabytes.value else "-"),
            self.dollars.told(cents(self.dollars.value)),
        ]


def hours(seconds: float) -> str:
    """Return seconds as hours, rounded as far as they may be trusted."""
    found = seconds / 3600
    if found < 0.001:
        return "< 0.001" if found else "-"
    return f"{found:.3f}" if found < 0.1 else f"{found:.1f}"


def cents(dollars: float) -> str:
    """Return dollars to the cent."""
    return "-" if not dollars else "< 0.01" if dollars < 0.01 else f"{dollars:.2f}"


def read_expected(path: str | Path) -> dict[str, tuple[float, float]]:
    """Return seconds and MB per job by rule, as measured without a GPU."""
    with Path(path).open(newline="", encoding="utf-8") as stream:
        return {
            row["rule"]: (float(row["seconds"]), float(row["megabytes"])) for row in csv.DictReader(stream)
        }


def read_presets(path: str | Path) -> dict[str, Any]:
    """Return what is assumed of jobs that no earlier run tells of."""
    return dict(yaml.safe_load(Path(path).read_text(encoding="utf-8")))


class Judge:
    """Tells what each job takes, and how that was judged."""

    def __init__(self, expected: Mapping[str, tuple[float, float]], estimator: Estimator) -> None:
        """Judge by ``expected`` (seconds and MB by rule) where no GPU computes, else by ``estimator``."""
        self._expected, self._estimator = expected, estimator
        self._study = dict(estimator.sizes.study)
        self.by: Counter[str] = Counter()  # jobs by what their time was judged by
        self.unknown: dict[str, Counter[str]] = {}  # jobs by what is not known, and rule

    def cost(self, job: Job) -> Cost:
        """Return what ``job`` takes."""
        rule, gpus = rule_of(job), float(getattr(job.resources, "gpu", 0))
        work = self._work(job)
        seconds = self._seconds(job, work, gpus)
        return Cost(
            seconds,
            Amount(seconds.value * gpus, seconds.whole, seconds.at_most) if gpus else Amount(),
            self._megabytes(job, work, gpus),
            self._dollars(rule, job, work),
            1,
        )

    def _work(self, job: Job) -> Work | None:
        """Return what ``job`` has to do; ``None`` where it does no such work, or nobody knows how much."""
        rule = rule_of(job)
        if rule not in WORKLOADS:
            return None
        try:
            return WORKLOADS[rule](self._estimator.sizes, job.wildcards)
        except UnknownError as error:
            self._note(rule, f"{error}{self._per_thousand(job)}")
            return None

    def _note(self, rule: str, unknown: str) -> None:
        self.unknown.setdefault(unknown, Counter())[rule] += 1

    def _per_thousand(self, job: Job) -> str:
        """Return what a thousand problems would cost, where a teacher behind an API is asked."""
        teacher = self._api(job)
        if teacher is None:
            return ""
        answers = self._estimator.sizes.asked(teacher, THOUSAND * teacher["samples"])
        usd, most = self._estimator.dollars(rule_of(job), job.wildcards.teacher, answers)
        return f"; {'at most' if most else 'about'} {usd:.2f} dollars for each thousand of them"

    def _api(self, job: Job) -> dict[str, Any] | None:
        """Return the settings of the teacher behind an API that ``job`` asks, if it asks one."""
        name = getattr(job.wildcards, "teacher", None)
        found = self._study["teachers"][name] if name else {"kind": None}
        return found if found["kind"] == "api" else None

    def _seconds(self, job: Job, work: Work | None, gpus: float) -> Amount:
        rule, teacher = rule_of(job), self._api(job)
        found = self._estimator.earlier.seconds_of(rule, str(job.benchmark))
        if found is not None:
            self.by[EARLIER] += 1
            return Amount(found)
        if not gpus and rule in self._expected:
            self.by[PRESETS] += 1
            return Amount(self._expected[rule][0])
        try:
            if work and (gpus or teacher):
                at_most = (
                    self._estimator.gpu_seconds(work, gpus)
                    if gpus
                    else self._estimator.api_seconds(work, teacher or {})
                )
                self.by[PRESETS] += 1
                return Amount(at_most, at_most=True)
        except UnknownError as error:
            self._note(rule, str(error))
        self.by[NOTHING] += 1
        return UNKNOWN

    def _megabytes(self, job: Job, work: Work | None, gpus: float) -> Amount:
        """Return what the job wrote last time, or what it may write."""
        rule = rule_of(job)
        written = [size_of(path) for path in map(Path, map(str, job.output)) if path.exists()]
        fetched = fetches_of(rule, job.wildcards, self._study)
        if written or fetched:
            return Amount(sum(written) / 1e6 if written else sum(fetch.megabytes for fetch in fetched))
        if rule in self._expected and not gpus:
            return Amount(self._expected[rule][1])
        try:
            return Amount(self._estimator.megabytes(work), at_most=True) if work else UNKNOWN
        except UnknownError:
            return UNKNOWN

    def _dollars(self, rule: str, job: Job, work: Work | None) -> Amount:
        if self._api(job) is None:
            return Amount()
        if work is None:
            return UNKNOWN
        usd, at_most = self._estimator.dollars(rule, job.wildcards.teacher, work)
        return Amount(usd, at_most=at_most)


def plan_summary(dag: Dag, expected: Mapping[str, tuple[float, float]], estimator: Estimator) -> str:
    """Return the lines that end a dry run: trainings, evaluations, the table by stage, and fetches.

    Args:
        dag: Snakemake's graph of jobs; those of another workflow, around this one, do not count.
        expected: Seconds and MB per job by rule, for jobs without a GPU that never ran here.
        estimator: Judges jobs that compute with models or ask APIs.
    """
    ours = [job for job in dag.jobs if rule_of(job)]
    jobs = [job for job in ours if dag.needrun(job)]
    if not jobs:
        return "Plan: nothing to do."
    counts = Counter(rule_of(job) for job in jobs)
    trainings, evaluations = (sum(counts[rule] for rule in rules) for rules in (TRAININGS, EVALUATIONS))
    judge, study = Judge(expected, estimator), dict(estimator.sizes.study)
    costs = [(Path(str(job.rule.snakefile)).stem, judge.cost(job)) for job in jobs]
    totals = {stage: sum((cost for of, cost in costs if of == stage), Cost()) for stage in STAGES}
    stages = {stage: total for stage, total in totals.items() if total.jobs}
    found = [fetch for job in jobs for fetch in fetches_of(rule_of(job), job.wildcards, study)]
    return "\n".join(
        [
            f"Plan: {len(jobs)} jobs, {trainings} trainings, {evaluations} evaluations.",
            *table(stages),
            *notes(sum(stages.values(), Cost()), judge, study["prices"]["usd_per_gpu_hour"]),
            *fetch_lines(found),
        ]
    )


def table(stages: Mapping[str, Cost]) -> list[str]:
    """Return the table of ``stages`` with their total, one line per row."""
    total = sum(stages.values(), Cost())
    rows = [list(HEADS), *(cost.cells(stage) for stage, cost in stages.items()), total.cells("total")]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    ]


def notes(total: Cost, judge: Judge, usd_per_gpu_hour: float | None) -> Iterator[str]:
    """Yield what one must know to read the table."""
    by = ", ".join(f"{name} {judge.by[name]}" for name in (EARLIER, PRESETS, NOTHING) if judge.by[name])
    yield f"Hours are of jobs one after the other. Jobs judged {by}."
    if total.gpu_seconds.value and usd_per_gpu_hour is not None:
        usd = total.gpu_seconds.told(f"{total.gpu_seconds.value / 3600 * usd_per_gpu_hour:.2f}")
        yield f"GPUs: {usd} dollars, at {usd_per_gpu_hour:g} an hour."
    for unknown, rules in judge.unknown.items():
        jobs = ", ".join(f"{rule} ({number})" for rule, number in sorted(rules.items()))
        yield f"Not known: {unknown}. Waiting for it: {jobs}."


def fetch_lines(fetches: Sequence[Fetch]) -> list[str]:
    """Return the lines on what is fetched, by name; nothing where nothing is."""
    if not fetches:
        return []
    total = in_words(sum(fetch.megabytes for fetch in fetches))
    by_name = sorted(fetches, key=lambda fetch: fetch.name)
    return [f"Fetches: {len(fetches)}, about {total}, in as long as your network takes.", *map(str, by_name)]
