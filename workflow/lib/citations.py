"""What a study has to cite, and its methods in words: chosen by its settings, ready to paste.

The entries stand in workflow/report/references.bib; here stands what each of them is for. Datasets and models
get entries of their own, with licence and revision, beside the papers they come from.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow.lib.families import family

# Papers by trainer, by what one sets to a value, by adapter of a dataset, by strategy of preferences.
METHODS = {
    "sft": ["ouyang2022instructgpt"],
    "reward": ["bradley1952paired", "ouyang2022instructgpt"],
    "dpo": ["rafailov2023dpo"],
    "orpo": ["hong2024orpo"],
    "kto": ["ethayarajh2024kto"],
    "simpo": ["meng2024simpo"],
    "ppo": ["schulman2017ppo", "schulman2016gae", "ziegler2019preferences", "ouyang2022instructgpt"],
    "grpo": ["shao2024grpo"],
    "rloo": ["ahmadian2024rloo"],
}
CHOICES: dict[tuple[str, object], list[str]] = {
    ("loss", "ipo"): ["azar2024ipo"],
    ("loss", "robust"): ["chowdhury2024robust"],
    ("loss", "dr_grpo"): ["liu2025drgrpo"],
    ("packing", True): ["ding2024packing"],
    ("margin", True): ["touvron2023llama2"],
    ("rank_stabilised", True): ["kalajdzievski2023rslora"],
    ("dora", True): ["liu2024dora"],
    ("quantisation", "nf4"): ["dettmers2023qlora"],
    ("deepspeed", "zero2"): ["rajbhandari2020zero"],
    ("deepspeed", "zero3"): ["rajbhandari2020zero"],
    ("deepspeed", "zero3_offload"): ["rajbhandari2020zero"],
}
WEIGHTS = {"nll_weight": ["pang2024irpo"], "centring": ["eisenstein2023herding"]}  # where they are not zero
DATASETS = {
    "logicbench_bqa": ["parmar2024logicbench"],
    "logicbench_mcqa": ["parmar2024logicbench"],
    "logiglue": ["luo2023logiglue"],
    "folio": ["han2022folio"],
    "abduction_rules": ["young2022abductionrules"],
    "piqa": ["bisk2020piqa"],
    "puzzle": ["mittal2024puzzlebench"],
    "puzzle_rationales": ["tong2024puzzleben"],
    "imdb": ["maas2011imdb"],
    "stack_exchange": ["askell2021hhh"],
    "r1_traces": ["deepseek2025r1"],
    "table": [],  # one's own
}
STRATEGIES = {
    "right_vs_wrong": ["pang2024irpo"],
    "gold_vs_wrong": [],
    "votes": ["prasad2024scpo"],
    "given": [],
    "passages": ["ziegler2019preferences"],
}
STATISTICS = {  # by what makes the analysis use them
    "always": [
        *("cameron2008cluster", "efron1981", "clopper1934", "mcnemar1947", "holm1979", "piepho2004"),
        "chowdhery2022palm",
    ],
    "seeds": ["satterthwaite1946"],
    "options": ["guo2017calibration", "brier1950", "geifman2017selective"],
    "judge": ["dubois2024length", "papke1996"],
}
SOFTWARE = {
    "accelerate": "gugger2022accelerate",
    "bitsandbytes": "dettmers2022bitsandbytes",
    "datasets": "lhoest2021datasets",
    "deepspeed": "rasley2020deepspeed",
    "jinja2": "pallets2024jinja",
    "lm-eval": "gao2024lmeval",
    "matplotlib": "hunter2007matplotlib",
    "numpy": "harris2020numpy",
    "peft": "mangrulkar2022peft",
    "pyarrow": "pyarrow",
    "python": "python",
    "safetensors": "huggingface2022safetensors",
    "scipy": "virtanen2020scipy",
    "snakemake": "molder2021snakemake",
    "statsmodels": "seabold2010statsmodels",
    "tokenizers": "huggingface2019tokenizers",
    "torch": "paszke2019pytorch",
    "transformers": "wolf2020transformers",
    "trl": "vonwerra2020trl",
    "vllm": "kwon2023vllm",
}
ABSENT = "not in this environment"  # what provenance.json says of a package that is not there
ENTRY = re.compile(r"^@\w+\{([\w-]+),\n.*?^\}$", re.MULTILINE | re.DOTALL)
SPECIAL = (
    {"\\": r"\textbackslash{}"} | {mark: f"\\{mark}" for mark in "&%$#_{}"} | {"~": r"\~{}", "^": r"\^{}"}
)


def entries_of(bibliography: str) -> dict[str, str]:
    """Return the entries of a BibTeX file by key; each begins and ends on a line of its own."""
    return {found[1]: found[0] for found in ENTRY.finditer(bibliography)}


def keys_of_method(name: str, settings: Mapping[str, Any]) -> list[str]:
    """Return the papers behind one method of a study, its trainer's first."""
    chosen = chain_of(settings, CHOICES)
    weighed = [key for weight, keys in WEIGHTS.items() if settings.get(weight) for key in keys]
    return distinct([*METHODS[family(name)], *chosen, *weighed])


