"""Invariants of a finished run: what must be true of the tables, whatever was found.

The rule ``check_results`` runs them on the results; its plugin supplies ``tables`` (rows of text, by
name), ``samples`` (every scored answer), ``learned`` (a training row of every group that has any) and
``config``. How good a method is decides nothing here.
"""

import math
from collections import Counter, defaultdict
from itertools import combinations

import pytest

from workflow.lib.families import rewards_among
from workflow.lib.rounds import methods_of
from workflow.lib.trials import number_of

COMPARED = (
    "n groups delta low high interval seeds seed_sd seeds_low seeds_high gained lost better worse p_mcnemar "
    "p_holm detectable"
)
COLUMNS = {
    "accuracy": "dataset model task metric method seed n groups estimate low high interval seeds seed_sd "
    "seeds_low seeds_high",
    "categories": "dataset model task metric method category n groups estimate low high interval",
    "deltas": f"dataset model task trained metric method against {COMPARED} primary",
    "pairs": f"dataset model task metric method against {COMPARED} finding",
    "ranks": "dataset model task metric method estimate place_best place_worst ties",
    "category_deltas": f"dataset model task metric field category method against {COMPARED} family finding",
    "calibration": "dataset model task method quantity n groups estimate low high interval",
    "reliability": "dataset model task method bin_low bin_high confidence n groups estimate low high "
    "interval",
    "selective": "dataset model task method coverage least_confidence n groups estimate low high interval",
    "lengths": "dataset model task method answers n groups tokens low high interval median p95 delta "
    "delta_low delta_high correlation",
    "noise": "dataset model task method kind seeds n groups delta low high interval changed reworded",
    "frontier": "dataset model task scorer method seed n groups reward reward_low reward_high delta low high "
    "interval seeds seed_sd seeds_low seeds_high win win_low win_high kl kl_low kl_high tokens",
    "wins": "dataset model task judge method seed n groups wins losses split equal unparsed win win_low "
    "win_high interval seeds seed_sd seeds_low seeds_high first_share words equal_length equal_length_low "
    "equal_length_high equal_length_interval exact agreement agreement_low agreement_high",
    "baselines": "task dataset baseline n groups accuracy low high interval chance majority looks_at",
    "scaling": "dataset model task method trainer share rows delta low high interval n groups",
    "efficiency": "dataset model task method builds_on delta low high interval n groups quantity cost "
    "delta_per_unit low_per_unit high_per_unit",
    "subsets": "dataset model task method subset n groups estimate low high interval delta delta_low "
    "delta_high",
    "rewards": "dataset model method task seed n groups estimate low high interval margin",
    "sweeps": "dataset model method task seed trials trial settings n groups estimate low high interval "
    "difference difference_low difference_high tied chosen failure seconds_total gpu_hours",
    "curves": "dataset model method seed step quantity value",
    "costs": "dataset model method seed seconds_total seconds_training tokens tokens_per_second "
    "samples_per_second peak_rss_mib peak_gpu_mib gpu_hours energy_kwh mfu steps rows usd budget_unit "
    "budget_amount budget_used",
    "funnel": "dataset stage step rows_in rows_out reason",
    "timeline": "stage rule output begun seconds cpu_seconds peak_rss_mib threads gpus mem_mb runtime_min",
    "resources": "stage rule jobs measured seconds_median seconds_max runtime_min runtime_used peak_rss_mib "
    "mem_mb mem_used threads cores_used gpus advice_memory advice_time",
}
ESTIMATES = {
    **{"accuracy": "estimate", "categories": "estimate", "deltas": "delta", "rewards": "estimate"},
    **{"sweeps": "estimate", "pairs": "delta", "category_deltas": "delta", "reliability": "estimate"},
    **{"selective": "estimate", "noise": "delta"},
}
DIFFERENCES = ("deltas", "pairs", "category_deltas", "noise")
LEAST = {table: -1.0 if table in DIFFERENCES else 0.0 for table in ESTIMATES}
ROUNDING = 2e-6  # twice the last decimal of the tables


