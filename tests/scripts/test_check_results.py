"""A sound run passes every invariant; each kind of harm fails the rule with a line that names it."""

import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from tests.hand_samples import SETTINGS, sample, write_samples
from tests.results.test_results import MAY_BE_EMPTY
from workflow.lib.errors import IntegrityError
from workflow.lib.files import read_csv, read_json, write_csv, write_json
from workflow.lib.parquet import write_parquet
from workflow.lib.records import AnswerScore, Overlap, SftRow, table
from workflow.scripts import (
    check_results,
    collect_baselines,
    collect_jobs,
    collect_sweeps,
    compare_categories,
    compare_methods,
    compare_subsets,
    estimate_calibration,
    estimate_efficiency,
    estimate_frontier,
    estimate_lengths,
    estimate_noise,
    estimate_rewards,
    estimate_scores,
    estimate_wins,
    rank_methods,
)

INVARIANTS = str(Path(__file__).parents[1] / "results" / "test_results.py")
PRIMARY = {"task": "quiz", "method": "dpo", "against": "base"}
CONFIG = {
    "seeds": [1, 2],
    "methods": {"sft": {}, "reward": {}, "dpo": {}},
    "train": {"budget": {"unit": "steps", "amount": 40}},
    "rounds": {},
    "sweeps": {"methods": {"dpo": {"beta": [0.1, 0.3]}}},
    "evaluation": {
        "noise_floor": {"task": "quiz", "evaluation_batch": 3, "backend": {"kind": "vllm"}},
        "judge": None,
        "tasks": {
            "quiz": {"dataset": "logic", "metric": "accuracy", "rewards": True, "scorers": ["reward"]},
            "goals": {"dataset": "logic", "metric": "accuracy", "rewards": False, "scorers": []},
        },
    },
    "study": {"primary": PRIMARY},
}
TABLES = (
    *("accuracy", "categories", "deltas", "subsets", "rewards", "sweeps", "curves", "costs", "funnel"),
    *("pairs", "ranks", "category_deltas", "calibration", "reliability", "selective", "lengths", "noise"),
    *("frontier", "baselines", "efficiency", "scaling", "wins", "timeline", "resources"),
)
RIGHT = {"base": 3, "sft": 5, "dpo": 7}  # of eight problems


def answers(method, seed):
    """Return the answers to eight problems in words, and to the same by scored options."""
    return [
        sample(
            **{"method": method, "seed": seed, "problem_id": f"p{i}", "group_id": f"g{i // 2}", "task": task},
            **{"answer": gold, "parsed": said, "score": float(said == gold), "loglikelihoods": options},
        )
        for task, options in (("quiz", []), ("goals", [-1.0, -2.0]))
        for i, gold in enumerate(["yes", "no"] * 4)
        for said in [gold if (3 * i + seed) % 8 < RIGHT[method] else None]
    ]


def scored(method, seed):
    """Return what a scorer gives the answers to the quiz: what they score, and a seed's worth more."""
    names = ("dataset", "model", "method", "seed", "task", "problem_id", "group_id", "category", "repeat")
    return [
        AnswerScore(
            **{name: getattr(one, name) for name in names},
            **{"scorer": "reward", "reward": one.score + seed, "tokens": one.tokens},
            log_ratio=0.0 if method == "base" else 0.5 + one.score,
        )
        for one in answers(method, seed)
        if one.task == "quiz"
    ]


