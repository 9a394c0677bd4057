"""What each shipped study plans, as text: its jobs by rule, and how many of which depend on which.

``python tests/golden.py`` writes ``tests/workflow/golden/*.txt`` again, after a change that is meant; ``git
diff`` shows what it did to the graphs.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.studies import ROOT, SNAKEMAKE

FOLDER = ROOT / "tests/workflow/golden"
STUDIES = sorted([*ROOT.glob("config/*.yaml"), *ROOT.glob("config/studies/*.yaml")])
EDGE = " -> "


@dataclass(frozen=True)
class Plan:
    """The jobs of a study by rule, and the pairs of jobs of which the second needs the first, by rules."""

    jobs: Counter[str]
    pairs: Counter[tuple[str, str]]

    @property
    def edges(self) -> set[tuple[str, str]]:
        """Return the pairs of rules of which some jobs depend on each other."""
        return set(self.pairs)

    def __str__(self) -> str:
        """Return one line per rule, then one per pair of rules, each with its number."""
        jobs = [f"{rule} {count}" for rule, count in sorted(self.jobs.items())]
        pairs = [f"{EDGE.join(rules)} {count}" for rules, count in sorted(self.pairs.items())]
        return "\n".join([*jobs, "", *pairs, ""])


def plan(study: str | Path, folder: Path) -> Plan:
    """Return what Snakemake would run for a study from nothing, with ``folder`` as working directory."""
    command = [SNAKEMAKE, "--forceall", "--d3dag", "--configfile", ROOT / study, "--snakefile"]
    command += [ROOT / "Snakefile", "--directory", folder]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    dag = json.loads(done.stdout)
    rule_of = {node["id"]: node["value"]["rule"] for node in dag["nodes"]}
    links = dag["links" if "links" in dag else "edges"]
    return Plan(
        Counter(rule_of.values()), Counter((rule_of[link["u"]], rule_of[link["v"]]) for link in links)
    )


def golden_of(study: Path) -> Path:
    """Return the file with what a study plans."""
    return FOLDER / f"{study.stem}.txt"


def read(path: Path) -> Plan:
    """Return the plan in a file."""
    rows = [line.rsplit(" ", 1) for line in path.read_text().splitlines() if line]
    counts = {name: int(count) for name, count in rows}
    jobs = Counter({name: count for name, count in counts.items() if EDGE not in name})
    edges = {tuple(name.split(EDGE)): count for name, count in counts.items() if EDGE in name}
    return Plan(jobs, Counter({(first, second): count for (first, second), count in edges.items()}))


def main() -> None:
    """Write the plan of every study."""
    FOLDER.mkdir(exist_ok=True)
    for study in STUDIES:
        with tempfile.TemporaryDirectory() as folder:
            golden_of(study).write_text(str(plan(study, Path(folder))))


if __name__ == "__main__":
    main()