def where(table, row):
    """Return the words that name a row in a message."""
    return f"{table}.csv {[value for value in list(row.values())[:6]]}"


def rows_with_estimate(tables):
    for table, field in ESTIMATES.items():
        for row in tables[table]:
            yield table, row, row[field]


def judged_tasks(config):
    """The tasks whose answers are right or wrong."""
    return {name for name, task in config["evaluation"]["tasks"].items() if task["metric"] == "accuracy"}


def ranks_pairs(config, samples):
    """Whether a reward model had a right and a wrong answer of the base to any one problem."""
    asked = {name for name, task in config["evaluation"]["tasks"].items() if task["rewards"]}
    scores = defaultdict(set)
    for sample in samples:
        if sample.method == "base" and sample.task in asked:
            scores[sample.task, sample.model, sample.seed, sample.problem_id].add(sample.score)
    return bool(rewards_among(methods_of(config))) and any({0.0, 1.0} <= found for found in scores.values())


def scores_options(samples):
    return any(sample.loglikelihoods for sample in samples)


# Table that may be empty → when it is, and what is then said.
MAY_BE_EMPTY = {
    "rewards": (
        lambda config, samples: not ranks_pairs(config, samples),
        "no reward model had pairs to rank in this study",
    ),
    "sweeps": (lambda config, _: config["sweeps"] is None, "no settings were swept in this study"),
    **dict.fromkeys(
        ("calibration", "reliability", "selective"),
        (lambda _, samples: not scores_options(samples), "no task scores options in this study"),
    ),
    "lengths": (
        lambda _, samples: all(sample.loglikelihoods for sample in samples),
        "no task is answered in words in this study",
    ),
    "frontier": (
        lambda config, _: not any(task["scorers"] for task in config["evaluation"]["tasks"].values()),
        "no scorer scores answers in this study",
    ),
    "wins": (
        lambda config, _: config["evaluation"]["judge"] is None,
        "no judge compared answers in this study",
    ),
    "noise": (
        lambda config, _: len(config["seeds"]) == 1 and config["evaluation"]["noise_floor"] is None,
        "one seed, and nothing was asked twice in this study",
    ),
    **dict.fromkeys(("timeline", "resources"), (lambda *_: True, "no call of Snakemake noted its jobs")),
    "baselines": (lambda *_: True, "no baseline applies to the problems of this study"),
}


@pytest.mark.parametrize("table", COLUMNS)
def test_table_has_its_columns_and_is_not_empty(tables, config, samples, table):
    if table in MAY_BE_EMPTY and not tables[table] and MAY_BE_EMPTY[table][0](config, samples):
        pytest.skip(MAY_BE_EMPTY[table][1])
    assert tables[table], f"{table}.csv has no rows"
    assert list(tables[table][0]) == COLUMNS[table].split(), f"{table}.csv has other columns"


@pytest.mark.parametrize("table", COLUMNS)
def test_no_cell_is_nan_or_infinite(tables, table):
    bad = [(n, c) for n, row in enumerate(tables[table], 1) for c in row if is_not_finite(row[c])]
    assert not bad, f"{table}.csv row {bad[0][0]} column {bad[0][1]} is not finite" if bad else ""


def is_not_finite(cell):
    try:
        return not math.isfinite(float(cell))
    except ValueError:
        return False


def test_estimates_lie_within_bounds_and_intervals(tables):
    for table, row, cell in rows_with_estimate(tables):
        if cell:
            assert LEAST[table] <= float(cell) <= 1, f"{where(table, row)}: {cell} is out of bounds"
        if row["low"]:
            low, value, high = float(row["low"]), float(cell), float(row["high"])
            ordered = LEAST[table] - ROUNDING <= low <= value <= high <= 1 + ROUNDING
            assert ordered, f"{where(table, row)}: {low} <= {value} <= {high} is not so"