def write_analysis(folder, paths, tables):
    """Write the tables that are made of the samples, their scores, a card and two other tables."""
    given = {"samples": paths, "settings": SETTINGS}
    rank_methods.main(**given, pairs=tables["pairs"], ranks=tables["ranks"])
    compare_categories.main(**given, deltas=tables["category_deltas"])
    names = {"calibrations": "calibration", "reliabilities": "reliability", "selectives": "selective"}
    estimate_calibration.main(**given, **{name: tables[table] for name, table in names.items()})
    estimate_lengths.main(**given, lengths=tables["lengths"])
    again = write_samples(folder / "again.parquet", answers("dpo", 1)[:8])
    estimate_noise.main(**given, again=[again], noise=tables["noise"], by="vllm")
    scores = folder / "scores.parquet"
    records = [one for method in RIGHT for seed in CONFIG["seeds"] for one in scored(method, seed)]
    write_parquet(scores, table(records, AnswerScore))
    estimate_frontier.main(scores=[str(scores)], frontier=tables["frontier"], settings=SETTINGS)
    guess = {"name": "always no", "looks_at": "nothing", "accuracy": 0.5, "low": 0.3, "high": 0.7}
    guess |= {"n": 8, "groups": 4, "interval": "95%", "chance": 0.5, "majority": 0.5}
    write_json(folder / "card.json", {"dataset": "logic", "baselines": [guess]})
    tasks = CONFIG["evaluation"]["tasks"]
    cards = [str(folder / "card.json")]
    collect_baselines.main(cards=cards, baselines=tables["baselines"], tasks=tasks)
    methods = {"sft": {"start_from": "base"}, "dpo": {"start_from": "sft"}}
    both = {name: tables[name] for name in ("deltas", "costs", "efficiency", "scaling")}
    write_csv(tables["wins"], [], estimate_wins.COLUMNS)
    estimate_efficiency.main(**both, methods=methods, shares=dict.fromkeys(methods, 1.0))


def pair(seed, group):
    label = {"dataset": "logic", "model": "tiny", "task": "quiz", "seed": seed, "group_id": group}
    return label | {"method": "reward", "chosen_reward": 1.0, "rejected_reward": 0.0, "correct": 1.0}


def run_rows(extra):
    label = {"dataset": "logic", "model": "tiny"}
    runs = [(method, seed) for method in CONFIG["methods"] for seed in CONFIG["seeds"]]
    return [label | {"method": method, "seed": seed} | extra for method, seed in runs]


def write_sweep(folder, path):
    """Write the table of a sweep of two trials, of which the second is better by 0.25."""
    row = {"failure": None, "n": 8, "groups": 4, "interval": "95% cluster bootstrap"}
    numbers = {"accuracy": 0.5, "difference": -0.25}
    ends = {
        f"{name}_{end}": value + by
        for name, value in numbers.items()
        for end, by in (("low", -0.1), ("high", 0.1))
    }
    trials = [
        {**row, "trial": 0, "settings": {"beta": 0.1}, "tied": False, **numbers, **ends},
        {**row, "trial": 1, "settings": {"beta": 0.3}, "tied": True}
        | {key: value + 0.25 for key, value in (numbers | ends).items()},
    ]
    about = {"dataset": "logic", "model": "tiny", "method": "dpo", "task": "quiz", "seed": 1, "trials": 2}
    write_json(folder / "choice.json", {**about, "trial": 1, "table": trials})
    for trial in trials:
        write_json(folder / f"trial-{trial['trial']}/trial.json", {"failure": None})
        write_json(folder / f"trial-{trial['trial']}/run.json", {"seconds_total": 9.5, "gpu_hours": 0.0})
    folders = [str(folder / f"trial-{number}") for number in (0, 1)]
    collect_sweeps.main(choices=[str(folder / "choice.json")], trials=folders, sweeps=path)


def write_rows(path, group):
    row = SftRow("r1", "p1", group, "train", "propositional", "Is it so?", "Yes.")
    write_parquet(path, table([row], SftRow))
    return str(path)


