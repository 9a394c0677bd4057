"""What a study needs of the machine: secrets in the environment, room on the disks, GPUs."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from workflow.lib.fetches import FETCHES, in_words
from workflow.lib.preflight.lines import Line, Site, missing, not_yet, ok
from workflow.lib.workloads import UnknownError, Work

SHIPS = {"fetch_dataset": "datasets", "fetch_model": "models", "fetch_adapter": "teachers"}
RECORDS = {"fetch_dataset": "raw", "fetch_model": "models", "fetch_adapter": "teachers"}
LEAST_CACHE = 1000  # MB that the caches of Snakemake and of the hub's client may take
NVIDIA = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")  # MiB
SINFO = ("sinfo", "--noheader", "--format=%P %G")
GRES = re.compile(r"gpu:(?:[^:(,]+:)?(\d+)")
MIB = 1 << 20
BYTES = {"none": {"bfloat16": 2.0, "float32": 4.0}, "nf4": {"bfloat16": 0.55, "float32": 0.55}}  # per weight


def secrets(site: Site) -> Iterator[Line]:
    """Tell which variables that the study names hold something; what they hold is never shown."""
    named = {
        about["api_key_env"]: f"teacher '{name}'"
        for name, about in site.study["teachers"].items()
        if about["kind"] == "api" and about["api_key_env"]
    }
    if site.study["publish"]["namespace"]:
        named[site.study["publish"]["token_env"]] = "push_adapter"
    if not named:
        yield ok("", "the study names none")
    for variable, reader in named.items():
        if site.environment.get(variable, "").strip():
            yield ok(variable, f"set, for {reader}")
        else:
            yield missing(variable, f"not set, and {reader} needs it. Fix: export {variable}=<your key>.")


def room(site: Site) -> Iterator[Line]:
    """Compare the free space where results and caches go with what is fetched and trained."""
    fetched, adapters = to_fetch(site), number_of_adapters(site)
    try:
        models = site.study["train"]["models"]
        trained = sum(site.estimator.megabytes(Work(model, adapters=adapters)) for model in models)
        told = f"{in_words(fetched)} to fetch, about {in_words(trained)} of adapters"
    except UnknownError as error:
        trained, told = 0.0, f"{in_words(fetched)} to fetch; not known is {error}"
    home = Path(site.environment.get("HOME", "."))
    cache = Path(site.environment.get("XDG_CACHE_HOME") or home / ".cache")
    yield space("results and work", Path.cwd(), fetched + trained, "--directory", f" ({told})")
    yield space("XDG_CACHE_HOME", cache, LEAST_CACHE, "XDG_CACHE_HOME")
    hub = Path(site.environment.get("HF_HOME") or cache / "huggingface")
    yield space("HF_HOME", hub, LEAST_CACHE, "HF_HOME")


def space(about: str, folder: Path, megabytes: float, setting: str, needs: str = "") -> Line:
    """Compare the free space where ``folder`` is or will be with what goes there; ``setting`` moves it."""
    place = next(part for part in (folder, *folder.absolute().parents) if part.exists())
    free = shutil.disk_usage(place).free / 1e6
    said = f"{in_words(megabytes)} wanted{needs}, {in_words(free)} free at {place}"
    if free < megabytes:
        return missing(about, f"{said}. Fix: make room, or name a folder on a larger disk with {setting}.")
    return ok(about, said)


def to_fetch(site: Site) -> float:
    """Return the MB of all that the study fetches and that is not here yet."""
    return sum(
        fetch.megabytes
        for rule, (_, fetches) in FETCHES.items()
        for name in site.study[SHIPS[rule]]
        if not (site.results / RECORDS[rule] / name / "manifest.json").is_file()
        for fetch in fetches(name, dict(site.study))
    )


def number_of_adapters(site: Site) -> int:
    """Return how many adapters the study trains on each of its models, sweeps and rounds left out."""
    study = site.study
    return len(study["methods"]) * len(study["seeds"]) * len(study["train"]["datasets"])


def gpus(site: Site) -> Iterator[Line]:
    """Compare the GPUs of this machine, or those that SLURM knows of, with what the study's jobs ask for."""
    hardware = site.study["hardware"]
    if hardware["device"] != "cuda":
        yield ok("", "the study computes on CPUs")
        return
    shared = hardware["vllm_tensor_parallel_of"]
    teachers = {
        name: {name: hardware["vllm_tensor_parallel"], **shared}[name] for name in site.teachers_of_vllm()
    }
    most = max([hardware["processes"], *teachers.values()])
    found = answer_of(NVIDIA)
    if found is None:
        yield from by_slurm(most)
        return
    sizes = [float(line.rpartition(",")[2]) * MIB for line in found]
    told = ", ".join(sorted(set(found)))
    if len(sizes) < most:
        yield missing(
            "", f"{len(sizes)} GPUs here, and a job asks for {most}. Fix: use fewer, or another machine."
        )
    else:
        yield ok("", f"{len(sizes)} GPUs here ({told} MiB), and jobs ask for {most} at most")
    yield from too_large(site, min(sizes, default=0.0), teachers)


def too_large(site: Site, memory: float, teachers: dict[str, int]) -> Iterator[Line]:
    """Yield the models whose weights alone do not fit into GPUs of ``memory`` bytes."""
    hardware = site.study["hardware"]
    weight = BYTES[hardware["quantisation"]][hardware["precision"]]
    parts = hardware["processes"] if hardware["deepspeed"].startswith("zero3") else 1
    asked = [(f"models.{name}", name, weight / parts, 1.0) for name in site.study["train"]["models"]]
    for name, shared in teachers.items():
        share = hardware["vllm_memory_fraction"]
        asked.append((f"teachers.{name}", site.study["teachers"][name]["model"], 2.0 / shared, share))
    for place, model, each, share in asked:
        try:
            needs = site.estimator.weights(model) * each
        except UnknownError as error:
            yield not_yet(place, f"not known is {error}")
            continue
        if needs > memory * share:
            told = (
                f"{in_words(needs / 1e6)} of weights on each GPU, which has {in_words(memory * share / 1e6)}"
            )
            yield missing(place, f"{told} for them. Fix: share it among more GPUs, or quantise it.")


def by_slurm(most: int) -> Iterator[Line]:
    """Tell what SLURM knows of GPUs, where this machine has none."""
    found = answer_of(SINFO)
    if found is None:
        yield not_yet("", "neither nvidia-smi nor SLURM answers here. Check again where the jobs will run.")
        return
    partitions = sorted({line for line in found if GRES.search(line)})
    counts = [int(number) for line in partitions for number in GRES.findall(line)]
    if max(counts, default=0) < most:
        told = "; ".join(partitions) or "none"
        yield missing("", f"a job asks for {most} GPUs of one node; SLURM has: {told}. Fix: use fewer.")
    else:
        yield not_yet("", f"no GPU on this machine to look at; SLURM has: {'; '.join(partitions)}")


def answer_of(command: tuple[str, ...]) -> list[str] | None:
    """Return the lines that a program prints; ``None`` where it is not installed or fails."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return (
        [line.strip() for line in done.stdout.splitlines() if line.strip()] if not done.returncode else None
    )