def test_every_interval_has_a_width_or_a_reason(tables):
    for table, row, _ in rows_with_estimate(tables):
        if row["low"]:
            assert float(row["low"]) < float(row["high"]), f"{where(table, row)}: an interval of no width"
        else:
            reason = row["interval"].startswith("n/a (")
            assert reason and not row["high"], f"{where(table, row)}: no interval and no reason"


def test_every_policy_has_answers_to_every_task_and_seed(samples, config):
    policies = {"base", *methods_of(config)} - set(rewards_among(methods_of(config)))
    sets = {(s.dataset, s.model) for s in samples}
    expected = {
        (*pair, method, seed, task)
        for pair in sets
        for method in policies
        for seed in config["seeds"]
        for task in judged_tasks(config)
    }
    found = {(s.dataset, s.model, s.method, s.seed, s.task) for s in samples}
    assert found == expected, (
        f"missing {sorted(expected - found)[:3]}, surplus {sorted(found - expected)[:3]}"
    )


def test_all_methods_answered_the_same_prompts(samples):
    asked = defaultdict(lambda: defaultdict(Counter))
    for s in samples:
        asked[s.dataset, s.model, s.task, s.seed][s.method][s.problem_id, s.repeat, s.prompt_sha256] += 1
    for key, methods in asked.items():
        first, *others = methods
        twice = [problem for problem, times in methods[first].items() if times > 1]
        assert not twice, f"{key} {first}: {len(twice)} problems answered twice"
        for other in others:
            assert methods[other] == methods[first], f"{key}: {other} and {first} answered different prompts"


def test_a_problem_is_in_one_group_and_has_one_gold_answer(samples):
    facts = defaultdict(set)
    for s in samples:
        facts[s.task, s.problem_id].add((s.group_id, s.category, s.rule, s.answer))
    unsure = [key for key, found in facts.items() if len(found) > 1]
    assert not unsure, f"{len(unsure)} problems differ between methods, as {unsure[:1]}"


def test_no_group_that_was_learned_from_is_asked(samples, learned):
    assert learned, "nothing was learned from"
    shared = {
        f"{learned[s.group_id]} and {s.problem_id} of {s.task}" for s in samples if s.group_id in learned
    }
    assert not shared, f"{len(shared)} rows share a group with a held-out problem: {sorted(shared)[0]}"


def test_scores_are_shares_and_nothing_unparsed_is_right(samples):
    bad = [s for s in samples if not 0 <= s.score <= 1]
    assert not bad, f"{len(bad)} scores out of 0 … 1, as {bad[0].score}" if bad else ""
    lucky = [s for s in samples if s.parsed is None and s.score > 0 and not s.loglikelihoods]
    assert not lucky, f"{len(lucky)} answers are right though none was read" if lucky else ""


def test_accuracy_is_the_mean_of_the_samples(tables, samples):
    scores = defaultdict(list)
    for s in samples:
        for seed in ("all", str(s.seed)):
            scores[s.dataset, s.model, s.task, s.method, seed].append(s.score)
    rows = [row for row in tables["accuracy"] if row["metric"] == "accuracy"]
    found = {(r["dataset"], r["model"], r["task"], r["method"], r["seed"]): r for r in rows}
    assert set(found) == set(scores), f"accuracy.csv has {len(found)} of {len(scores)} estimates"
    for key, values in scores.items():
        expected, row = math.fsum(values) / len(values), found[key]
        assert int(row["n"]) == len(values), f"{key}: n is {row['n']}, samples are {len(values)}"
        assert abs(float(row["estimate"]) - expected) < ROUNDING, f"{key}: {row['estimate']}, not {expected}"


def test_deltas_are_differences_of_accuracies(tables):
    accuracy = {
        (r["dataset"], r["model"], r["task"], r["method"]): float(r["estimate"])
        for r in tables["accuracy"]
        if r["metric"] == "accuracy" and r["seed"] == "all"
    }
    for row in tables["deltas"]:
        study = (row["dataset"], row["model"], row["task"])
        expected = accuracy[(*study, row["method"])] - accuracy[(*study, row["against"])]
        assert abs(float(row["delta"]) - expected) < 2 * ROUNDING, f"{where('deltas', row)}: not {expected}"