def paths_in(folder):
    runs = [(method, seed) for method in RIGHT for seed in CONFIG["seeds"]]
    samples = {(method, seed): str(folder / f"{method}-{seed}.parquet") for method, seed in runs}
    return samples, {name: str(folder / f"{name}.csv") for name in TABLES}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Return the folder of a sound run's samples and tables."""
    folder = tmp_path_factory.mktemp("sound")
    samples, tables = paths_in(folder)
    for (method, seed), path in samples.items():
        write_samples(Path(path), answers(method, seed))
    paths, some = list(samples.values()), {name: tables[name] for name in TABLES[:2]}
    estimate_scores.main(samples=paths, settings=SETTINGS, **some)
    tasks = CONFIG["evaluation"]["tasks"]
    compare_methods.main(
        samples=paths, deltas=tables["deltas"], settings=SETTINGS, primary=PRIMARY, tasks=tasks
    )
    seen = folder / "seen.parquet"
    write_parquet(seen, table([Overlap("logic", f"p{i}", 0.0, i == 0, "") for i in range(8)], Overlap))
    subsets = {"contamination": {"logic": str(seen)}, "subsets": tables["subsets"]}
    compare_subsets.main(samples=paths, settings=SETTINGS, **subsets)
    pairs = str(folder / "pairs.parquet")
    write_parquet(pairs, pa.Table.from_pylist([pair(seed, group) for seed in (1, 2) for group in "abc"]))
    estimate_rewards.main(pairs=[pairs], rewards=tables["rewards"], settings=SETTINGS)
    write_sweep(folder, tables["sweeps"])
    curve = {"step": 1, "quantity": "loss", "value": 0.5}
    write_csv(tables["curves"], run_rows(curve), [*list(run_rows(curve)[0])])
    costs = "seconds_total seconds_training tokens tokens_per_second samples_per_second peak_rss_mib"
    columns = [*costs.split(), "peak_gpu_mib", "gpu_hours", "energy_kwh", "mfu", "steps", "rows", "usd"]
    budget = {"budget_unit": "steps", "budget_amount": 40, "budget_used": 40}
    rows = run_rows(dict.fromkeys(columns, 1) | {"energy_kwh": None} | budget)
    write_csv(tables["costs"], rows, list(rows[0]))
    step = {"dataset": "logic", "stage": "data", "step": "read", "rows_in": 9, "rows_out": 8, "reason": ""}
    write_csv(tables["funnel"], [step], list(step))
    write_analysis(folder, paths, tables)
    job = {"stage": "training", "rule": "train", "seconds": 9.5}
    write_csv(tables["timeline"], [job, job, job | {"seconds": None}], collect_jobs.TIMELINE)
    needs = {"stage": "training", "rule": "train", "jobs": 3, "measured": 2}
    write_csv(tables["resources"], [needs], collect_jobs.RESOURCES)
    return folder


@pytest.fixture
def results(sound, tmp_path):
    """Return the paths of a copy of the sound run, to be harmed."""
    return paths_in(Path(shutil.copytree(sound, tmp_path / "results")))


def check(tmp_path, samples, tables, learned=None, config=CONFIG):
    check_results.main(
        tables=list(tables.values()),
        samples=list(samples.values()),
        learned=[learned or write_rows(tmp_path / "sft.parquet", "another")],
        checks=str(tmp_path / "checks.json"),
        config=config,
        invariants=INVARIANTS,
    )


def empty(path):
    """Leave the header of a table alone."""
    Path(path).write_text(Path(path).read_text().splitlines(keepends=True)[0])


def test_what_does_not_apply_is_skipped_for_a_reason_that_names_no_place(tmp_path, results):
    samples, tables = results
    for name in ("sweeps", "frontier", "baselines"):
        empty(tables[name])
    tasks = {name: task | {"scorers": []} for name, task in CONFIG["evaluation"]["tasks"].items()}
    evaluation = CONFIG["evaluation"] | {"tasks": tasks}
    check(tmp_path, samples, tables, config={**CONFIG, "sweeps": None, "evaluation": evaluation})
    found = read_json(tmp_path / "checks.json")
    reasons = Counter(test["message"] for test in found["tests"] if test["outcome"] == "skipped")
    assert reasons == {
        "no settings were swept in this study": 2,
        "no scorer scores answers in this study": 1,
        "no baseline applies to the problems of this study": 1,
        "no judge compared answers in this study": 1,
    }


@pytest.mark.parametrize(
    ("kept", "gone", "reason"),
    [
        ("quiz", ("calibration", "reliability", "selective"), "no task scores options in this study"),
        ("goals", ("lengths",), "no task is answered in words in this study"),
    ],
)
def test_tables_of_the_other_kind_of_task_may_be_empty(kept, gone, reason):
    samples = [one for one in answers("base", 1) if one.task == kept]
    found = {name: (applies(CONFIG, samples), told) for name, (applies, told) in MAY_BE_EMPTY.items()}
    assert {name for name, (may, told) in found.items() if may and told == reason} == set(gone)
    both = answers("base", 1)
    assert not any(MAY_BE_EMPTY[name][0](CONFIG, both) for name in gone)


def test_without_a_second_scoring_there_is_no_noise_to_tell():
    one, never = {"seeds": [1]}, {"evaluation": CONFIG["evaluation"] | {"noise_floor": None}}
    may_be_empty, _ = MAY_BE_EMPTY["noise"]
    found = [may_be_empty(CONFIG | change, []) for change in (one | never, one, never)]
    assert found == [True, False, False]