def chain_of(settings: Mapping[str, Any], choices: Mapping[tuple[str, object], Sequence[str]]) -> list[str]:
    """Return the papers behind what ``settings`` chooses."""
    return [key for (name, value), keys in choices.items() if settings.get(name) == value for key in keys]


def distinct(keys: Iterable[str]) -> list[str]:
    """Return ``keys`` once each, in order of appearance."""
    return list(dict.fromkeys(keys))


def adapters_of(dataset: Mapping[str, Any]) -> list[str]:
    """Return the adapters that read the sources of a dataset."""
    return distinct(str(source["adapter"]) for source in dataset["sources"])


def software(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions of the packages that made the results, from provenance.json.

    What runs, evaluations and the report say of a package is joined; a package that none of them had is not
    there, and of a study without vLLM, DeepSpeed or 4 bits neither are these.
    """
    found: dict[str, dict[str, None]] = {}
    tellers = [facts["versions"], *(run["versions"] for run in facts["runs"])]
    tellers += [score["identity"]["versions"] for score in facts["scores"]]
    for versions in tellers:
        for name, version in versions.items():
            package = name.replace("_", "-")
            if version != ABSENT and package in SOFTWARE and package not in unused(facts["config"]):
                found.setdefault(package, {})[str(version)] = None
    return {name: " and ".join(found[name]) for name in sorted(found)}


def unused(config: Mapping[str, Any]) -> set[str]:
    """Return the packages that may be installed but that a study with this config does not call."""
    hardware, floor = config["hardware"], config["evaluation"]["noise_floor"]
    kinds = {teacher["kind"] for teacher in config["teachers"].values()} | {hardware["rollouts"]}
    kinds |= {asked["backend"]["kind"] for asked in (config["evaluation"], floor) if asked}
    called = {
        "vllm": bool(kinds & {"vllm", "adapter"}),
        "deepspeed": hardware["deepspeed"] != "none",
        "bitsandbytes": hardware["quantisation"] != "none",
    }
    return {package for package, is_called in called.items() if not is_called}


def analysed(config: Mapping[str, Any]) -> set[str]:
    """Return which of ``STATISTICS`` the analysis of a study with this config has a use for."""
    asked = {
        "always": True,
        "seeds": len(config["seeds"]) > 1,
        "options": any(not task["max_new_tokens"] for task in config["evaluation"]["tasks"].values()),
        "judge": config["evaluation"]["judge"] is not None,
    }
    return {name for name, is_asked in asked.items() if is_asked}


def own_entry(key: str, title: str, note: str) -> str:
    """Return the entry of a dataset or model of the study."""
    return f"@misc{{{key},\n  title = {{{{{escaped(title)}}}}},\n  note = {{{escaped(note)}}}\n}}"


def escaped(text: str) -> str:
    """Return ``text`` with what TeX would read as a command made plain."""
    return "".join(SPECIAL.get(mark, mark) for mark in " ".join(text.split()))


def data_entries(manifests: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield key and entry of every dataset and model that went in, from their manifests."""
    for manifest in manifests:
        if "dataset" in manifest:
            name = str(manifest["dataset"])
            origins = distinct(origin(source) for source in manifest["sources"])
            note = f"{manifest['citation']}. {'; '.join(origins)}. Licence: {manifest['licence']}"
            yield f"dataset-{name}", own_entry(f"dataset-{name}", f"Dataset {name}", note)
        elif "model" in manifest:
            name = str(manifest["model"])
            yield f"model-{name}", own_entry(f"model-{name}", f"Model {name}", origin(manifest))


def origin(source: Mapping[str, Any]) -> str:
    """Return where a source or a model comes from, with its revision."""
    local = Path(source["path"]).name if source.get("path") else None  # no folder of this machine
    where = str(source.get("repo") or local or "made by this workflow")
    return f"{where}, revision {source['revision']}" if source.get("revision") else where


def bibliography(facts: Mapping[str, Any], library: Mapping[str, str]) -> dict[str, str]:
    """Return every entry that a study needs by its key: data, models, methods, statistics, software.

    Args:
        facts: Content of provenance.json.
        library: Entries by key, as ``entries_of`` returns them.
    """
    config, versions = facts["config"], software(facts)
    adapters = [name for dataset in config["datasets"].values() for name in adapters_of(dataset)]
    papers = [key for name in adapters for key in DATASETS[name]]
    papers += [key for name in config["preferences"]["strategy"].values() for key in STRATEGIES[name]]
    papers += ["hu2022lora", *chain_of(config["lora"] | config["hardware"], CHOICES)]
    papers += [key for name, about in config["methods"].items() for key in keys_of_method(name, about)]
    entries = dict(data_entries(facts["manifests"]))
    papers += [key for use, keys in STATISTICS.items() if use in analysed(config) for key in keys]
    entries |= {key: library[key] for key in distinct(papers)}
    return entries | {
        SOFTWARE[name]: library[SOFTWARE[name]].removesuffix("\n}")
        + f",\n  version = {{{escaped(version)}}}\n}}"
        for name, version in versions.items()
    }