def test_every_method_is_compared_with_base_and_sft(tables, config):
    trained = set(methods_of(config)) - set(rewards_among(methods_of(config)))
    expected = {(method, "base") for method in trained}
    expected |= {(method, "sft") for method in trained - {"sft"} if "sft" in trained}
    families = defaultdict(set)
    for row in tables["deltas"]:
        families[row["dataset"], row["model"], row["task"]].add((row["method"], row["against"]))
    assert {task for _, _, task in families} == judged_tasks(config), "a task is not compared"
    for key, found in families.items():
        assert found == expected, f"{key}: compared {sorted(found)}, expected {sorted(expected)}"


def test_p_values_are_probabilities_and_correction_only_raises_them(tables):
    for table in ("deltas", "pairs", "category_deltas"):
        for row in tables[table]:
            p, adjusted = float(row["p_mcnemar"]), float(row["p_holm"])
            assert 0 <= p <= adjusted <= 1, f"{where(table, row)}: p {p}, adjusted {adjusted}"
            discordant = int(row["better"]) + int(row["worse"])
            assert discordant <= int(row["groups"]), f"{where(table, row)}: more signs than groups"


def test_discordant_answers_make_the_difference(tables, samples):
    if any(s.score not in (0, 1) for s in samples):
        pytest.skip("an answer of this study is neither right nor wrong")
    for table in ("deltas", "pairs", "category_deltas"):
        for row in tables[table]:
            expected = (int(row["gained"]) - int(row["lost"])) / int(row["n"])
            assert abs(float(row["delta"]) - expected) < ROUNDING, f"{where(table, row)}: not {expected}"


def test_every_two_policies_are_compared_and_every_policy_has_a_place(tables):
    places, pairs = defaultdict(list), defaultdict(set)
    for row in tables["ranks"]:
        places[row["dataset"], row["model"], row["task"]].append(row)
    for row in tables["pairs"]:
        pairs[row["dataset"], row["model"], row["task"]].add(frozenset((row["method"], row["against"])))
    for key, rows in places.items():
        policies = {row["method"] for row in rows}
        assert len(policies) == len(rows), f"{key}: a policy has two places"
        every = {frozenset(two) for two in combinations(policies, 2)}
        assert pairs[key] == every, f"{key}: {len(pairs[key])} of {len(every)} pairs compared"
        for row in rows:
            span = (int(row["place_best"]), int(row["place_worst"]))
            assert 1 <= span[0] <= span[1] <= len(rows), f"{where('ranks', row)}: places {span}"
            assert row["ties"], f"{where('ranks', row)}: in no group"


def test_wins_are_shares_and_the_base_has_not_moved(tables):
    for row in tables["frontier"]:
        for name in ("win", "win_low", "win_high"):
            share = not row[name] or 0 <= float(row[name]) <= 1
            assert share, f"{where('frontier', row)}: {name} is {row[name]}"
        still = row["method"] != "base" or row["kl"] in ("", "0.0")
        assert still, f"{where('frontier', row)}: the base has moved by {row['kl']} nats"


def test_every_judged_pair_has_one_end_and_the_ends_make_the_win_rate(tables):
    for row in tables["wins"]:
        ends = {name: int(row[name]) for name in ("wins", "losses", "split", "equal", "unparsed")}
        assert sum(ends.values()) == int(row["n"]), f"{where('wins', row)}: {ends} of {row['n']}"
        known = int(row["n"]) - ends["unparsed"]
        expected = (ends["wins"] + (ends["split"] + ends["equal"]) / 2) / known if known else None
        found = float(row["win"]) if row["win"] else None
        same = found == expected or abs(found - expected) < ROUNDING
        assert same, f"{where('wins', row)}: the win rate is not {expected}"
        for name in ("first_share", "equal_length", "agreement"):
            share = not row[name] or 0 <= float(row[name]) <= 1
            assert share, f"{where('wins', row)}: {name} is {row[name]}"