def test_a_held_out_group_that_was_learned_from_is_named(tmp_path, results):
    path = write_rows(tmp_path / "pairs.parquet", "g1")  # the group of problems p2 and p3
    with pytest.raises(
        IntegrityError, match=r"was_learned_from.* 4 rows share .*pairs\.parquet r1 and p2 of"
    ):
        check(tmp_path, *results, learned=path)


def test_sound_run_passes_and_says_what_was_checked(tmp_path, results):
    check(tmp_path, *results)
    found = read_json(tmp_path / "checks.json")
    assert (found["failed"], found["skipped"]) == (0, 1)  # no judge
    assert found["passed"] == len(found["tests"]) - 1 == 69
    assert {"name": "test_funnel_counts_rows", "outcome": "passed", "message": ""} in found["tests"]


def change(path, number, **cells):
    rows = read_csv(path)
    rows[number].update(cells)
    write_csv(path, rows, list(rows[0]))


@pytest.mark.parametrize(
    ("table", "cells", "line"),
    [
        (
            "accuracy",
            {"estimate": "nan"},
            r"no_cell_is_nan.*accuracy.csv row 1 column estimate is not finite",
        ),
        ("accuracy", {"estimate": "0.4"}, r"mean_of_the_samples.*: 0\.4, not 0\.375"),
        ("accuracy", {"seed": "3"}, r"mean_of_the_samples"),
        ("categories", {"high": "1.5"}, r"within_bounds.*<= 1\.5 is not so"),
        ("categories", {"low": "", "interval": ""}, r"width_or_a_reason.*no interval and no reason"),
        ("deltas", {"low": "0.25", "high": "0.25"}, r"width_or_a_reason.*an interval of no width"),
        ("deltas", {"delta": "-0.1", "low": "-0.2", "high": "0"}, r"deltas_are_differences.*not 0\.25"),
        ("deltas", {"p_holm": "0.0"}, r"p_values_are_probabilities"),
        ("deltas", {"method": "orpo"}, r"compared_with_base_and_sft"),
        ("deltas", {"primary": "true"}, r"primary_comparison_is_marked.*primary is true"),
        ("rewards", {"seed": "7"}, r"reward_models_are_estimated_per_seed.*seeds \['1', '2', '7'\]"),
        ("sweeps", {"trial": "4"}, r"every_trial_of_a_sweep.*trials \[4, 1\]"),
        ("sweeps", {"chosen": "true"}, r"tied with the best: \[\('0', 'false'\), \('1', 'true'\)\]"),
        ("sweeps", {"method": "orpo"}, r"every_trial.*not of \['dpo'\]"),
        ("sweeps", {"high": "0.45"}, r"within_bounds.*sweeps.csv"),
        ("curves", {"value": "inf"}, r"no_cell_is_nan.*curves.csv row 1 column value"),
        ("curves", {"method": "dpo"}, r"every_run_has_curves.*curves.csv: missing \[\('sft', '1'\)\]"),
        ("costs", {"seconds_total": "0"}, r"every_run_has_curves_and_costs.*took no time"),
        ("costs", {"budget_used": "41"}, r"no_run_exceeds.*used 41 of 40 steps"),
        ("costs", {"budget_amount": "50"}, r"no_run_exceeds.*has another budget"),
        (
            "timeline",
            {"rule": "evaluate"},
            r"every_noted_job.*resources\.csv.*counts \(3, 2\), .* has \(2, 1\)",
        ),
        ("pairs", {"p_holm": "0.0"}, r"p_values_are_probabilities.*pairs\.csv"),
        ("category_deltas", {"better": "9"}, r"p_values.*category_deltas\.csv.*more signs than groups"),
        ("deltas", {"gained": "9"}, r"discordant_answers_make_the_difference.*deltas\.csv"),
        ("pairs", {"lost": "9"}, r"discordant_answers_make_the_difference.*pairs\.csv"),
        ("category_deltas", {"gained": "9"}, r"discordant_answers_make_the_diff.*category_deltas\.csv"),
        ("pairs", {"against": "dpo"}, r"every_two_policies.*2 of 3 pairs compared"),
        ("ranks", {"method": "base"}, r"every_two_policies.*a policy has two places"),
        ("ranks", {"place_best": "0"}, r"every_two_policies.*places \(0, "),
        ("ranks", {"place_worst": "4"}, r"every_two_policies.*, 4\)"),
        ("ranks", {"ties": ""}, r"every_two_policies.*in no group"),
        ("frontier", {"kl": "0.3"}, r"the_base_has_not_moved.*the base has moved by 0\.3 nats"),
        ("frontier", {"win_high": "1.2"}, r"wins_are_shares.*win_high is 1\.2"),
        ("noise", {"low": "0.9"}, r"within_bounds.*noise\.csv"),
        ("selective", {"interval": ""}, r"width_or_a_reason.*selective\.csv.*no interval and no reason"),
        ("reliability", {"estimate": "1.1"}, r"within_bounds.*reliability\.csv"),
        ("calibration", {"estimate": "inf"}, r"no_cell_is_nan.*calibration\.csv row 1 column estimate"),
        ("lengths", {"tokens": "nan"}, r"no_cell_is_nan.*lengths\.csv row 1 column tokens"),
        ("efficiency", {"cost": "inf"}, r"no_cell_is_nan.*efficiency\.csv row 1 column cost"),
        ("funnel", {"rows_out": "-8"}, r"funnel_counts_rows.*must be counts"),
    ],
)
def test_harmed_table_fails_with_its_line(tmp_path, results, table, cells, line):
    samples, tables = results
    change(tables[table], 0, **cells)
    with pytest.raises(IntegrityError, match=line):
        check(tmp_path, samples, tables)
    assert read_json(tmp_path / "checks.json")["failed"] >= 1


