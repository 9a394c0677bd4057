"""All checks that a study passes before it runs, by name, in the order in which they are told."""

from collections.abc import Callable, Iterator

from workflow.lib.errors import PlumblineError
from workflow.lib.preflight.leakage import leakage
from workflow.lib.preflight.lines import Line, Site, gathered, of_error, ok
from workflow.lib.preflight.models import layers, lengths, scorers, templates
from workflow.lib.preflight.sources import sources
from workflow.lib.preflight.surroundings import gpus, room, secrets


def config(site: Site) -> Iterator[Line]:
    """Tell that the config is sound: Snakemake would not have come so far with another."""
    counted = ("datasets", "models", "teachers", "methods", "seeds")
    yield ok("", ", ".join(f"{key} {len(site.study[key])}" for key in counted))


CHECKS: dict[str, Callable[[Site], Iterator[Line]]] = {
    "config": config,
    "secrets": secrets,
    "disk": room,
    "GPUs": gpus,
    "sources": sources,
    "chat template": templates,
    "LoRA": layers,
    "reward model": scorers,
    "length": lengths,
    "leakage": leakage,
}


def look(site: Site) -> Iterator[tuple[str, Line]]:
    """Yield the lines of every check, each with the check's name; an error in one is a line, and no end."""
    for name, check in CHECKS.items():
        try:
            lines = gathered(check(site))
        except PlumblineError as error:
            lines = [of_error("", error)]
        yield from ((name, line) for line in lines)