def test_primary_comparison_is_marked_and_no_other(tables, config):
    primary = config["study"]["primary"]
    for row in tables["deltas"]:
        expected = str(all(row[field] == value for field, value in primary.items())).lower()
        assert row["primary"] == expected, f"{where('deltas', row)}: primary is {row['primary']}"


def test_every_run_has_curves_and_costs(tables, config):
    expected = {(method, str(seed)) for method in methods_of(config) for seed in config["seeds"]}
    for table in ("curves", "costs"):
        found = {(row["method"], row["seed"]) for row in tables[table]}
        assert found == expected, f"{table}.csv: missing {sorted(expected - found)}"
    idle = [row for row in tables["costs"] if float(row["seconds_total"]) <= 0]
    assert not idle, f"{where('costs', idle[0])}: took no time" if idle else ""


def test_no_run_exceeds_the_budget_of_the_study(tables, config):
    budget = config["train"]["budget"]
    expected = ("", "") if budget is None else (budget["unit"], str(budget["amount"]))
    for row in tables["costs"]:
        found = (row["budget_unit"], row["budget_amount"])
        assert found == expected, f"{where('costs', row)}: has another budget than the study"
        if row["budget_unit"] in ("steps", "pairs"):  # the others end with the update that exhausts them
            used, allowed = float(row["budget_used"]), float(row["budget_amount"])
            told = f"used {used:g} of {allowed:g} {row['budget_unit']}"
            assert 0 < used <= allowed, f"{where('costs', row)}: {told}"


def test_reward_models_are_estimated_per_seed(tables, config):
    if not tables["rewards"]:
        pytest.skip("no reward model had pairs to rank in this study")
    seeds = defaultdict(set)
    for row in tables["rewards"]:
        seeds[row["dataset"], row["model"], row["task"]].add(row["seed"])
    for key, found in seeds.items():
        assert found == {"all", *map(str, config["seeds"])}, f"{key}: seeds {sorted(found)}"


def test_every_trial_of_a_sweep_is_told_and_one_of_the_best_is_chosen(tables, config):
    if config["sweeps"] is None:
        pytest.skip("no settings were swept in this study")
    sweeps = defaultdict(list)
    for row in tables["sweeps"]:
        sweeps[row["dataset"], row["model"], row["method"]].append(row)
    grids = config["sweeps"]["methods"]
    assert {method for _, _, method in sweeps} == set(grids), f"sweeps.csv: not of {sorted(grids)}"
    for key, rows in sweeps.items():
        trials = [int(row["trial"]) for row in rows]
        assert trials == list(range(number_of(grids[key[2]]))), f"{key}: trials {trials}"
        chosen = [(row["trial"], row["tied"]) for row in rows if row["chosen"] == "true"]
        assert [tied for _, tied in chosen] == ["true"], f"{key}: chosen, tied with the best: {chosen}"


def test_every_noted_job_is_counted_under_its_rule(tables):
    jobs = Counter(row["rule"] for row in tables["timeline"])
    measured = Counter(row["rule"] for row in tables["timeline"] if row["seconds"])
    for row in tables["resources"]:
        expected, found = (jobs[row["rule"]], measured[row["rule"]]), (int(row["jobs"]), int(row["measured"]))
        assert found == expected, f"{where('resources', row)}: counts {found}, timeline.csv has {expected}"
    assert set(jobs) == {row["rule"] for row in tables["resources"]}, "a rule is in one of the tables only"


def test_funnel_counts_rows(tables):
    for row in tables["funnel"]:
        counted = row["rows_in"].isdigit() and row["rows_out"].isdigit()
        assert counted, f"{where('funnel', row)}: rows in and out must be counts"
        assert row["step"] and row["stage"], f"{where('funnel', row)}: a step without a name"
