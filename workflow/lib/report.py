"""The page of the report: figures as data, examples, provenance, and the templates filled with them.

Everything on the page comes from elsewhere and is escaped; the page needs no other file and no network.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from workflow.lib.card_tables import input_table
from workflow.lib.errors import DataError
from workflow.lib.figures import dark, look, ordered
from workflow.lib.files import read_json
from workflow.lib.run_tables import reason_tables
from workflow.lib.tables import Table, table_of
from workflow.lib.wording import clip, count, visible

MOST_EXAMPLES = 60
LARGEST_FIGURE = 2_000_000  # bytes of one SVG
LARGEST_PAGE = 10_000_000  # bytes
ABSOLUTE = re.compile(r"(?<![\w.:/<~])/(?:[^/\s\"'\\<>]+/)+")  # folders of an absolute path


@dataclass(frozen=True)
class FigureView:
    """One figure in two inks with what is said of it."""

    title: str
    alt: str
    caption: str
    light: str  # data URI
    dark: str  # data URI


@dataclass(frozen=True)
class Provenance:
    """Where the results come from: short facts, tables, and listings to open."""

    facts: dict[str, str] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    listings: dict[str, str] = field(default_factory=dict)


def card_listings(cards: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return every card in full under its dataset and stage."""
    return {
        f"Card of {card['dataset']}, {'choice of prompts' if 'choices' in card else card['stage']}": listing(
            card
        )
        for card in cards
    }


def provenance_view(facts: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> Provenance:
    """Return the content of provenance.json as facts, tables and listings, and why each job ran."""
    if not facts:
        return Provenance()
    versions = {"Package": list(facts["versions"]), "Version": [str(v) for v in facts["versions"].values()]}
    short = {
        "Release of Plumbline": facts["release"],
        "Commit": facts["commit"],
        "Settings (SHA-256)": facts["config_sha256"],
        "Platform": " ".join(map(str, facts["platform"].values())),
    }
    listings = {
        "Settings of the study": clip(yaml.safe_dump(facts["config"], sort_keys=False, allow_unicode=True))
    }
    for key, title in (("runs", "Training runs"), ("scores", "Evaluations"), ("manifests", "Inputs in full")):
        listings[f"{title} ({len(facts[key])})"] = listing(facts[key])
    tables = [input_table(facts["manifests"]), table_of("Versions", versions, words=("Version",))]
    tables += reason_tables(jobs)
    return Provenance(short, dict(facts["commands"]), tables, listings)


def listing(value: Any) -> str:
    """Return a JSON value as indented text, clipped."""
    return clip(json.dumps(value, indent=2, ensure_ascii=False))


def example_sets(examples: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sets of examples.json with at most ``MOST_EXAMPLES`` examples, texts clipped."""
    sets = []
    room = MOST_EXAMPLES
    for entry in examples["sets"] if examples else []:
        shown = [clipped(example) for example in entry["examples"][:room]]
        sets.append({**entry, "examples": shown, "left_out": len(entry["examples"]) - len(shown)})
        room -= len(shown)
    return sets


def clipped(example: Mapping[str, Any]) -> dict[str, Any]:
    """Return an example in the order of the methods, with texts no longer than ``LONGEST_TEXT``."""
    order = ordered(answer["method"] for answer in example["answers"])
    answers = sorted(example["answers"], key=lambda answer: order.index(answer["method"]))
    return {
        **example,
        "prompt": clip(example["prompt"]),
        "answers": [{**a, "text": clip(a["text"]), "label": look(a["method"]).label} for a in answers],
    }


def figure_view(svg: str, caption: str) -> FigureView | None:
    """Return the figure at ``svg`` with its caption; ``None`` where either is not there.

    Raises:
        DataError: The figure is too large for the page.
    """
    if not Path(svg).exists() or not Path(caption).exists():
        return None
    drawing = Path(svg).read_text(encoding="utf-8")
    if len(drawing) > LARGEST_FIGURE:
        raise DataError(
            f"{svg}: {count(str(len(drawing)))} bytes, more than {count(str(LARGEST_FIGURE))} allowed."
        )
    return FigureView(**read_json(caption), light=data_uri(drawing), dark=data_uri(dark(drawing)))


def data_uri(svg: str) -> str:
    """Return ``svg`` as the source of an image that needs no other file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def script_hash(script: str) -> str:
    """Return the source expression with which a Content-Security-Policy allows ``script`` and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def without_folders(text: str) -> str:
    """Return ``text`` with every absolute path cut to its last part: a page tells nothing of a machine."""
    return ABSOLUTE.sub("…/", text)


def render(sources: Mapping[str, str], page: str, views: Mapping[str, Any]) -> str:
    """Return the template ``page`` of ``sources`` filled with ``views``.

    Every value is escaped, after its control characters were made visible; an unknown name is an error.
    """

    def seen(value: Any) -> Any:
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=DictLoader(dict(sources)),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(page).render(views)
    if len(text.encode()) > LARGEST_PAGE:
        raise DataError(f"{page}: the page has {len(text.encode())} bytes, more than {LARGEST_PAGE} allowed.")
    return text