def test_empty_table_fails(tmp_path, results):
    samples, tables = results
    gone = ("curves", "pairs", "ranks", "calibration", "lengths", "noise", "frontier", "efficiency")
    for name in gone:
        empty(tables[name])
    with pytest.raises(IntegrityError) as caught:
        check(tmp_path, samples, tables)
    for name in gone:
        assert f"{name}.csv has no rows" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"prompt_sha256": "ff"}, r"same_prompts.*answered different prompts"),
        ({"problem_id": "p1"}, r"same_prompts.*1 problems answered twice"),
        ({"answer": "no"}, r"one_gold_answer.*1 problems differ"),
        ({"score": 1.5}, r"scores_are_shares.*as 1\.5"),
        ({"parsed": None, "score": 1.0}, r"right though none was read"),
        ({"task": "exam"}, r"every_task_and_seed.*surplus \[\('logic', 'tiny', 'base', 1, 'exam'\)\]"),
    ],
    ids=["prompt", "twice", "gold", "score", "unparsed", "task"],
)
def test_harmed_samples_fail_with_their_line(tmp_path, results, changes, line):
    samples, tables = results
    first, *others = answers("base", 1)
    fields = {field: getattr(first, field) for field in first.__dataclass_fields__}
    write_samples(Path(samples["base", 1]), [sample(**fields | changes), *others])
    with pytest.raises(IntegrityError, match=line):
        check(tmp_path, samples, tables)


def test_missing_method_fails(tmp_path, results):
    samples, tables = results
    del samples["dpo", 2]
    with pytest.raises(IntegrityError, match=r"missing \[.*'dpo', 2, 'goals'\), .*'dpo', 2, 'quiz'\)\]"):
        check(tmp_path, samples, tables)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("import", "import no_such_module_here", r"0 invariants .* \(pytest ended with INTERRUPTED\)"),
        ("fixture", "def test_it(nothing):\n    pass", r"1 invariants .*\ntest_it: .*"),
        ("none", "", r"pytest ended with NO_TESTS_COLLECTED"),
    ],
)
def test_invariants_that_did_not_run_are_no_success(tmp_path, results, name, text, line):
    samples, tables = results
    invariants = tmp_path / f"test_{name}.py"  # one name each: Python remembers what it imported
    invariants.write_text(f"{text}\n")
    with pytest.raises(IntegrityError, match=line):
        check_results.main(
            tables=list(tables.values()),
            samples=list(samples.values()),
            learned=[],
            checks=str(tmp_path / "checks.json"),
            config=CONFIG,
            invariants=str(invariants),
        )
